//! The shelf: plans of patches and recordings in memory that workers can read, written before they are
//! told of it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chronus_engine::{Patch, Recording, Recordings};
use chronus_os::memfd::Memfd;
use chronus_shm::region::ShelfSamples;
use serde::{Deserialize, Serialize};

/// Plans lie here, one after the other, and again from the start. No more than a few are ever in use.
const PLANS_BYTES: usize = 64 << 20;
/// No plan is larger.
const PLAN_BYTES_MAX: usize = 4 << 20;
const PAGE_BYTES: usize = 4096;

/// Everything that a worker needs to play a patch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The patch.
    pub patch: Patch,
    /// Where the recordings are that it names.
    pub recordings: Vec<(String, Place)>,
}

/// Where a recording lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    offset: usize,
    samples: usize,
    channels: usize,
    rate_hz: u32,
    digest: u64,
}

impl Place {
    /// See [`digest`].
    pub fn digest(&self) -> u64 {
        self.digest
    }
}

/// Tells one recording from another: FNV-1a over the bits of its samples.
pub fn digest(samples: &[f32]) -> u64 {
    samples.iter().fold(0xcbf2_9ce4_8422_2325, |hash, sample| {
        (hash ^ u64::from(sample.to_bits())).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

impl Plan {
    /// As bytes for a worker.
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_allocvec(self).unwrap_or_default()
    }

    /// The plan that [`to_bytes`](Self::to_bytes) made these bytes of.
    ///
    /// # Errors
    /// `InvalidData` if it did not.
    pub fn from_bytes(bytes: &[u8]) -> io::Result<Self> {
        postcard::from_bytes(bytes)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// The patch, and its recordings as a worker finds them.
    pub fn open(self, shelf: &Arc<Memfd>) -> (Patch, Box<dyn Recordings>) {
        (self.patch, Box::new(OnShelf { shelf: shelf.clone(), places: self.recordings }))
    }
}

struct OnShelf {
    shelf: Arc<Memfd>,
    places: Vec<(String, Place)>,
}

impl Recordings for OnShelf {
    fn get(&self, file: &str) -> Option<Recording> {
        let (_, place) = self.places.iter().find(|(name, _)| name == file)?;
        let samples = ShelfSamples::map(&self.shelf, place.offset, place.samples).ok()?;
        Some(Recording::new(Arc::new(samples), place.channels, place.rate_hz))
    }
}

/// The shelf as its only writer sees it.
#[derive(Debug)]
pub struct Shelf {
    memory: Arc<Memfd>,
    next_plan: usize,
    next_recording: usize,
    /// What is there already: the file, when it was changed last, and how long it was.
    known: Vec<(PathBuf, Stamp, Place)>,
}

type Stamp = (Option<std::time::SystemTime>, u64);

impl Shelf {
    /// An empty shelf.
    pub fn new(memory: Arc<Memfd>) -> Self {
        Self { memory, next_plan: 0, next_recording: PLANS_BYTES, known: Vec::new() }
    }

    /// Writes a plan; returns its place and its length in bytes.
    ///
    /// # Errors
    /// A sentence.
    pub fn put_plan(&mut self, plan: &Plan) -> Result<(u64, u64), String> {
        let bytes = plan.to_bytes();
        if bytes.len() > PLAN_BYTES_MAX {
            return Err("over budget: the patch is too large; make it of fewer parts".into());
        }
        if self.next_plan + bytes.len() > PLANS_BYTES {
            self.next_plan = 0;
        }
        let place = self.next_plan;
        self.memory.write_at(place, &bytes).map_err(no_memory)?;
        self.next_plan = (place + bytes.len()).next_multiple_of(64);
        Ok((place as u64, bytes.len() as u64))
    }

    /// A patch with the places of its recordings, which are read if they are not there yet. File names
    /// of the patch count from `folder`.
    ///
    /// # Errors
    /// A sentence about the recording that can't be had.
    pub fn plan(&mut self, patch: Patch, folder: &Path) -> Result<Plan, String> {
        let mut recordings: Vec<(String, Place)> = Vec::new();
        for module in patch.modules() {
            let Some(file) = module.file().filter(|file| !file.is_empty()) else { continue };
            if !recordings.iter().any(|(name, _)| name == file) {
                let place = self.put_recording(&folder.join(file))?;
                recordings.push((file.to_owned(), place));
            }
        }
        Ok(Plan { patch, recordings })
    }

    fn put_recording(&mut self, path: &Path) -> Result<Place, String> {
        let stamp = stamp_of(path);
        let known = self.known.iter().find(|(file, was, _)| file == path && *was == stamp);
        if let Some((_, _, place)) = known {
            return Ok(*place);
        }
        let (samples, channels, rate_hz) = read_wav(path)?;
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_ne_bytes()).collect();
        let offset = self.next_recording;
        self.memory.write_at(offset, &bytes).map_err(no_memory)?;
        self.next_recording = (offset + bytes.len()).next_multiple_of(PAGE_BYTES);
        let digest = digest(&samples);
        let place = Place { offset, samples: samples.len(), channels, rate_hz, digest };
        self.known.push((path.to_owned(), stamp, place));
        Ok(place)
    }
}

fn stamp_of(path: &Path) -> Stamp {
    std::fs::metadata(path).map_or((None, 0), |data| (data.modified().ok(), data.len()))
}

#[expect(clippy::needless_pass_by_value, reason = "it maps an error")]
fn no_memory(error: io::Error) -> String {
    format!("no room for the patch in memory: {error}")
}

/// Reads a WAV file: interleaved samples from -1 to 1, channels and rate.
///
/// # Errors
/// A sentence with the name of the file.
pub fn read_wav(path: &Path) -> Result<(Vec<f32>, usize, u32), String> {
    let wrong = |error: &dyn std::fmt::Display| {
        format!("can't read the recording {}: {error}; give a WAV file", path.display())
    };
    let mut reader = hound::WavReader::open(path).map_err(|error| wrong(&error))?;
    let spec = reader.spec();
    let samples: Result<Vec<f32>, hound::Error> = match spec.sample_format {
        hound::SampleFormat::Float => reader.samples::<f32>().collect(),
        hound::SampleFormat::Int => {
            let full_scale = 2_f32.powi(i32::from(spec.bits_per_sample) - 1);
            reader.samples::<i32>().map(|sample| Ok(sample? as f32 / full_scale)).collect()
        }
    };
    let samples = samples.map_err(|error| wrong(&error))?;
    if samples.is_empty() {
        return Err(wrong(&"it holds no sound"));
    }
    let finite = |sample: f32| if sample.is_finite() { sample } else { 0.0 };
    let samples = samples.into_iter().map(finite).collect();
    Ok((samples, usize::from(spec.channels), spec.sample_rate))
}

/// Recordings read from files when they are asked for, for rendering in one process.
pub struct FromFiles {
    /// Where the names count from.
    pub folder: PathBuf,
}

impl Recordings for FromFiles {
    fn get(&self, file: &str) -> Option<Recording> {
        let (samples, channels, rate_hz) = read_wav(&self.folder.join(file)).ok()?;
        Some(Recording::new(Arc::new(samples), channels, rate_hz))
    }
}
