//! Shared parts of the benchmark programs. They measure the server from outside, from kernel to kernel.

pub mod args;
pub mod bot;
pub mod clock;
pub mod control;
pub mod echo;
pub mod marker;
pub mod rtp;
pub mod samples;
pub mod sip;
pub mod sys;
