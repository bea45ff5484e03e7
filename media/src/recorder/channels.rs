//! How the two directions of a leg share a recording.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// Both directions added, saturating.
    Mono,
    /// Left is what the leg heard from its far end, right what was said to it.
    Stereo,
    /// The other way round.
    Mirrored,
}

impl Channels {
    /// How many there are in the file.
    pub fn count(self) -> usize {
        match self {
            Channels::Mono => 1,
            Channels::Stereo | Channels::Mirrored => 2,
        }
    }

    /// Add one sample of each direction.
    pub fn add(self, chunk: &mut Vec<i16>, heard: i16, said: i16) {
        match self {
            Channels::Mono => chunk.push(heard.saturating_add(said)),
            Channels::Stereo => chunk.extend([heard, said]),
            Channels::Mirrored => chunk.extend([said, heard]),
        }
    }
}
