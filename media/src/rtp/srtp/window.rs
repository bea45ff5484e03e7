//! Which packet of a stream it is, and whether it came before (RFC 3711 §3.3.1, §3.3.2 and appendix A).
//!
//! ```text
//!   … 0 0 0 1 0 1 1 1 1 0 1 1│      128 packets back from the highest: 1 came before, 0 may still come
//!                            ▲ highest
//! ```

/// Packets that may come late, 2.5 s of them; the RFC asks for 64 at least.
const DEPTH: u64 = 128;
/// 48 bits of index.
const INDICES: u64 = 1 << 48;

/// What came of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    highest: u64,
    /// Bit n: the packet n before the highest came.
    came: u128,
}

impl Window {
    /// A stream that begins with this packet.
    pub fn beginning_with(index: u64) -> Self {
        Window {
            highest: index,
            came: 1,
        }
    }

    /// The index nearest to the highest that a sequence number can mean. `None`: before the beginning, or behind the
    /// end, of all indices.
    pub fn index_of(&self, sequence: u16) -> Option<u64> {
        let step = sequence.wrapping_sub(self.highest as u16) as i16;
        self.highest
            .checked_add_signed(i64::from(step))
            .filter(|index| *index < INDICES)
    }

    /// How often the sequence numbers have come round.
    pub fn rollover(&self) -> u32 {
        (self.highest >> 16) as u32
    }

    /// Whether a packet came before, or is so old that nobody knows.
    pub fn is_spent(&self, index: u64) -> bool {
        match self.highest.checked_sub(index) {
            Some(back) => back >= DEPTH || self.came >> back & 1 == 1,
            None => false,
        }
    }

    /// Takes note of an authenticated packet that was not spent.
    pub fn note(&mut self, index: u64) {
        match self.highest.checked_sub(index) {
            Some(back) if back < DEPTH => self.came |= 1 << back,
            Some(_) => {}
            None => {
                let step = index - self.highest;
                self.came = if step < DEPTH { self.came << step } else { 0 };
                self.came |= 1;
                self.highest = index;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn a_sequence_number_means_the_nearest_index() {
        let near = |highest, sequence| Window::beginning_with(highest).index_of(sequence);
        assert_eq!(near(0xfff0, 0x0005), Some(0x1_0005));
        assert_eq!(near(0x1_0005, 0xfff0), Some(0xfff0));
        assert_eq!(near(0x5_8000, 0x7fff), Some(0x5_7fff));
        assert_eq!(near(5, 0xfff0), None);
        assert_eq!(near(INDICES - 1, 3), None);
    }

    proptest! {
        #[test]
        fn no_index_counts_twice(steps in prop::collection::vec(-200_i64..200, 1..300)) {
            let mut window = Window::beginning_with(1_000);
            let (mut seen, mut at) = (HashSet::from([1_000]), 1_000_u64);
            for step in steps {
                at = at.saturating_add_signed(step);
                let highest = *seen.iter().max().unwrap();
                let is_known = seen.contains(&at);
                let is_old = at + DEPTH <= highest;
                prop_assert_eq!(window.is_spent(at), is_known || is_old);
                if !window.is_spent(at) {
                    window.note(at);
                    seen.insert(at);
                }
            }
        }
    }
}
