//! WAV files that are playable at every moment of their life.
//!
//! ```text
//! PATH.part   header | samples ...        while it grows; the header's sizes are renewed with the samples
//! PATH        header | samples            after `finish`: final header, fsync, rename
//! ```
//! After a crash `recover_parts` gives what was written its final name.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Bytes of the RIFF header that `WavWriter` writes: `RIFF`, `WAVE`, `fmt ` (16) and `data`.
pub const HEADER_BYTES: u64 = 44;
/// RIFF sizes are 32-bit; the header itself counts as well.
const MAX_DATA_BYTES: u64 = u32::MAX as u64 - HEADER_BYTES;
const COPY_BYTES: usize = 64 * 1024;

/// What `WavWriter::finish` hands back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    pub path: PathBuf,
    pub duration_ms: u64,
    /// SHA-256 of the whole file, lower-case hexadecimal.
    pub sha256: String,
}

/// A 16-bit PCM WAV file that grows; call `refresh` at least once a second.
#[derive(Debug)]
pub struct WavWriter {
    file: File,
    path: PathBuf,
    rate_hz: u32,
    channels: u16,
    data_bytes: u64,
    scratch: Vec<u8>,
}

impl WavWriter {
    /// Create `path`.part with an empty, valid header; missing folders are made.
    pub fn create(path: &Path, rate_hz: u32, channels: u16) -> io::Result<WavWriter> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(part_path(path))?;
        let mut writer = WavWriter {
            file,
            path: path.to_owned(),
            rate_hz,
            channels,
            data_bytes: 0,
            scratch: Vec::new(),
        };
        writer.refresh()?;
        Ok(writer)
    }

    /// Append interleaved samples. After an error the file holds all that was appended before.
    pub fn append(&mut self, samples: &[i16]) -> io::Result<()> {
        self.scratch.clear();
        self.scratch
            .extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        let end = self.data_bytes + self.scratch.len() as u64;
        if end > MAX_DATA_BYTES {
            return Err(io::Error::other("a WAV file holds 4 GiB at most"));
        }
        let at = HEADER_BYTES + self.data_bytes;
        if let Err(error) = self.file.write_all_at(&self.scratch, at) {
            // What a full disk still took is not counted; a failed cut only leaves bytes after the data.
            let _ = self.file.set_len(at);
            let _ = self.refresh();
            return Err(error);
        }
        self.data_bytes = end;
        Ok(())
    }

    /// Write the sizes into the header, so that the file is playable up to here.
    pub fn refresh(&mut self) -> io::Result<()> {
        let header = header(self.rate_hz, self.channels, self.data_bytes as u32);
        self.file.write_all_at(&header, 0)
    }

    pub fn duration_ms(&self) -> u64 {
        let frame_bytes = u64::from(self.channels) * 2;
        self.data_bytes / frame_bytes * 1000 / u64::from(self.rate_hz)
    }

    /// Final header, fsync, rename to the final name, hash. It waits for the disk.
    pub fn finish(mut self) -> io::Result<Finished> {
        self.refresh()?;
        self.file.sync_all()?;
        fs::rename(part_path(&self.path), &self.path)?;
        sync_folder(&self.path)?;
        Ok(Finished {
            duration_ms: self.duration_ms(),
            sha256: sha256_hex(&self.path)?,
            path: self.path,
        })
    }
}

/// The name of an unfinished file: `PATH.part`.
pub fn part_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Give every `*.wav.part` of `folder` (not below it) its final name, with the header repaired to the
/// file's length. Call it at start, before anything records. Parts that are not ours stay, as do parts
/// whose final name exists. Returns the final names.
pub fn recover_parts(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut recovered = Vec::new();
    for entry in fs::read_dir(folder)? {
        let part = entry?.path();
        let path = part.with_extension("");
        let is_part = part.extension() == Some(OsStr::new("part"));
        if is_part
            && path.extension() == Some(OsStr::new("wav"))
            && !path.exists()
            && repair(&part)?
        {
            fs::rename(&part, &path)?;
            recovered.push(path);
        }
    }
    if !recovered.is_empty() {
        File::open(folder)?.sync_all()?;
    }
    recovered.sort();
    Ok(recovered)
}

/// Make the header tell the file's true length; false when the file was not written by `WavWriter`.
fn repair(part: &Path) -> io::Result<bool> {
    let file = OpenOptions::new().read(true).write(true).open(part)?;
    let mut head = [0; HEADER_BYTES as usize];
    let length = file.metadata()?.len();
    if length < HEADER_BYTES || file.read_exact_at(&mut head, 0).is_err() {
        return Ok(false);
    }
    let channels = u16::from_le_bytes([head[22], head[23]]);
    let rate_hz = u32::from_le_bytes([head[24], head[25], head[26], head[27]]);
    let claimed = u32::from_le_bytes([head[40], head[41], head[42], head[43]]);
    if channels == 0 || head != header(rate_hz, channels, claimed) {
        return Ok(false);
    }
    let frame_bytes = u64::from(channels) * 2;
    let data_bytes = (length - HEADER_BYTES).min(MAX_DATA_BYTES) / frame_bytes * frame_bytes;
    file.set_len(HEADER_BYTES + data_bytes)?;
    file.write_all_at(&header(rate_hz, channels, data_bytes as u32), 0)?;
    file.sync_all()?;
    Ok(true)
}

