//! What a recording promises: alignment, honesty about loss, a playable file.

use std::fs;
use std::process::Command;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::wavfile::{part_path, scratch::Folder, HEADER_BYTES};

const PATIENCE: Duration = Duration::from_secs(20);

type Outcome = Result<Ready, String>;

fn spec(path: &Path, channels: Channels, max_ms: u64) -> RecordSpec {
    RecordSpec {
        path: path.to_owned(),
        channels,
        max_ms,
    }
}

fn open(recorder: &Recorder, spec: RecordSpec) -> (RecordingTap, Receiver<Outcome>) {
    let (send, outcome) = unbounded();
    let tap = recorder.open(spec, 8000, Box::new(move |done| drop(send.send(done))));
    (tap, outcome)
}

fn samples_of(path: &Path) -> Vec<i16> {
    let bytes = fs::read(path).unwrap();
    let claimed = u32::from_le_bytes(bytes[40..44].try_into().unwrap()) as usize;
    let data = &bytes[HEADER_BYTES as usize..];
    assert_eq!(data.len(), claimed);
    data.chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn both_sides_stay_aligned_whatever_their_lengths(
        frames in prop::collection::vec((prop::collection::vec(any::<i16>(), 0..400), prop::collection::vec(any::<i16>(), 0..400)), 0..40),
    ) {
        let folder = Folder::new();
        let recorder = Recorder::start().unwrap();
        let (stereo, mono) = (folder.path().join("s.wav"), folder.path().join("m.wav"));
        let mirrored = folder.path().join("r.wav");
        let (mut tap, _) = open(&recorder, spec(&stereo, Channels::Stereo, 0));
        let (mut turned, _) = open(&recorder, spec(&mirrored, Channels::Mirrored, 0));
        let (mut mix, _) = open(&recorder, spec(&mono, Channels::Mono, 0));
        let (mut both, mut sum) = (Vec::new(), Vec::new());
        for (heard, said) in &frames {
            tap.push(heard, said);
            turned.push(heard, said);
            mix.push(heard, said);
            for at in 0..heard.len().max(said.len()) {
                let (left, right) = (sample(heard, at), sample(said, at));
                both.extend([left, right]);
                sum.push((i32::from(left) + i32::from(right)).clamp(-32768, 32767) as i16);
            }
        }
        drop((tap, turned, mix));
        recorder.close();
        prop_assert_eq!(samples_of(&stereo), both.clone());
        both.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
        prop_assert_eq!(samples_of(&mirrored), both);
        prop_assert_eq!(samples_of(&mono), sum);
    }
}

#[test]
fn a_recording_ends_at_its_longest_and_leaves_out_pauses() {
    let folder = Folder::new();
    let path = folder.path().join("deep/er/call.wav");
    let recorder = Recorder::start().unwrap();
    let (mut tap, outcome) = open(&recorder, spec(&path, Channels::Mono, 50));
    tap.push(&[1; 160], &[]);
    tap.pause();
    tap.push(&[9; 160], &[]);
    tap.resume();
    tap.push(&[2; 160], &[]);
    assert!(!tap.is_done());
    tap.push(&[3; 160], &[]);
    assert!(tap.is_done());
    let ready = outcome.recv_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(
        (ready.duration_ms, ready.lost_ms, &ready.path),
        (50, 0, &path)
    );
    assert_eq!(ready.sha256.len(), 64);
    let expected = [vec![1; 160], vec![2; 160], vec![3; 80]].concat();
    assert_eq!(samples_of(&path), expected);
    drop(tap);
    assert!(outcome.recv_timeout(PATIENCE).is_err(), "told once");
}

#[test]
fn what_the_disk_cannot_take_becomes_counted_silence() {
    let folder = Folder::new();
    let path = folder.path().join("slow.wav");
    let recorder = Recorder::start().unwrap();
    let (mut tap, outcome) = open(&recorder, spec(&path, Channels::Stereo, 0));
    tap.push(&[1; 4000], &[2; 4000]);
    tap.shared
        .waiting
        .fetch_add(WAITING_LIMIT, Ordering::AcqRel); // as if the disk stood still
    tap.push(&[3; 4000], &[4; 4000]);
    tap.shared
        .waiting
        .fetch_sub(WAITING_LIMIT, Ordering::AcqRel);
    tap.push(&[5; 4000], &[6; 4000]);
    tap.stop();
    let ready = outcome.recv_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!((ready.duration_ms, ready.lost_ms), (1500, 500));
    let expected = [[1, 2].repeat(4000), vec![0; 8000], [5, 6].repeat(4000)].concat();
    assert_eq!(samples_of(&path), expected);
}

#[test]
fn a_file_that_cannot_be_made_is_told_and_the_tap_goes_quiet() {
    let folder = Folder::new();
    fs::write(folder.path().join("file"), b"").unwrap();
    let recorder = Recorder::start().unwrap();
    let path = folder.path().join("file/call.wav");
    let (mut tap, outcome) = open(&recorder, spec(&path, Channels::Mono, 0));
    let error = outcome.recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert!(error.contains("file/call.wav: "), "{error}");
    assert!(tap.is_done());
    tap.push(&[1; 160], &[]);
    assert!(tap.chunk.is_empty());
}

/// The work of `a_full_disk_...`, run by it in a process whose files may not grow beyond 32 KiB (64 where sh is bash).
#[test]
fn child_that_fills_its_disk() {
    let Some(path) = std::env::var_os("AGENTSTREAM_TEST_FULL") else {
        return;
    };
    let recorder = Recorder::start().unwrap();
    let (mut tap, outcome) = open(&recorder, spec(Path::new(&path), Channels::Mono, 0));
    for _ in 0..10 {
        tap.push(&[7; 4000], &[]);
    }
    tap.stop();
    let error = outcome.recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert!(
        error.ends_with("the file is larger than the system allows"),
        "{error}"
    );
    assert!(tap.is_done());
}

#[test]
fn a_full_disk_ends_the_recording_and_leaves_a_playable_part() {
    let folder = Folder::new();
    let path = folder.path().join("full.wav");
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "recorder::tests::child_that_fills_its_disk"])
        .env("AGENTSTREAM_TEST_FULL", &path)
        .output()
        .unwrap();
    assert!(
        child.status.success(),
        "{}",
        String::from_utf8_lossy(&child.stdout)
    );
    assert!(!path.exists());
    let kept = samples_of(&part_path(&path));
    assert!(
        kept.len() >= 16_000 && kept.len() % 4000 == 0,
        "whole chunks"
    );
    assert!(kept.iter().all(|sample| *sample == 7));
}
