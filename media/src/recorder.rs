//! Recordings of legs: taps on the audio threads, one thread that writes, one that finishes files.
//!
//! ```text
//! leg ─push─▶ RecordingTap ─chunks of 500 ms─▶ writer ─▶ PATH.part ─stop─▶ finisher ─▶ PATH, sha256
//! ```
//! A tap never waits. When the disk does not keep up, what does not fit is left out and counted, and
//! silence of the same length is written in its place, so that both sides stay aligned in time.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{unbounded, Receiver, Sender};

pub use self::channels::Channels;
use self::packets::Files;
pub use self::packets::{PacketSpec, PacketTap};
use crate::wavfile::WavWriter;

mod channels;
mod packets;

/// Audio per message to the writer; the header is renewed with each, hence well below a second.
const CHUNK_MS: u32 = 500;
/// Chunks that may wait for the disk per recording (10 s); beyond it audio gives way to silence.
const WAITING_LIMIT: u32 = 20;
const SILENCE: [i16; 4096] = [0; 4096];

/// What to record; `RecordPlan` without its ids.
#[derive(Debug, Clone)]
pub struct RecordSpec {
    pub path: PathBuf,
    pub channels: Channels,
    /// The recording ends by itself at this length; 0: no limit.
    pub max_ms: u64,
}

/// A finished recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    pub path: PathBuf,
    pub duration_ms: u64,
    /// Of the whole file, lower-case hexadecimal.
    pub sha256: String,
    /// Audio that the disk could not take in time; silence stands in its place.
    pub lost_ms: u64,
}

/// Told once per recording, on a recorder thread; the error is a sentence that names the file.
pub type OnDone = Box<dyn FnOnce(Result<Ready, String>) + Send>;

/// The two threads behind all recordings.
#[derive(Debug)]
pub struct Recorder {
    writer: Sender<Message>,
    threads: Vec<JoinHandle<()>>,
    next_id: AtomicU64,
}

impl Recorder {
    /// Start the threads.
    pub fn start() -> io::Result<Recorder> {
        let (writer, messages) = unbounded();
        let (finisher, finished) = unbounded();
        let threads = vec![
            spawn("recorder", move || write_all(&messages, &finisher))?,
            spawn("rec-finish", move || finish_all(&finished))?,
        ];
        Ok(Recorder {
            writer,
            threads,
            next_id: AtomicU64::new(0),
        })
    }

    /// Open a recording at the leg's rate. It returns at once; a file that cannot be made is told by
    /// `on_done`.
    pub fn open(&self, spec: RecordSpec, rate_hz: u32, on_done: OnDone) -> RecordingTap {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::new(Shared::default());
        let max_samples = spec.max_ms * u64::from(rate_hz) / 1000;
        let tap = RecordingTap {
            id,
            channels: spec.channels,
            shared: Arc::clone(&shared),
            writer: self.writer.clone(),
            chunk: Vec::new(),
            chunk_frames: (rate_hz * CHUNK_MS / 1000) as usize,
            lost_frames: 0,
            frames_left: if max_samples == 0 {
                u64::MAX
            } else {
                max_samples
            },
            is_paused: false,
            is_stopped: false,
        };
        let _ = self.writer.send(Message::Open {
            id,
            spec,
            rate_hz,
            on_done,
            shared,
        });
        tap
    }

    /// Capture packets of a leg. It returns at once; a file that cannot be made captures nothing.
    pub fn capture(&self, spec: PacketSpec) -> PacketTap {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        PacketTap::open(id, spec, self.writer.clone())
    }

