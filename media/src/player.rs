//! Prompts: sound files become samples at the leg's rate on loader threads, and play from memory.
//!
//! WAV (8 to 32 bit, float, µ-law, A-law), MP3 and OGG Vorbis; any rate; channels are averaged.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::SystemTime;

use crossbeam_channel::{bounded, Receiver, Sender, TrySendError};
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;

use crate::audio::resample::Resampler;

/// Room for decoded prompts unless told otherwise.
pub const CACHE_BYTES: usize = 64 * 1024 * 1024;
/// A longer file is refused: it would hold the loader and the memory.
const LONGEST_S: usize = 600;
/// What `Resampler` takes, and no sound file is outside of.
const FILE_RATES_HZ: std::ops::RangeInclusive<u32> = 4000..=192_000;
/// Requests that may wait; a file that is asked for beyond it is refused.
const WAITING_LIMIT: usize = 1024;
/// Two, so that one long file does not hold up all others.
const LOADERS: usize = 2;

/// Told once per `load`, on a loader thread; the error is a sentence that names the file.
pub type OnLoaded = Box<dyn FnOnce(Result<Arc<[i16]>, String>) + Send>;

/// The loader threads; they end once this is dropped and what waits is done.
#[derive(Debug)]
pub struct PromptLoader {
    requests: Sender<Request>,
}

impl PromptLoader {
    /// Start the threads with room for `cache_bytes` of decoded samples.
    pub fn start(cache_bytes: usize) -> io::Result<PromptLoader> {
        let (requests, waiting) = bounded(WAITING_LIMIT);
        let cache = Arc::new(Mutex::new(Cache::new(cache_bytes)));
        for number in 0..LOADERS {
            let (waiting, cache) = (waiting.clone(), Arc::clone(&cache));
            thread::Builder::new()
                .name(format!("prompts-{number}"))
                .spawn(move || load_all(&waiting, &cache))?;
        }
        Ok(PromptLoader { requests })
    }

    /// Decode `path` to mono at `rate_hz`, or take it from the cache; returns at once.
    pub fn load(&self, path: &Path, rate_hz: u32, reply: OnLoaded) {
        let request = Request {
            path: path.to_owned(),
            rate_hz,
            reply,
        };
        if let Err(TrySendError::Full(refused) | TrySendError::Disconnected(refused)) =
            self.requests.try_send(request)
        {
            let text = format!(
                "{}: too many prompts wait to be loaded",
                file_name(&refused.path)
            );
            (refused.reply)(Err(text));
        }
    }
}

/// A prompt on its way to the ear. It knows no clock: each `take` is the next piece of time.
#[derive(Debug)]
pub struct Playback {
    pcm: Arc<[i16]>,
    at: usize,
    /// Runs after this one; None: endless.
    runs_left: Option<u32>,
    samples_left: u64,
}

impl Playback {
    /// `loops` 0: endless until dropped; `max_ms` 0: no limit.
    pub fn new(pcm: Arc<[i16]>, rate_hz: u32, loops: u32, max_ms: u64) -> Playback {
        let max_samples = max_ms.saturating_mul(u64::from(rate_hz)) / 1000;
        let is_silent = pcm.is_empty();
        Playback {
            pcm,
            at: 0,
            runs_left: loops.checked_sub(1),
            samples_left: match (is_silent, max_ms) {
                (true, _) => 0,
                (false, 0) => u64::MAX,
                (false, _) => max_samples,
            },
        }
    }

    /// Fill `out` with what comes next; true once the prompt ended (the rest of `out` is silence).
    pub fn take(&mut self, out: &mut [i16]) -> bool {
        let mut filled = 0;
        while filled < out.len() && self.samples_left > 0 {
            let count = (out.len() - filled)
                .min(self.pcm.len() - self.at)
                .min(usize::try_from(self.samples_left).unwrap_or(usize::MAX));
            out[filled..filled + count].copy_from_slice(&self.pcm[self.at..self.at + count]);
            filled += count;
            self.at += count;
            self.samples_left -= count as u64;
            if self.at == self.pcm.len() {
                self.rewind();
            }
        }
        out[filled..].fill(0);
        self.samples_left == 0
    }

