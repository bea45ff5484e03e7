//! One clock for all programs of a run: CLOCK_MONOTONIC of this machine.

use crate::sys;

/// Now, in nanoseconds.
pub fn now_ns() -> u64 {
    sys::clock_ns(libc::CLOCK_MONOTONIC)
}

/// Turns the kernel's arrival times (CLOCK_REALTIME) into ours.
#[derive(Debug, Clone, Copy)]
pub struct KernelTime {
    offset_ns: i64,
    read_ns: u64,
}

impl KernelTime {
    pub fn read() -> KernelTime {
        let before = now_ns();
        let real = sys::clock_ns(libc::CLOCK_REALTIME);
        let after = now_ns();
        let middle = before + (after - before) / 2;
        KernelTime {
            offset_ns: real as i64 - middle as i64,
            read_ns: after,
        }
    }

    /// The wall clock may be slewed: read the offset anew each second.
    pub fn refresh(&mut self) {
        if now_ns() > self.read_ns + 1_000_000_000 {
            *self = KernelTime::read();
        }
    }

    pub fn to_monotonic_ns(&self, real_ns: u64) -> u64 {
        (real_ns as i64 - self.offset_ns) as u64
    }
}

/// Beats of one millisecond that never drift; a late beat is followed at once by the next.
#[derive(Debug)]
pub struct Beats {
    next_ns: u64,
    count: u64,
}

pub const BEAT_NS: u64 = 1_000_000;

impl Beats {
    pub fn start() -> Beats {
        sys::sharpen_timers();
        Beats {
            next_ns: now_ns() + BEAT_NS,
            count: 0,
        }
    }

    /// Wait for the next beat; its number and when it should have been.
    pub fn wait(&mut self) -> (u64, u64) {
        sys::sleep_until_ns(self.next_ns);
        let due_ns = self.next_ns;
        self.next_ns += BEAT_NS;
        self.count += 1;
        (self.count, due_ns)
    }
}
