//! What the audio path tells Python: events and figures, and the queue they cross in.

mod queue;

pub use queue::EventQueue;

/// A frozen value: a plain struct here, a class of `_media` in Python.
macro_rules! value {
    ($(#[$note:meta])* $name:ident { $($field:ident: $kind:ty),* $(,)? }) => {
        $(#[$note])*
        #[cfg_attr(feature = "extension-module", pyo3::pyclass(
            frozen, eq, get_all, from_py_object, module = "agentstream._media"
        ))]
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $(pub $field: $kind),* }

        #[cfg(feature = "extension-module")]
        #[pyo3::pymethods]
        impl $name {
            #[new]
            #[allow(clippy::too_many_arguments)] // one per field, as the stub says
            fn new($($field: $kind),*) -> Self {
                Self { $($field),* }
            }

            #[classattr]
            fn __match_args__(py: pyo3::Python<'_>) -> pyo3::PyResult<pyo3::Py<pyo3::types::PyTuple>> {
                let names = [$(stringify!($field)),*];
                Ok(pyo3::types::PyTuple::new(py, names)?.unbind())
            }

            fn __repr__(&self) -> String {
                format!("{self:?}")
            }
        }
    };
}

/// Counters: all zero when made, readable one by one or as a dict.
macro_rules! figures {
    ($(#[$note:meta])* $name:ident { $($(#[$field_note:meta])* $field:ident: $kind:ty),* $(,)? }) => {
        $(#[$note])*
        #[cfg_attr(feature = "extension-module", pyo3::pyclass(
            frozen, eq, get_all, from_py_object, module = "agentstream._media"
        ))]
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name { $($(#[$field_note])* pub $field: $kind),* }

        #[cfg(feature = "extension-module")]
        #[pyo3::pymethods]
        impl $name {
            #[new]
            fn new() -> Self {
                Self::default()
            }

            fn as_dict<'py>(
                &self,
                py: pyo3::Python<'py>,
            ) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::types::PyDict>> {
                use pyo3::types::PyDictMethods;
                let dict = pyo3::types::PyDict::new(py);
                $(dict.set_item(stringify!($field), self.$field.clone())?;)*
                Ok(dict)
            }

            fn __repr__(&self) -> String {
                format!("{self:?}")
            }
        }
    };
}

figures! {
    /// Counters of one leg over its life.
    LegStats {
        packets_received: u64,
        packets_sent: u64,
        bytes_received: u64,
        bytes_sent: u64,
        packets_lost: u64,
        packets_late: u64,
        packets_duplicate: u64,
        packets_foreign: u64,
        packets_malformed: u64,
        srtp_rejected: u64,
        srtp_replayed: u64,
        concealed_ms: u64,
        jitter_ms: f64,
        jitter_max_ms: f64,
        round_trip_ms: f64,
        mos: f64,
        remote_loss: f64,
        frames_late_5ms: u64,
        send_errors: u64,
        bridge_frames: u64,
        bridge_passed: u64,
        bridge_inserted: u64,
        bridge_dropped: u64,
        codec: String,
        srtp: String,
    }
}

figures! {
    /// Counters of one stream over its life.
    StreamStats {
        media_sent: u64,
        media_received: u64,
        bytes_sent: u64,
        bytes_received: u64,
        messages_ignored: u64,
        payloads_undecodable: u64,
        payloads_small: u64,
        payloads_misaligned: u64,
        media_dropped_in_ms: u64,
        media_dropped_out: u64,
        underruns: u64,
        played_ms: u64,
        clears: u64,
        marks: u64,
        first_audio_ms: i64,
        rtp_to_ws_p50_ms: f64,
        rtp_to_ws_p99_ms: f64,
        ws_to_rtp_p50_ms: f64,
        ws_to_rtp_p99_ms: f64,
        clear_to_silence_max_ms: f64,
    }
}

figures! {
    /// Counters of the whole engine.
    EngineStats {
        legs: u64,
        streams: u64,
        packets_received: u64,
        packets_sent: u64,
        packets_foreign: u64,
        srtp_refused: u64,
        frames_sent: u64,
        frames_late_5ms: u64,
        events_waiting: u64,
        events_dropped: u64,
        commands_dropped: u64,
        leg_faults: u64,
    }
}

value!(
    /// The first packet in a direction, `in` or `out`.
    MediaStarted { leg_sid: String, at_ms: u64, direction: String }
);
value!(
    /// One key press, complete; the source is `rfc4733`, `inband` or `file`.
    Digit { leg_sid: String, at_ms: u64, digit: String, duration_ms: u64, source: String }
);
value!(
    /// Nothing was received for a while.
    RtpTimeout { leg_sid: String, at_ms: u64, silent_ms: u64, ever_received: bool }
);
value!(
    /// The far end's media comes from another address than its SDP said.
    SourceChanged { leg_sid: String, at_ms: u64, address: String }
);
value!(
    /// So many datagrams had no right tag, or came before: 50, then ten times as many, and so on.
    SrtpRefused { leg_sid: String, at_ms: u64, rejected: u64, replayed: u64, ever_accepted: bool }
);
value!(
    /// The bot accepted; the phases took this long.
    StreamOpen {
        leg_sid: String, at_ms: u64, stream_sid: String, tcp_ms: u64, tls_ms: u64, upgrade_ms: u64
    }
);
value!(
    /// The socket did not open; `phase` is `tcp`, `tls`, `upgrade` or `aborted`.
    StreamFailed {
        leg_sid: String, at_ms: u64, stream_sid: String, phase: String, http_status: u16, detail: String
    }
);
value!(
    /// A text that is not for the audio path.
    BotMessage { leg_sid: String, at_ms: u64, stream_sid: String, text: String }
);
value!(
    /// One of a bot's first messages, whatever it is, its long strings cut.
    BotSample { leg_sid: String, at_ms: u64, stream_sid: String, text: String, is_binary: bool }
);
value!(
    /// How much audio a bot has sent so far.
    BotPace { leg_sid: String, at_ms: u64, stream_sid: String, bytes_received: u64 }
);
value!(
    /// First frame of an utterance.
    BotAudioStarted { leg_sid: String, at_ms: u64, stream_sid: String }
);
value!(
    /// A mark was echoed.
    MarkPlayed {
        leg_sid: String, at_ms: u64, stream_sid: String, name: String, played_ms: u64, cleared: bool
    }
);
value!(
    /// A clear was carried out.
    Cleared { leg_sid: String, at_ms: u64, stream_sid: String, played_ms: u64, dropped_ms: u64 }
);
value!(
    /// Answer to a drain.
    StreamDrained { leg_sid: String, at_ms: u64, stream_sid: String }
);
value!(
    /// Both directions have another rate from here on.
    RateSet { leg_sid: String, at_ms: u64, stream_sid: String, rate_hz: u32 }
);
value!(
    /// The socket has ended; `who` is `bot`, `us` or `network`.
    StreamClosed {
        leg_sid: String, at_ms: u64, stream_sid: String, code: u16, reason: String, who: String,
        queued_ms: u64, stats: StreamStats,
    }
);
value!(
    /// A prompt ended.
    PlayFinished { leg_sid: String, at_ms: u64, prompt_id: String, completed: bool, error: String }
);
value!(
    /// A recording is complete.
    RecordingReady {
        leg_sid: String, at_ms: u64, recording_sid: String, path: String, duration_ms: u64, sha256: String
    }
);
value!(
    /// A recording could not be written.
    RecordingFailed { leg_sid: String, at_ms: u64, recording_sid: String, path: String, error: String }
);
value!(
    /// The far end has been silent for as long as was asked.
    Silence { leg_sid: String, at_ms: u64, silent_ms: u64 }
);
value!(
    /// Who answered: `human`, `machine` or `unknown`; the reason is a word of `audio::answer`.
    AnswerJudged { leg_sid: String, at_ms: u64, result: String, elapsed_ms: u64, reason: String }
);
value!(
    /// An answering machine's beep has ended.
    BeepHeard { leg_sid: String, at_ms: u64, elapsed_ms: u64, hz: u32 }
);
value!(
    /// The last event of a leg.
    LegClosed { leg_sid: String, at_ms: u64, stats: LegStats, fault: String }
);

macro_rules! events {
    ($($name:ident),* $(,)?) => {
        /// Anything that Python is told.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Event { $($name($name)),* }

        $(impl From<$name> for Event {
            fn from(event: $name) -> Self {
                Event::$name(event)
            }
        })*

        #[cfg(feature = "extension-module")]
        impl<'py> pyo3::IntoPyObject<'py> for Event {
            type Target = pyo3::PyAny;
            type Output = pyo3::Bound<'py, pyo3::PyAny>;
            type Error = pyo3::PyErr;

            fn into_pyobject(self, py: pyo3::Python<'py>) -> Result<Self::Output, Self::Error> {
                Ok(match self {
                    $(Event::$name(event) => pyo3::Bound::new(py, event)?.into_any()),*
                })
            }
        }

        #[cfg(feature = "extension-module")]
        pub(crate) fn add_classes(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
            use pyo3::types::PyModuleMethods;
            use pyo3::types::PyAnyMethods;
            // `Event` is their union, as the stub says: Python's `A | B`, for isinstance and hints.
            let mut union: Option<pyo3::Bound<'_, pyo3::PyAny>> = None;
            $({
                module.add_class::<$name>()?;
                let class = module.py().get_type::<$name>().into_any();
                union = Some(match union {
                    Some(others) => others.bitor(class)?,
                    None => class,
                });
            })*
            if let Some(union) = union {
                pyo3::types::PyModuleMethods::add(module, "Event", union)?;
            }
            module.add_class::<LegStats>()?;
            module.add_class::<StreamStats>()?;
            module.add_class::<EngineStats>()
        }
    };
}

events!(
    MediaStarted,
    Digit,
    RtpTimeout,
    SourceChanged,
    SrtpRefused,
    StreamOpen,
    StreamFailed,
    BotMessage,
    BotSample,
    BotPace,
    BotAudioStarted,
    MarkPlayed,
    Cleared,
    StreamDrained,
    RateSet,
    StreamClosed,
    PlayFinished,
    RecordingReady,
    RecordingFailed,
    Silence,
    AnswerJudged,
    BeepHeard,
    LegClosed,
);

#[cfg(test)]
mod tests;
