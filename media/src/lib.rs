//! The audio path of AgentStream, imported from Python as `agentstream._media`.

pub mod audio;
pub mod player;
pub mod recorder;
pub mod rtp;
pub mod stats;
pub mod wavfile;

#[cfg(feature = "extension-module")]
use pyo3::prelude::*;

#[cfg(feature = "extension-module")]
#[pymodule]
fn _media(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}
