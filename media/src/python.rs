//! Python's names for the engine and its legs; no logic.

use std::path::PathBuf;

use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::command::Command;
use crate::engine::{Engine, LegHandle, Refused};
use crate::event::{EngineStats, Event};
use crate::leg::Quiet;
use crate::plan::{
    AnswerPlan, CapturePlan, EnginePlan, FileLegPlan, PromptPlan, RecordPlan, RemotePlan,
    RtpLegPlan, StreamPlan,
};
use crate::wavfile::recover_parts;

pyo3::create_exception!(
    agentstream._media,
    PortsExhausted,
    PyException,
    "No RTP port is free and rested."
);
pyo3::create_exception!(
    agentstream._media,
    MediaError,
    PyException,
    "A plan that cannot be carried out; the text names the field."
);

impl From<Refused> for PyErr {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::PortsExhausted => PortsExhausted::new_err("no RTP port is free and rested"),
            Refused::Plan(text) => MediaError::new_err(text),
        }
    }
}

/// Worker threads and their ports.
#[pyclass(frozen, name = "Engine", module = "agentstream._media")]
struct PyEngine(Engine);

#[pymethods]
impl PyEngine {
    #[new]
    fn new(py: Python<'_>, plan: EnginePlan) -> PyResult<Self> {
        Ok(Self(py.detach(|| Engine::start(&plan))?))
    }

    /// Readable while events wait (eventfd).
    #[getter]
    fn fd(&self) -> i32 {
        self.0.fd()
    }

    /// Take the events that wait, oldest first; clears `fd` once none is left.
    #[pyo3(signature = (limit = 1024))]
    fn events(&self, limit: usize) -> Vec<Event> {
        self.0.events(limit)
    }

    /// Reserve a port pair and open a leg; raises PortsExhausted.
    fn open_rtp_leg(&self, plan: RtpLegPlan) -> PyResult<PyLeg> {
        Ok(PyLeg(self.0.open_rtp_leg(plan)?))
    }

    /// Open a leg between two WAV files; raises MediaError when the input cannot be read.
    fn open_file_leg(&self, py: Python<'_>, plan: FileLegPlan) -> PyResult<PyLeg> {
        Ok(PyLeg(py.detach(|| self.0.open_file_leg(plan))?))
    }

    fn free_ports(&self) -> usize {
        self.0.free_ports()
    }

    fn stats(&self) -> EngineStats {
        self.0.stats()
    }

    /// End every leg and stop the threads; joins them.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }
}

/// A handle; its commands run in order on the leg's own thread. Unknown ids are ignored.
#[pyclass(frozen, name = "Leg", module = "agentstream._media")]
struct PyLeg(LegHandle);

#[pymethods]
impl PyLeg {
    #[getter]
    fn leg_sid(&self) -> &str {
        &self.0.leg_sid
    }

    #[getter]
    fn rtp_port(&self) -> u16 {
        self.0.rtp_port
    }

    fn connect(&self, plan: RemotePlan) {
        self.0.post(Command::Connect(plan));
    }

    fn start(&self) {
        self.0.post(Command::Start);
    }

    fn open_stream(&self, plan: StreamPlan) {
        self.0.post(Command::OpenStream(Box::new(plan)));
    }

    fn send_text(&self, stream_sid: String, text: String) {
        self.0.post(Command::SendText { stream_sid, text });
    }

    fn drain_stream(&self, stream_sid: String) {
        self.0.post(Command::DrainStream { stream_sid });
    }

    fn close_stream(
        &self,
        stream_sid: String,
        code: u16,
        reason: String,
        last_text: Option<String>,
    ) {
        self.0.post(Command::CloseStream {
            stream_sid,
            code,
            reason,
            last_text,
        });
    }

    fn drop_stream(&self, stream_sid: String) {
        self.0.post(Command::DropStream { stream_sid });
    }

    fn play(&self, plan: PromptPlan) {
        self.0.post(Command::Play(plan));
    }

