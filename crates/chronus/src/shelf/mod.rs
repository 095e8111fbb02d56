//! The shelf: plans of patches and recordings in memory that workers can read, written before they are
//! told of it.

mod room;
mod wav;

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chronus_engine::tables::{self, Table};
use chronus_engine::{Patch, Recording, RecordingSpec, Recordings};
use chronus_os::memfd::Memfd;
use chronus_shm::ledger::{self, Edition, Piece};
use chronus_shm::region::ShelfSamples;
use serde::{Deserialize, Serialize};

use room::Room;
pub use wav::read_wav;

use crate::journal::Score;

/// Plans lie here, one after the other, and again from the start: no more than a few are ever in use.
const PLANS_BYTES: usize = 64 << 20;
/// So many plans and scores may lie there at once, the largest of them; and so many bytes at least. Where they
/// are small, they take little memory.
const PIECES: usize = 16;
const LEAST_BYTES: usize = 1 << 20;
/// No plan and no text of a patch is larger.
const PIECE_BYTES_MAX: usize = 4 << 20;
const PAGE_BYTES: usize = 4096;
const NOTHING: Piece = Piece { offset: 0, bytes: 0, digest: 0 };

/// Everything that a worker needs to play a patch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The patch.
    pub patch: Patch,
    /// Where the recordings are that it names.
    pub recordings: Vec<Recorded>,
    /// Where the tables are that it reads, by their names.
    tables: Vec<(String, Place)>,
}

/// A recording, prepared for a kind of module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recorded {
    /// The file, as the patch names it.
    pub file: String,
    /// Tells what file it was: see [`digest`].
    pub digest: u64,
    /// The kind of module, by what it says of recordings.
    what: String,
    place: Place,
}

/// Where a recording lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    offset: usize,
    samples: usize,
    channels: usize,
    rate_hz: u32,
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

    /// Where its recordings and tables lie.
    fn places(&self) -> Vec<Range<usize>> {
        let tables = self.tables.iter().map(|(_, place)| place.range());
        tables.chain(self.recordings.iter().map(|recorded| recorded.place.range())).collect()
    }

    /// The patch, and its recordings as a worker finds them. Its tables are installed.
    pub fn open(self, shelf: &Arc<Memfd>) -> (Patch, Box<dyn Recordings>) {
        for (name, place) in &self.tables {
            if let (Some(table), Some(data)) = (tables::find(name), place.open(shelf)) {
                table.install(data);
            }
        }
        (self.patch, Box::new(OnShelf { shelf: shelf.clone(), places: self.recordings }))
    }
}

impl Place {
    fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.samples * size_of::<f32>()
    }

    fn open(&self, shelf: &Memfd) -> Option<Recording> {
        let samples = ShelfSamples::map(shelf, self.offset, self.samples).ok()?;
        Some(Recording::new(Arc::new(samples), self.channels, self.rate_hz))
    }
}

struct OnShelf {
    shelf: Arc<Memfd>,
    places: Vec<Recorded>,
}

impl Recordings for OnShelf {
    fn get(&self, file: &str, module: &RecordingSpec) -> Option<Recording> {
        let is_it = |recorded: &&Recorded| {
            (recorded.file.as_str(), recorded.what.as_str()) == (file, module.doc)
        };
        self.places.iter().find(is_it)?.place.open(&self.shelf)
    }
}

/// The shelf as its only writer sees it.
#[derive(Debug)]
pub struct Shelf {
    memory: Arc<Memfd>,
    next_plan: usize,
    /// For recordings and tables.
    room: Room,
    /// What is there already: the file, when it was changed last, and how long it was.
    known: Vec<(PathBuf, Stamp, Recorded)>,
    tables: Vec<(String, Place)>,
    /// Plan and score of the last two editions that were taken.
    needed: [Piece; 4],
}

type Stamp = (Option<std::time::SystemTime>, u64);

impl Shelf {
    /// An empty shelf.
    pub fn new(memory: Arc<Memfd>) -> Self {
        Self {
            memory,
            next_plan: 0,
            room: Room::new(PLANS_BYTES, PAGE_BYTES),
            known: Vec::new(),
            tables: Vec::new(),
            needed: [NOTHING; 4],
        }
    }

    /// The shelf that another has left, written on from `next_plan`. What `plans` name stays, and what
    /// `playing` names is found again.
    pub fn taken_over(
        memory: Arc<Memfd>,
        next_plan: usize,
        plans: &[Plan],
        playing: &Plan,
    ) -> Self {
        let mut room = Room::new(PLANS_BYTES, PAGE_BYTES);
        room.needs(plans.iter().chain([playing]).flat_map(Plan::places).collect());
        Self {
            memory,
            next_plan: next_plan.next_multiple_of(64),
            room,
            known: Vec::new(),
            tables: playing.tables.clone(),
            needed: [NOTHING; 4],
        }
    }

    /// Writes an edition of the patch: its plan, for workers, and its score, for a supervisor that may come.
    ///
    /// # Errors
    /// A sentence.
    pub fn put_edition(
        &mut self,
        number: u32,
        plan: &Plan,
        score: &Score,
        time_wall_ns: Option<u64>,
    ) -> Result<Edition, String> {
        let score = postcard::to_allocvec(score).unwrap_or_default();
        Ok(Edition {
            number,
            plan: self.put_piece(&plan.to_bytes())?,
            score: self.put_piece(&score)?,
            time_wall_ns: time_wall_ns.unwrap_or(0),
        })
    }

