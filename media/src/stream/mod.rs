//! One bot's WebSocket: connecting, messages in and out.

pub mod attempt;
pub mod chunker;
pub mod connector;
pub mod envelope;
pub mod exotel;
pub mod hush;
pub mod keys;
pub mod link;
pub mod samples;
pub mod template;
pub mod tls;
pub mod tracks;
pub mod voice;
pub mod wire;