    fn rewind(&mut self) {
        self.at = 0;
        match &mut self.runs_left {
            None => {}
            Some(0) => self.samples_left = 0,
            Some(runs) => *runs -= 1,
        }
    }
}

/// Decode a file to mono at `rate_hz`; it reads the disk, so not on an audio thread.
pub fn decode_file(path: &Path, rate_hz: u32) -> Result<Vec<i16>, String> {
    let name = file_name(path);
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("{name}: no such file"),
        io::ErrorKind::PermissionDenied => format!("{name}: may not be read by this server"),
        _ => format!("{name}: {error}"),
    })?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(format!("{name}: a folder, not a file"));
    }
    let extension = path.extension().and_then(|extension| extension.to_str());
    // A file comes from outside; a decoder that trips over it must not take the loader with it.
    catch_unwind(AssertUnwindSafe(|| decode(file, extension, rate_hz)))
        .unwrap_or(Err(Undecodable::NotAudio))
        .map_err(|reason| match reason {
            Undecodable::NotAudio => format!("{name}: not an audio file that can be decoded"),
            Undecodable::Empty => format!("{name}: holds no audio"),
            Undecodable::TooLong => format!("{name}: longer than {} minutes", LONGEST_S / 60),
        })
}

struct Request {
    path: PathBuf,
    rate_hz: u32,
    reply: OnLoaded,
}

fn load_all(waiting: &Receiver<Request>, cache: &Mutex<Cache>) {
    for Request {
        path,
        rate_hz,
        reply,
    } in waiting
    {
        reply(load_one(&path, rate_hz, cache));
    }
}

fn load_one(path: &Path, rate_hz: u32, cache: &Mutex<Cache>) -> Result<Arc<[i16]>, String> {
    let key = fs::metadata(path).ok().map(|metadata| Key {
        path: path.to_owned(),
        modified: metadata.modified().ok(),
        bytes: metadata.len(),
        rate_hz,
    });
    let lock = || cache.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pcm) = key.as_ref().and_then(|key| lock().get(key)) {
        return Ok(pcm);
    }
    let pcm: Arc<[i16]> = decode_file(path, rate_hz)?.into();
    if let Some(key) = key {
        lock().put(key, Arc::clone(&pcm));
    }
    Ok(pcm)
}

/// What makes two loads the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    path: PathBuf,
    modified: Option<SystemTime>,
    bytes: u64,
    rate_hz: u32,
}

/// Decoded prompts, the least recently used first to go.
#[derive(Debug)]
struct Cache {
    room_bytes: usize,
    used_bytes: usize,
    uses: u64,
    entries: HashMap<Key, (Arc<[i16]>, u64)>,
}

impl Cache {
    fn new(room_bytes: usize) -> Cache {
        Cache {
            room_bytes,
            used_bytes: 0,
            uses: 0,
            entries: HashMap::new(),
        }
    }

    fn get(&mut self, key: &Key) -> Option<Arc<[i16]>> {
        self.uses += 1;
        let (pcm, last_use) = self.entries.get_mut(key)?;
        *last_use = self.uses;
        Some(Arc::clone(pcm))
    }

    /// Keep `pcm` unless it alone is larger than the cache.
    fn put(&mut self, key: Key, pcm: Arc<[i16]>) {
        let bytes = size_of_val(&*pcm);
        if bytes > self.room_bytes {
            return;
        }
        self.uses += 1;
        self.used_bytes += bytes;
        if let Some((old, _)) = self.entries.insert(key, (pcm, self.uses)) {
            self.used_bytes -= size_of_val(&*old);
        }
        while self.used_bytes > self.room_bytes {
            let oldest = self
                .entries
                .iter()
                .min_by_key(|(_, (_, last_use))| *last_use);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else {
                break;
            };
            if let Some((old, _)) = self.entries.remove(&key) {
                self.used_bytes -= size_of_val(&*old);
            }
        }
    }
}

enum Undecodable {
    NotAudio,
    Empty,
    TooLong,
}

impl From<SymphoniaError> for Undecodable {
    fn from(_: SymphoniaError) -> Undecodable {
        Undecodable::NotAudio
    }
}

