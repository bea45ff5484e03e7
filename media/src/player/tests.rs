//! Prompts of every kind are loaded, cached and played to the sample.

use std::fs;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::wavfile::{scratch::Folder, WavWriter};

const PATIENCE: Duration = Duration::from_secs(20);

/// A WAV file with any format tag, as other programs write them.
fn wav(tag: u16, bits: u16, channels: u16, rate_hz: u32, data: &[u8]) -> Vec<u8> {
    let frame = bits / 8 * channels;
    let mut bytes = b"RIFF".to_vec();
    let is_pcm = tag == 1;
    let format_bytes: u32 = if is_pcm { 16 } else { 18 }; // with the size of an (empty) extension
    bytes.extend((data.len() as u32 + 20 + format_bytes).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(format_bytes.to_le_bytes());
    bytes.extend(tag.to_le_bytes());
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate_hz.to_le_bytes());
    bytes.extend((rate_hz * u32::from(frame)).to_le_bytes());
    bytes.extend(frame.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    if !is_pcm {
        bytes.extend(0u16.to_le_bytes());
    }
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

fn decoded(name: &str, bytes: &[u8], rate_hz: u32) -> Result<Vec<i16>, String> {
    let folder = Folder::new();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    decode_file(&path, rate_hz)
}

fn loaded(loader: &PromptLoader, path: &Path, rate_hz: u32) -> Result<Arc<[i16]>, String> {
    let (send, reply) = bounded(1);
    loader.load(path, rate_hz, Box::new(move |pcm| drop(send.send(pcm))));
    reply.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn every_sample_format_of_wav_is_decoded() {
    assert_eq!(
        decoded("a.wav", &wav(1, 8, 1, 8000, &[0, 128, 255]), 8000).unwrap(),
        [-32768, 0, 32512]
    );
    assert_eq!(
        decoded(
            "a.wav",
            &wav(1, 16, 1, 8000, &[0, 128, 255, 127, 1, 0]),
            8000
        )
        .unwrap(),
        [-32768, 32767, 1]
    );
    assert_eq!(
        decoded("a.wav", &wav(1, 24, 1, 8000, &[0, 0, 64, 0, 0, 192]), 8000).unwrap(),
        [16384, -16384]
    );
    assert_eq!(
        decoded("a.wav", &wav(1, 32, 1, 8000, &[0, 0, 0, 64]), 8000).unwrap(),
        [16384]
    );
    assert_eq!(
        decoded("a.wav", &wav(3, 32, 1, 8000, &0.5f32.to_le_bytes()), 8000).unwrap(),
        [16384]
    );
    // G.711: the loudest and the quietest code of each law.
    assert_eq!(
        decoded("a.wav", &wav(7, 8, 1, 8000, &[0x80, 0xff, 0x00]), 8000).unwrap(),
        [32124, 0, -32124]
    );
    assert_eq!(
        decoded("a.wav", &wav(6, 8, 1, 8000, &[0xaa, 0xd5, 0x55]), 8000).unwrap(),
        [32256, 8, -8]
    );
}

#[test]
fn channels_are_averaged() {
    let stereo = [100i16, 300, -5, -5]
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect::<Vec<_>>();
    assert_eq!(
        decoded("a.wav", &wav(1, 16, 2, 8000, &stereo), 8000).unwrap(),
        [200, -5]
    );
}

#[test]
fn another_rate_keeps_the_duration_and_the_moment() {
    for (from_hz, to_hz) in [
        (44_100, 8000),
        (48_000, 16_000),
        (8000, 24_000),
        (11_025, 8000),
        (22_050, 16_000),
    ] {
        let half = from_hz as usize / 2;
        let step = [vec![0i16; half], vec![8000; from_hz as usize - half]].concat();
        let data: Vec<u8> = step
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect();
        let pcm = decoded("a.wav", &wav(1, 16, 1, from_hz, &data), to_hz).unwrap();
        assert!(
            pcm.len().abs_diff(to_hz as usize) <= 2,
            "{from_hz} to {to_hz}: {}",
            pcm.len()
        );
        let rise = pcm.iter().position(|sample| *sample > 4000).unwrap();
        assert!(
            rise.abs_diff(to_hz as usize / 2) <= 3,
            "{from_hz} to {to_hz}: {rise}"
        );
    }
}

#[test]
fn a_rate_that_no_sound_has_is_refused() {
    for rate_hz in [1, 1_000_003, u32::MAX / 2] {
        assert!(decoded("a.wav", &wav(1, 16, 1, rate_hz, &[0; 4000]), 8000).is_err());
    }
}

#[test]
fn mp3_is_decoded() {
    // MPEG-1 layer III, 128 kbit/s, 44.1 kHz, joint stereo: 417 bytes per frame; zeros are silence.
    let frame = [vec![0xff, 0xfb, 0x90, 0x64], vec![0; 413]].concat();
    let pcm = decoded("a.mp3", &frame.repeat(50), 8000).unwrap();
    let expected = 50 * 1152 * 8000 / 44_100;
    assert!(pcm.len().abs_diff(expected) < 1152, "{}", pcm.len());
    assert!(pcm.iter().all(|sample| *sample == 0));
}

#[test]
fn a_wav_of_unknown_length_is_played_to_its_end() {
    let mut bytes = wav(1, 16, 1, 8000, &[1, 0, 2, 0]);
    bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes()); // as written to a pipe
    bytes[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(decoded("a.wav", &bytes, 8000).unwrap(), [1, 2]);
}

#[test]
fn what_cannot_be_played_is_said_with_the_name_of_the_file() {
    let folder = Folder::new();
    let text = |result: Result<Vec<i16>, String>| result.unwrap_err();
    assert_eq!(
        text(decode_file(&folder.path().join("none.wav"), 8000)),
        "none.wav: no such file"
    );
    let undecodable = "greeting.mp3: not an audio file that can be decoded";
    assert_eq!(
        text(decoded("greeting.mp3", b"<html>not found</html>", 8000)),
        undecodable
    );
    assert_eq!(
        text(decoded("a.wav", &wav(1, 16, 1, 8000, &[]), 8000)),
        "a.wav: holds no audio"
    );
    let long = wav(7, 8, 1, 8000, &vec![255; 601 * 8000]);
    assert_eq!(
        text(decoded("a.wav", &long, 8000)),
        "a.wav: longer than 10 minutes"
    );
    fs::create_dir(folder.path().join("d.wav")).unwrap();
    assert_eq!(
        text(decode_file(&folder.path().join("d.wav"), 8000)),
        "d.wav: a folder, not a file"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn strange_bytes_give_samples_or_a_sentence(
        start in prop::sample::select(vec![b"RIFF\x24\0\0\0WAVEfmt ".to_vec(), b"OggS\0\x02".to_vec(), b"\xff\xfb\x90\x64".to_vec(), b"ID3\x04".to_vec(), vec![]]),
        rest in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        if let Err(text) = decoded("x.wav", &[start, rest].concat(), 8000) {
            prop_assert!(text.starts_with("x.wav: "));
        }
    }

    #[test]
    fn playback_gives_each_sample_once_per_run(
        pcm in prop::collection::vec(1i16.., 0..300),
        loops in 1u32..4,
        max_ms in 0u64..40,
        frame in 1usize..200,
    ) {
        let mut expected = pcm.repeat(loops as usize);
        if max_ms > 0 {
            expected.truncate(max_ms as usize * 8);
        }
        let mut playback = Playback::new(pcm.into(), 8000, loops, max_ms);
        let mut heard = Vec::new();
        loop {
            let mut out = vec![77; frame];
            let finished = playback.take(&mut out);
            heard.extend(out);
            if finished {
                break;
            }
        }
        prop_assert!(heard.len() - expected.len() <= frame);
        prop_assert!(heard[expected.len()..].iter().all(|sample| *sample == 0));
        heard.truncate(expected.len());
        prop_assert_eq!(heard, expected);
    }
}

#[test]
fn an_endless_prompt_goes_on_until_its_longest() {
    let mut playback = Playback::new(vec![1, 2, 3].into(), 8000, 0, 1000);
    let mut out = [0; 8000];
    assert!(playback.take(&mut out));
    assert_eq!(&out[7997..], [3, 1, 2]);
}

#[test]
fn a_second_load_comes_from_the_cache_until_the_file_changes() {
    let folder = Folder::new();
    let path = folder.path().join("p.wav");
    let write = |samples: &[i16]| {
        let mut file = WavWriter::create(&path, 8000, 1).unwrap();
        file.append(samples).unwrap();
        file.finish().unwrap();
    };
    write(&[1, 2]);
    let loader = PromptLoader::start(CACHE_BYTES).unwrap();
    let first = loaded(&loader, &path, 8000).unwrap();
    assert!(Arc::ptr_eq(&first, &loaded(&loader, &path, 8000).unwrap()));
    assert!(!Arc::ptr_eq(
        &first,
        &loaded(&loader, &path, 16_000).unwrap()
    ));
    write(&[1, 2, 3]);
    assert_eq!(*loaded(&loader, &path, 8000).unwrap(), [1, 2, 3]);
}

#[test]
fn the_cache_lets_the_least_recently_used_go() {
    let key = |name: &str| Key {
        path: name.into(),
        modified: None,
        bytes: 0,
        rate_hz: 8000,
    };
    let pcm = |count: usize| Arc::<[i16]>::from(vec![0; count]);
    let mut cache = Cache::new(20);
    cache.put(key("a"), pcm(4));
    cache.put(key("b"), pcm(4));
    assert!(cache.get(&key("a")).is_some());
    cache.put(key("c"), pcm(4));
    assert!(cache.get(&key("b")).is_none());
    assert!(cache.get(&key("a")).is_some() && cache.get(&key("c")).is_some());
    cache.put(key("big"), pcm(11));
    assert!(cache.get(&key("big")).is_none());
    cache.put(key("a"), pcm(10));
    assert_eq!((cache.used_bytes, cache.entries.len()), (20, 1));
}
