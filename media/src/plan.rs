//! The plans of `agentstream.media.plan`, read by attribute.

/// Bytes that are shown to nobody.
#[cfg_attr(feature = "extension-module", derive(pyo3::FromPyObject))]
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes them.
    pub fn new(bytes: Vec<u8>) -> Self {
        Secret(bytes)
    }

    /// Shows them to whoever knows what for.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret")
    }
}

/// A plan struct: made from a Python object of the same fields.
macro_rules! plan {
    ($(#[$note:meta])* $name:ident { $($field:ident: $kind:ty),* $(,)? }) => {
        $(#[$note])*
        #[cfg_attr(feature = "extension-module", derive(pyo3::FromPyObject))]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $(pub $field: $kind),* }
    };
}

plan!(
    /// One media engine.
    EnginePlan {
        rtp_host: String,
        rtp_port_low: u16,
        rtp_port_high: u16,
        workers: usize,
        port_rest_ms: u64,
        event_limit: usize,
    }
);
plan!(
    /// A leg whose far end speaks RTP.
    RtpLegPlan {
        leg_sid: String,
        jitter_min_ms: u32,
        jitter_max_ms: u32,
        first_packet_timeout_ms: u64,
        packet_timeout_ms: u64,
        inband_dtmf: bool,
        follows_clock: bool,
        group: String,
    }
);
plan!(
    /// A leg between two WAV files.
    FileLegPlan {
        leg_sid: String,
        input_path: Option<String>,
        output_path: Option<String>,
        rate_hz: u32,
        digits: Vec<(u64, String)>,
    }
);
plan!(
    /// One agreed payload type.
    CodecPlan { payload_type: u8, encoding: String }
);
plan!(
    /// Keys of SRTP, each a master key with its salt behind it.
    SrtpPlan { suite: String, our_key: Secret, their_key: Secret }
);
plan!(
    /// The far end of an RTP leg.
    RemotePlan {
        address: String,
        port: u16,
        codecs: Vec<CodecPlan>,
        rtcp_port: Option<u16>,
        ptime_ms: u32,
        dtmf_payload_type: Option<u8>,
        dtmf_receive_payload_type: Option<u8>,
        dtmf_rate_hz: u32,
        cn_payload_type: Option<u8>,
        sends: bool,
        receives: bool,
        srtp: Option<SrtpPlan>,
    }
);
plan!(
    /// One WebSocket to a bot.
    StreamPlan {
        stream_sid: String,
        addresses: Vec<String>,
        local_address: Option<String>,
        secure: bool,
        server_name: String,
        host_header: String,
        target: String,
        headers: Vec<(String, String)>,
        rate_hz: u32,
        encoding: String,
        frame_ms: u32,
        two_way: bool,
        track: String,
        holds_opening: bool,
        opening: Vec<String>,
        media_template: String,
        mark_template: String,
        connect_timeout_ms: u64,
        max_message_bytes: usize,
        rejects_other_sids: bool,
        hides_keys: bool,
        buffer_ms: u64,
        marks_on_clear: String,
        send_buffer_bytes: usize,
        ping_interval_ms: u64,
        pong_timeout_ms: u64,
        verify_tls: bool,
        ca_file: Option<String>,
    }
);
plan!(
    /// A sound file for the leg's ear.
    PromptPlan { prompt_id: String, path: String, loops: u32, max_ms: u64, streams_wait_ms: u64 }
);
plan!(
    /// How it is told who answered.
    AnswerPlan {
        initial_silence_ms: u64,
        greeting_ms: u64,
        after_greeting_silence_ms: u64,
        total_analysis_ms: u64,
        min_word_ms: u64,
        between_words_silence_ms: u64,
        maximum_words: u32,
        silence_threshold_dbov: i32,
        beep_wait_ms: u64,
    }
);
plan!(
    /// A recording of one leg.
    RecordPlan { recording_sid: String, path: String, channels: String, max_ms: u64 }
);
plan!(
    /// A capture of one leg's packets.
    CapturePlan { path: String, local_address: String, max_bytes: u64, max_ms: u64 }
);