    fn stop_play(&self) {
        self.0.post(Command::StopPlay);
    }

    #[pyo3(signature = (digits, tone_ms = 100, gap_ms = 70))]
    fn send_digits(&self, digits: String, tone_ms: u32, gap_ms: u32) {
        self.0.post(Command::SendDigits {
            digits,
            tone_ms,
            gap_ms,
        });
    }

    /// Let this leg and another hear each other; each leaves the bridge it was in. Raises MediaError.
    #[pyo3(signature = (other, *, relays_digits = true))]
    fn bridge(&self, other: PyRef<'_, PyLeg>, relays_digits: bool) -> PyResult<()> {
        Ok(self.0.bridge(&other.0, relays_digits)?)
    }

    fn unbridge(&self) {
        self.0.post(Command::Unbridge);
    }

    /// Let this leg's far end hear what the other's says, one way. Raises MediaError.
    #[pyo3(signature = (other, *, relays_digits = false))]
    fn hear(&self, other: PyRef<'_, PyLeg>, relays_digits: bool) -> PyResult<()> {
        Ok(self.0.hear(&other.0, relays_digits)?)
    }

    fn unhear(&self, other: PyRef<'_, PyLeg>) {
        self.0.unhear(&other.0);
    }

    #[pyo3(signature = (*, heard, said, prompts))]
    fn mute(&self, heard: bool, said: bool, prompts: bool) {
        self.0.post(Command::Mute(Quiet {
            heard,
            said,
            prompts,
        }));
    }

    fn watch_silence(&self, timeout_ms: u64) {
        self.0.post(Command::WatchSilence { timeout_ms });
    }

    fn watch_answer(&self, plan: Option<AnswerPlan>) {
        self.0.post(Command::WatchAnswer(plan.map(Box::new)));
    }

    fn begin_stream(&self, stream_sid: String) {
        self.0.post(Command::BeginStream { stream_sid });
    }

    fn press_stream(&self, stream_sid: String, digit: char, tone_ms: u32) {
        self.0.post(Command::PressStream {
            stream_sid,
            digit,
            tone_ms,
        });
    }

    fn set_stream_rate(&self, stream_sid: String, rate_hz: u32, text: String) {
        self.0.post(Command::SetStreamRate {
            stream_sid,
            rate_hz,
            text,
        });
    }

    fn record(&self, plan: RecordPlan) {
        self.0.post(Command::Record(plan));
    }

    /// Keep the leg's packets in a pcap file; another capture of the leg ends.
    fn capture(&self, plan: CapturePlan) {
        self.0.post(Command::Capture(plan));
    }

    fn stop_capture(&self) {
        self.0.post(Command::StopCapture);
    }

    fn pause_recording(&self, recording_sid: String) {
        self.0.post(Command::PauseRecording { recording_sid });
    }

    fn resume_recording(&self, recording_sid: String) {
        self.0.post(Command::ResumeRecording { recording_sid });
    }

    fn stop_recording(&self, recording_sid: String) {
        self.0.post(Command::StopRecording { recording_sid });
    }

    /// End the leg; everything that runs on it ends first, LegClosed is the last event.
    fn close(&self) {
        self.0.post(Command::Close);
    }
}

/// Give what a crash left of recordings in a folder its final names, and return these.
#[pyfunction]
fn recover_recordings(py: Python<'_>, folder: PathBuf) -> PyResult<Vec<PathBuf>> {
    Ok(py.detach(|| recover_parts(&folder))?)
}

#[pymodule]
fn _media(module: &Bound<'_, PyModule>) -> PyResult<()> {
    crate::event::add_classes(module)?;
    module.add_class::<PyEngine>()?;
    module.add_class::<PyLeg>()?;
    module.add_function(wrap_pyfunction!(recover_recordings, module)?)?;
    module.add("PortsExhausted", module.py().get_type::<PortsExhausted>())?;
    module.add("MediaError", module.py().get_type::<MediaError>())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}