/// ```text
/// 0 RIFF  4 size-8  8 WAVE  12 "fmt " 16  20 PCM(1)  22 channels  24 rate  28 byte rate
/// 32 frame bytes  34 bits(16)  36 data  40 data bytes
/// ```
fn header(rate_hz: u32, channels: u16, data_bytes: u32) -> [u8; HEADER_BYTES as usize] {
    let frame_bytes = channels.wrapping_mul(2);
    let mut head = [0; HEADER_BYTES as usize];
    head[0..4].copy_from_slice(b"RIFF");
    head[4..8].copy_from_slice(
        &data_bytes
            .wrapping_add(HEADER_BYTES as u32 - 8)
            .to_le_bytes(),
    );
    head[8..16].copy_from_slice(b"WAVEfmt ");
    head[16..20].copy_from_slice(&16u32.to_le_bytes());
    head[20..22].copy_from_slice(&1u16.to_le_bytes());
    head[22..24].copy_from_slice(&channels.to_le_bytes());
    head[24..28].copy_from_slice(&rate_hz.to_le_bytes());
    let byte_rate = rate_hz.wrapping_mul(u32::from(frame_bytes));
    head[28..32].copy_from_slice(&byte_rate.to_le_bytes());
    head[32..34].copy_from_slice(&frame_bytes.to_le_bytes());
    head[34..36].copy_from_slice(&16u16.to_le_bytes());
    head[36..40].copy_from_slice(b"data");
    head[40..44].copy_from_slice(&data_bytes.to_le_bytes());
    head
}

/// A rename is only safe from power loss once its folder is on the disk.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn sha256_hex(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; COPY_BYTES];
    loop {
        match file.read(&mut block)? {
            0 => break,
            count => hash.update(&block[..count]),
        }
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// A folder under the system's temporary one, removed when dropped.
#[cfg(test)]
pub(crate) mod scratch {
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicU32, Ordering};

    static COUNT: AtomicU32 = AtomicU32::new(0);

    pub(crate) struct Folder(PathBuf);

    impl Folder {
        pub(crate) fn new() -> Folder {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("agentstream-media-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).expect("a temporary folder");
            Folder(path)
        }

        pub(crate) fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn samples_of(path: &Path) -> Vec<i16> {
        let bytes = fs::read(path).unwrap();
        let claimed = u32::from_le_bytes(bytes[40..44].try_into().unwrap()) as usize;
        assert_eq!(&bytes[..4], b"RIFF");
        assert_eq!(
            u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize,
            claimed + 36
        );
        bytes[44..44 + claimed]
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect()
    }

    proptest! {
        #[test]
        fn any_appends_are_read_back(parts in prop::collection::vec(prop::collection::vec(any::<i16>(), 0..400), 0..8)) {
            let folder = scratch::Folder::new();
            let path = folder.path().join("a.wav");
            let mut writer = WavWriter::create(&path, 8000, 1).unwrap();
            for part in &parts {
                writer.append(part).unwrap();
            }
            let finished = writer.finish().unwrap();
            let expected = parts.concat();
            prop_assert_eq!(samples_of(&path), expected.clone());
            prop_assert_eq!(finished.duration_ms, expected.len() as u64 / 8);
            prop_assert!(!part_path(&path).exists());
        }

        #[test]
        fn recovery_never_fails_on_strange_parts(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let folder = scratch::Folder::new();
            fs::write(folder.path().join("x.wav.part"), &bytes).unwrap();
            prop_assert!(recover_parts(folder.path()).unwrap().is_empty());
            prop_assert_eq!(fs::read(folder.path().join("x.wav.part")).unwrap(), bytes);
        }
    }

    #[test]
    fn a_part_file_is_playable_after_each_refresh_and_recovered_whole() {
        let folder = scratch::Folder::new();
        let path = folder.path().join("call.wav");
        let mut writer = WavWriter::create(&path, 16_000, 2).unwrap();
        writer.append(&[1, 2, 3, 4]).unwrap();
        writer.refresh().unwrap();
        assert_eq!(samples_of(&part_path(&path)), [1, 2, 3, 4]);
        writer.append(&[5, 6]).unwrap();
        drop(writer); // the process dies: the header is one append old
        fs::write(folder.path().join("other.part"), b"not ours").unwrap();
        assert_eq!(recover_parts(folder.path()).unwrap(), vec![path.clone()]);
        assert_eq!(samples_of(&path), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn recovery_cuts_half_a_frame_and_keeps_an_existing_file() {
        let folder = scratch::Folder::new();
        let path = folder.path().join("call.wav");
        drop(WavWriter::create(&path, 8000, 2).unwrap());
        let mut bytes = fs::read(part_path(&path)).unwrap();
        bytes.extend([1, 0, 2, 0, 3, 0]);
        fs::write(part_path(&path), &bytes).unwrap();
        fs::write(&path, b"older").unwrap();
        assert!(recover_parts(folder.path()).unwrap().is_empty());
        fs::remove_file(&path).unwrap();
        recover_parts(folder.path()).unwrap();
        assert_eq!(samples_of(&path), [1, 2]);
    }
}