fn decode(file: File, extension: Option<&str>, rate_hz: u32) -> Result<Vec<i16>, Undecodable> {
    let mut hint = Hint::new();
    if let Some(extension) = extension {
        hint.with_extension(extension);
    }
    let source = MediaSourceStream::new(Box::new(file), Default::default());
    let mut format = symphonia::default::get_probe().probe(
        &hint,
        source,
        Default::default(),
        Default::default(),
    )?;
    let track = format
        .default_track(TrackType::Audio)
        .ok_or(Undecodable::NotAudio)?;
    let track_id = track.id;
    let params = track
        .codec_params
        .as_ref()
        .and_then(|params| params.audio());
    let mut decoder = symphonia::default::get_codecs().make_audio_decoder(
        params.ok_or(Undecodable::NotAudio)?,
        &AudioDecoderOptions::default(),
    )?;
    let pcm = decode_track(format.as_mut(), decoder.as_mut(), track_id, rate_hz)?;
    if pcm.is_empty() {
        return Err(Undecodable::Empty);
    }
    Ok(pcm)
}

fn decode_track(
    format: &mut dyn FormatReader,
    decoder: &mut dyn AudioDecoder,
    track_id: u32,
    rate_hz: u32,
) -> Result<Vec<i16>, Undecodable> {
    let mut out = Vec::new();
    let mut converter: Option<Converter> = None;
    let (mut interleaved, mut mono) = (Vec::<f32>::new(), Vec::<i16>::new());
    // What was decoded before a broken end is played: a cut file is still a prompt.
    while let Ok(Some(packet)) = format.next_packet() {
        if packet.track_id != track_id {
            continue;
        }
        let Ok(audio) = decoder.decode(&packet) else {
            continue;
        };
        let file_rate_hz = audio.spec().rate();
        if !FILE_RATES_HZ.contains(&file_rate_hz) {
            return Err(Undecodable::NotAudio);
        }
        audio.copy_to_vec_interleaved(&mut interleaved);
        mix_down(&interleaved, audio.num_planes(), &mut mono);
        if converter
            .as_ref()
            .is_none_or(|converter| converter.from_hz != file_rate_hz)
        {
            converter.into_iter().for_each(|old| old.finish(&mut out));
            converter = Some(Converter::new(file_rate_hz, rate_hz, out.len()));
        }
        if let Some(converter) = &mut converter {
            converter.resampler.process(&mono, &mut out);
        }
        if out.len() > LONGEST_S * rate_hz as usize {
            return Err(Undecodable::TooLong);
        }
    }
    converter.into_iter().for_each(|last| last.finish(&mut out));
    Ok(out)
}

/// A resampler whose delay is taken out again.
struct Converter {
    resampler: Resampler,
    from_hz: u32,
    /// Silence that pushes the last samples out, and as much of the output that came too early.
    delay_in: usize,
    delay_out: usize,
    starts_at: usize,
}

impl Converter {
    fn new(from_hz: u32, to_hz: u32, starts_at: usize) -> Converter {
        // The resampler's group delay; none where it passes samples through.
        let lower_hz = from_hz.min(to_hz) as usize;
        let delay = |rate_hz: u32| 24 * rate_hz as usize * usize::from(from_hz != to_hz) / lower_hz;
        Converter {
            resampler: Resampler::new(from_hz, to_hz),
            from_hz,
            delay_in: delay(from_hz),
            delay_out: delay(to_hz),
            starts_at,
        }
    }

    fn finish(mut self, out: &mut Vec<i16>) {
        self.resampler.process(&vec![0; self.delay_in], out);
        let early = self.delay_out.min(out.len() - self.starts_at);
        out.drain(self.starts_at..self.starts_at + early);
    }
}

fn mix_down(interleaved: &[f32], channels: usize, mono: &mut Vec<i16>) {
    mono.clear();
    mono.extend(interleaved.chunks_exact(channels.max(1)).map(|frame| {
        let mean = frame.iter().sum::<f32>() / channels as f32;
        (mean * 32768.0).round() as i16 // `as` saturates
    }));
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests;