    fn put_piece(&mut self, bytes: &[u8]) -> Result<Piece, String> {
        if bytes.len() > PIECE_BYTES_MAX {
            return Err("over budget: the patch is too large; make it of fewer parts".into());
        }
        let place = self.free_place(bytes.len());
        self.memory.write_at(place, bytes).map_err(no_memory)?;
        self.next_plan = (place + bytes.len()).next_multiple_of(64);
        Ok(Piece { offset: place as u64, bytes: bytes.len() as u64, digest: ledger::digest(bytes) })
    }

    /// The next place for so many bytes where nothing lies that may still be needed.
    fn free_place(&self, bytes: usize) -> usize {
        let needed = self.needed.iter().map(|piece| piece.bytes as usize);
        let largest = needed.fold(bytes, usize::max);
        let end = LEAST_BYTES.max(PIECES * largest);
        let mut place = self.next_plan;
        loop {
            if place + bytes > end {
                place = 0;
            }
            let overlaps = |piece: &&Piece| {
                let (start, end) = (piece.offset as usize, (piece.offset + piece.bytes) as usize);
                place < end && start < place + bytes
            };
            match self.needed.iter().find(overlaps) {
                Some(piece) => place = ((piece.offset + piece.bytes) as usize).next_multiple_of(64),
                None => return place,
            }
        }
    }

    /// This edition plays, or will: a supervisor that takes over must find it, and the one before. What can't
    /// sound any more is given back.
    pub fn needs(&mut self, edition: &Edition, plan: &Plan) {
        self.needed.rotate_left(2);
        [self.needed[2], self.needed[3]] = [edition.plan, edition.score];
        let mut places = plan.places();
        places.extend(self.tables.iter().map(|(_, place)| place.range()));
        for free in self.room.needs(places) {
            self.known.retain(|(_, _, recorded)| recorded.place.range() != free);
            if let Err(error) = self.memory.clear(free) {
                tracing::warn!("memory of recordings can't be given back: {error}");
            }
        }
    }

    /// A patch with the places of its recordings and tables, which are read and computed if they are not
    /// there yet. File names of the patch count from `folder`.
    ///
    /// # Errors
    /// A sentence about the recording that can't be had.
    pub fn plan(&mut self, patch: Patch, folder: &Path) -> Result<Plan, String> {
        let mut recordings: Vec<Recorded> = Vec::new();
        for module in patch.modules() {
            let Some(spec) = &module.spec().recording else { continue };
            let Some(file) = module.file().filter(|file| !file.is_empty()) else { continue };
            if !recordings.iter().any(|it| (it.file.as_str(), it.what.as_str()) == (file, spec.doc))
            {
                let recorded = self.put_recording(&folder.join(file), spec)?;
                recordings.push(Recorded { file: file.to_owned(), ..recorded });
            }
        }
        let tables = patch.tables().into_iter().map(|table| self.put_table(table));
        Ok(Plan { recordings, tables: tables.collect::<Result<_, _>>()?, patch })
    }

    fn put_table(&mut self, table: &'static Table) -> Result<(String, Place), String> {
        if let Some(known) = self.tables.iter().find(|(name, _)| name == table.name) {
            return Ok(known.clone());
        }
        let place = self.put(table.get(), 1, 1)?;
        self.tables.push((table.name.to_owned(), place));
        Ok((table.name.to_owned(), place))
    }

    fn put_recording(&mut self, path: &Path, spec: &RecordingSpec) -> Result<Recorded, String> {
        let stamp = stamp_of(path);
        let is_it = |known: &&(PathBuf, Stamp, Recorded)| {
            (&known.0, known.1, known.2.what.as_str()) == (&path.to_owned(), stamp, spec.doc)
        };
        if let Some((_, _, recorded)) = self.known.iter().find(is_it) {
            return Ok(recorded.clone());
        }
        let (samples, channels, rate_hz) = read_wav(path)?;
        let digest = digest(&samples);
        let prepared = (spec.prepare)(Recording::new(Arc::new(samples), channels, rate_hz));
        let place = self.put(prepared.samples(), prepared.channels(), prepared.rate_hz())?;
        let file = path.display().to_string();
        let recorded = Recorded { file, digest, what: spec.doc.to_owned(), place };
        self.known.push((path.to_owned(), stamp, recorded.clone()));
        Ok(recorded)
    }

    fn put(&mut self, samples: &[f32], channels: usize, rate_hz: u32) -> Result<Place, String> {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_ne_bytes()).collect();
        let offset = self.room.take(bytes.len()).start;
        self.memory.write_at(offset, &bytes).map_err(no_memory)?;
        Ok(Place { offset, samples: samples.len(), channels, rate_hz })
    }
}

fn stamp_of(path: &Path) -> Stamp {
    std::fs::metadata(path).map_or((None, 0), |data| (data.modified().ok(), data.len()))
}

#[expect(clippy::needless_pass_by_value, reason = "it maps an error")]
fn no_memory(error: io::Error) -> String {
    format!("no room for the patch in memory: {error}")
}

/// Finds out whether the recordings of a patch can be had; their names count from `folder`.
///
/// # Errors
/// A sentence about the first that can't.
pub fn find_recordings(patch: &Patch, folder: &Path) -> Result<(), String> {
    let files = patch.modules().iter().filter_map(|module| module.file());
    files
        .filter(|file| !file.is_empty())
        .try_for_each(|file| read_wav(&folder.join(file)).map(|_| ()))
}

/// Recordings read from files when they are asked for, for rendering in one process.
pub struct FromFiles {
    /// Where the names count from.
    pub folder: PathBuf,
}

impl Recordings for FromFiles {
    fn get(&self, file: &str, module: &RecordingSpec) -> Option<Recording> {
        let (samples, channels, rate_hz) = read_wav(&self.folder.join(file)).ok()?;
        Some((module.prepare)(Recording::new(Arc::new(samples), channels, rate_hz)))
    }
}
