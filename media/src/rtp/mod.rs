//! RTP as pure machines: packets in and out, the jitter buffer, RTCP, whose packets to believe.
//!
//! Nothing here reads a clock; only `ports` touches sockets.

pub mod formats;
pub mod packet;
pub mod ports;
pub mod receiver;
mod reception;
pub mod rtcp;
pub mod sender;
pub mod source;

pub use formats::Formats;
pub use packet::Packet;
