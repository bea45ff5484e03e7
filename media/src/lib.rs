//! The audio path of AgentStream, imported from Python as `agentstream._media`.

pub mod audio;
pub mod bridge;
pub mod command;
pub mod convert;
pub mod desk;
pub mod engine;
pub mod event;
pub mod file_line;
pub mod groups;
pub mod leg;
pub mod line;
pub mod mailbox;
pub mod phase;
pub mod plan;
pub mod player;
pub mod playout;
#[cfg(feature = "extension-module")]
mod python;
pub mod recorder;
pub mod rtp;
pub mod rtp_line;
pub mod sound;
pub mod stats;
pub mod stream;
pub mod sys;
pub mod wavfile;
pub mod worker;
