//! Adding voices.

/// Adds `more` to `pcm`, sample by sample, clipped to 16 bits. The shorter of the two decides how many.
pub fn add_saturating(pcm: &mut [i16], more: &[i16]) {
    for (sample, &other) in pcm.iter_mut().zip(more) {
        *sample = sample.saturating_add(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loud_voices_clip_and_do_not_wrap() {
        let mut pcm = [30_000, -30_000, 100, 7];
        add_saturating(&mut pcm, &[10_000, -10_000, -300]);
        assert_eq!(pcm, [i16::MAX, i16::MIN, -200, 7]);
    }
}
