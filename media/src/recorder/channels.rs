//! How the two directions of a leg share a recording.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// Both directions added, saturating.
    Mono,
    /// Left is what the leg heard from its far end, right what was said to it.
    Stereo,
    /// The other way round.
    Mirrored,
    /// Only what the leg heard from its far end.
    Heard,
    /// Only what was said to it.
    Said,
}

impl Channels {
    /// How many there are in the file.
    pub fn count(self) -> usize {
        match self {
            Channels::Mono | Channels::Heard | Channels::Said => 1,
            Channels::Stereo | Channels::Mirrored => 2,
        }
    }

    /// Add one sample of each direction.
    pub fn add(self, chunk: &mut Vec<i16>, heard: i16, said: i16) {
        match self {
            Channels::Mono => chunk.push(heard.saturating_add(said)),
            Channels::Stereo => chunk.extend([heard, said]),
            Channels::Mirrored => chunk.extend([said, heard]),
            Channels::Heard => chunk.push(heard),
            Channels::Said => chunk.push(said),
        }
    }
}
