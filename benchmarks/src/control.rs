//! How the orchestrator talks to these programs: lines on standard input, JSON lines on standard output.

use std::io::{self, Write};

use serde_json::{json, Value};

use crate::sys;

/// What the orchestrator may say; the end of standard input is `Exit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Begin the window that is measured: forget counters and CPU so far.
    Reset,
    /// Print the report.
    Report,
    Exit,
}

/// Standard input without waiting.
#[derive(Debug)]
pub struct Commands {
    line: Vec<u8>,
}

impl Commands {
    pub fn open() -> Commands {
        sys::set_nonblocking(0);
        Commands { line: Vec::new() }
    }

    /// The next command, if one came.
    pub fn take(&mut self) -> Option<Command> {
        let mut byte = [0];
        loop {
            match sys::read(0, &mut byte) {
                Ok(0) => return Some(Command::Exit),
                Ok(_) if byte[0] == b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    match line.as_slice() {
                        b"reset" => return Some(Command::Reset),
                        b"report" => return Some(Command::Report),
                        _ => {}
                    }
                }
                Ok(_) => self.line.push(byte[0]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(_) => return Some(Command::Exit),
            }
        }
    }
}

/// Print one line of JSON with its kind.
pub fn say(event: &str, mut body: Value) {
    if let Some(fields) = body.as_object_mut() {
        fields.insert("event".to_owned(), json!(event));
    }
    let mut out = io::stdout().lock();
    // The reader may be gone: then there is nobody to tell.
    let _ = writeln!(out, "{body}");
    let _ = out.flush();
}

/// CPU seconds of this process since it was made.
#[derive(Debug)]
pub struct CpuMeter(f64);

impl CpuMeter {
    pub fn start() -> CpuMeter {
        CpuMeter(sys::cpu_seconds())
    }

    pub fn seconds(&self) -> f64 {
        sys::cpu_seconds() - self.0
    }
}