    /// Finish every open recording and wait for the threads.
    pub fn close(mut self) {
        let _ = self.writer.send(Message::Close);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The end of a recording that lives on the leg's thread. Dropping it stops the recording.
#[derive(Debug)]
pub struct RecordingTap {
    id: u64,
    channels: Channels,
    shared: Arc<Shared>,
    writer: Sender<Message>,
    chunk: Vec<i16>,
    chunk_frames: usize,
    /// Left out since the last chunk that was sent.
    lost_frames: u64,
    frames_left: u64,
    is_paused: bool,
    is_stopped: bool,
}

impl RecordingTap {
    /// Record one frame of both directions; the shorter side is filled up with silence. Never waits.
    pub fn push(&mut self, heard: &[i16], said: &[i16]) {
        if self.is_paused || self.is_done() {
            return;
        }
        let count = (heard.len().max(said.len()) as u64).min(self.frames_left) as usize;
        for at in 0..count {
            self.channels
                .add(&mut self.chunk, sample(heard, at), sample(said, at));
        }
        self.frames_left -= count as u64;
        if self.chunk.len() >= self.chunk_frames * self.channels.count() {
            self.send_chunk();
        }
        if self.frames_left == 0 {
            self.stop();
        }
    }

    /// Leave out what comes until `resume`; the file's time stands still.
    pub fn pause(&mut self) {
        self.is_paused = true;
    }

    pub fn resume(&mut self) {
        self.is_paused = false;
    }

    /// End the recording; `on_done` follows. More calls change nothing.
    pub fn stop(&mut self) {
        if !self.is_stopped {
            self.send_chunk();
            let lost_frames = self.lost_frames;
            let _ = self.writer.send(Message::Stop {
                id: self.id,
                lost_frames,
            });
            self.is_stopped = true;
        }
    }

    /// Nothing more is recorded: stopped, at its longest, or failed.
    pub fn is_done(&self) -> bool {
        self.is_stopped || self.shared.has_failed.load(Ordering::Relaxed)
    }

    fn send_chunk(&mut self) {
        if self.chunk.is_empty() {
            return;
        }
        if self.shared.waiting.load(Ordering::Acquire) >= WAITING_LIMIT {
            self.lost_frames += (self.chunk.len() / self.channels.count()) as u64;
            self.chunk.clear();
            return;
        }
        self.shared.waiting.fetch_add(1, Ordering::AcqRel);
        let room = self.chunk_frames * self.channels.count();
        let _ = self.writer.send(Message::Audio {
            id: self.id,
            lost_frames: std::mem::take(&mut self.lost_frames),
            samples: std::mem::replace(&mut self.chunk, Vec::with_capacity(room + room / 4)),
        });
    }
}

impl Drop for RecordingTap {
    fn drop(&mut self) {
        self.stop();
    }
}

fn sample(side: &[i16], at: usize) -> i16 {
    side.get(at).copied().unwrap_or(0)
}

/// What a tap and the writer both know.
#[derive(Debug, Default)]
struct Shared {
    /// Chunks sent and not yet written.
    waiting: AtomicU32,
    has_failed: AtomicBool,
}

enum Message {
    Open {
        id: u64,
        spec: RecordSpec,
        rate_hz: u32,
        on_done: OnDone,
        shared: Arc<Shared>,
    },
    /// `lost_frames` of silence, then `samples`.
    Audio {
        id: u64,
        lost_frames: u64,
        samples: Vec<i16>,
    },
    Stop {
        id: u64,
        lost_frames: u64,
    },
    Packets(packets::Message),
    Close,
}

/// A file that is being written.
struct Recording {
    file: WavWriter,
    path: PathBuf,
    channels: usize,
    rate_hz: u32,
    lost_frames: u64,
    on_done: OnDone,
    shared: Arc<Shared>,
}

/// The writer's thread: ends with `Close`, or once no recorder and no tap is left.
fn write_all(messages: &Receiver<Message>, finisher: &Sender<Recording>) {
    let mut open: HashMap<u64, Recording> = HashMap::new();
    let mut captures = Files::default();
    for message in messages {
        match message {
            Message::Open {
                id,
                spec,
                rate_hz,
                on_done,
                shared,
            } => {
                if let Some(recording) = Recording::open(spec, rate_hz, on_done, shared) {
                    open.insert(id, recording);
                }
            }
            Message::Audio {
                id,
                lost_frames,
                samples,
            } => {
                let Some(recording) = open.get_mut(&id) else {
                    continue;
                };
                if let Err(error) = recording.write(lost_frames, &samples) {
                    open.remove(&id)
                        .into_iter()
                        .for_each(|broken| broken.fail(&error));
                }
            }
            Message::Stop { id, lost_frames } => {
                let Some(mut recording) = open.remove(&id) else {
                    continue;
                };
                match recording.write(lost_frames, &[]) {
                    Ok(()) => drop(finisher.send(recording)),
                    Err(error) => recording.fail(&error),
                }
            }
            Message::Packets(message) => captures.take(message),
            Message::Close => break,
        }
    }
    for recording in open.into_values() {
        let _ = finisher.send(recording);
    }
}

/// The finisher's thread: fsync and hash of a long file take seconds, the writer does not wait for them.
fn finish_all(finished: &Receiver<Recording>) {
    for recording in finished {
        recording.finish();
    }
}

impl Recording {
    fn open(
        spec: RecordSpec,
        rate_hz: u32,
        on_done: OnDone,
        shared: Arc<Shared>,
    ) -> Option<Recording> {
        let channels = spec.channels.count();
        match WavWriter::create(&spec.path, rate_hz, channels as u16) {
            Ok(file) => {
                let path = spec.path;
                Some(Recording {
                    file,
                    path,
                    channels,
                    rate_hz,
                    lost_frames: 0,
                    on_done,
                    shared,
                })
            }
            Err(error) => {
                shared.has_failed.store(true, Ordering::Relaxed);
                on_done(Err(error_text(&spec.path, &error)));
                None
            }
        }
    }

    fn write(&mut self, lost_frames: u64, samples: &[i16]) -> io::Result<()> {
        let mut silence = lost_frames as usize * self.channels;
        self.lost_frames += lost_frames;
        while silence > 0 {
            let count = silence.min(SILENCE.len());
            self.file.append(&SILENCE[..count])?;
            silence -= count;
        }
        self.file.append(samples)?;
        self.shared
            .waiting
            .fetch_sub(u32::from(!samples.is_empty()), Ordering::AcqRel);
        self.file.refresh()
    }

    fn finish(self) {
        let lost_ms = self.lost_frames * 1000 / u64::from(self.rate_hz);
        let result = match self.file.finish() {
            Ok(done) => Ok(Ready {
                path: done.path,
                duration_ms: done.duration_ms,
                sha256: done.sha256,
                lost_ms,
            }),
            Err(error) => Err(error_text(&self.path, &error)),
        };
        (self.on_done)(result);
    }

    fn fail(self, error: &io::Error) {
        self.shared.has_failed.store(true, Ordering::Relaxed);
        (self.on_done)(Err(error_text(&self.path, error)));
    }
}

fn error_text(path: &Path, error: &io::Error) -> String {
    let reason = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is full".to_owned(),
        io::ErrorKind::FileTooLarge => "the file is larger than the system allows".to_owned(),
        _ => error.to_string(),
    };
    format!("{}: {reason}", path.display())
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}

#[cfg(test)]
mod tests;
