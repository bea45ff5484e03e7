//! RTP as pure machines: packets in and out, the jitter buffer, RTCP, whose packets to believe.
//!
//! Nothing here reads a clock; only `ports` touches sockets.

mod clock;
mod dialer;
mod events;
pub mod formats;
mod jitter;
pub mod packet;
pub mod ports;
mod queue;
pub mod receiver;
mod reception;
mod report;
pub mod rtcp;
pub mod sender;
pub mod source;
mod spread;
pub mod srtp;
pub mod steady;
mod timeline;
mod voice;

pub use clock::ClockScale;
pub use formats::Formats;
pub use packet::Packet;
