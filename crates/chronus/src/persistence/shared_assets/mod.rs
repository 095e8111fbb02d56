//! Shared assets: packed patches and recordings in memory that workers can read, written before they are
//! told of it.

mod room;
mod sources;

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chronus_engine::catalog;
use chronus_engine::tables::Table;
use chronus_engine::{ContentDigest, Patch, PatchModule, Recording, RecordingSpec, Recordings};
use chronus_os::memfd::Memfd;
use chronus_shm::checksum;
use chronus_shm::ledger::{Edition, Piece};
use chronus_shm::region::SharedSamples;
use serde::{Deserialize, Serialize};

use room::Room;
pub use sources::Sources;

use crate::content::allowed::Allowed;
use crate::content::kept::{self, Keeping, Wanted};
use crate::content::{self, Content, Limit};
use chronus_journal::Score;

/// Packed patches lie here, one after the other, and again from the start: no more than a few are ever in use.
const PACKED_BYTES: usize = 64 << 20;
/// So many packed patches and scores may lie there at once, the largest of them; and so many bytes at least. Where they
/// are small, they take little memory.
const PIECES: usize = 16;
const LEAST_BYTES: usize = 1 << 20;
/// No packed patch and no text of a patch is larger.
const PIECE_BYTES_MAX: usize = 4 << 20;
const PAGE_BYTES: usize = 4096;
/// The number of what a supervisor before has left, which is no edition's.
const LEFT: u32 = u32::MAX;
const NOTHING: Piece = Piece { offset: 0, bytes: 0, checksum: 0 };

/// What a recording is called that was not prepared for any kind of module.
const AS_IT_IS: &str = "";

/// Everything that a worker needs to play a patch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PackedPatch {
    /// The patch. Its modules know what their recordings are.
    pub patch: Patch,
    /// Where the recordings lie that it plays.
    pub recordings: Vec<Recorded>,
    /// Where the tables are that it reads, by their names.
    tables: Vec<(String, Place)>,
    /// What is to be told of its recordings: sentences.
    #[serde(skip)]
    pub remarks: Vec<String>,
}

/// A recording: as it is, or prepared for a kind of module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// What it holds.
    pub content: ContentDigest,
    /// The kind of module, by what it says of recordings; nothing if it is as it was read.
    what: String,
    place: Place,
    /// The digest of what lies there.
    digest: ContentDigest,
}

impl Recorded {
    /// Whether what lies there is what was put there.
    fn is_whole(&self, memory: &Memfd) -> bool {
        let recording = self.place.open(memory);
        recording.is_some_and(|it| content::digest_of(&it) == self.digest)
    }
}

/// Where a recording lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    offset: usize,
    samples: usize,
    channels: usize,
    rate_hz: u32,
}

impl PackedPatch {
    /// As bytes for a worker.
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_allocvec(self).unwrap_or_default()
    }

    /// The packed patch that [`to_bytes`](Self::to_bytes) made these bytes of.
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
    pub fn open(self, assets: &Arc<Memfd>) -> (Patch, Box<dyn Recordings>) {
        for (name, place) in &self.tables {
            if let (Some(table), Some(data)) = (catalog::find_table(name), place.open(assets)) {
                table.install(data);
            }
        }
        (self.patch, Box::new(InSharedAssets { assets: assets.clone(), places: self.recordings }))
    }
}

impl Place {
    fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.samples * size_of::<f32>()
    }

    fn open(&self, assets: &Memfd) -> Option<Recording> {
        let samples = SharedSamples::map(assets, self.offset, self.samples).ok()?;
        Some(Recording::new(Arc::new(samples), self.channels, self.rate_hz))
    }
}

struct InSharedAssets {
    assets: Arc<Memfd>,
    places: Vec<Recorded>,
}

impl Recordings for InSharedAssets {
    fn get(&self, module: &PatchModule) -> Option<Recording> {
        let sought = (module.content()?, module.spec().recording?.doc);
        let is_it = |recorded: &&Recorded| (recorded.content, recorded.what.as_str()) == sought;
        self.places.iter().find(is_it)?.place.open(&self.assets)
    }
}

/// Where recordings come from, how much memory they may take, and where they are kept.
#[derive(Clone, Debug)]
pub struct Stock {
    /// The folders whose files may be played.
    pub allowed: Allowed,
    /// As much memory may all recordings take, in bytes.
    pub memory_bytes: u64,
    /// Who keeps what is played, and where, if that is wanted.
    pub kept: Option<(Keeping, PathBuf)>,
}

impl Default for Stock {
    fn default() -> Self {
        Self { allowed: Allowed::default(), memory_bytes: content::MEMORY_MIB << 20, kept: None }
    }
}

/// The shared assets as their only writer sees them.
#[derive(Debug)]
pub struct SharedAssets {
    memory: Arc<Memfd>,
    stock: Stock,
    next_packed: usize,
    /// For recordings and tables.
    room: Room,
    /// The recordings that are there already. The same content has one place, whatever its file is called.
    known: Vec<Recorded>,
    /// What another supervisor has left. Of editions long ago, something else may lie there by now.
    left: Vec<Recorded>,
    tables: Vec<(String, Place)>,
    /// Packed patch and score of the last two editions that were taken.
    needed: [Piece; 4],
}

impl SharedAssets {
    /// No assets yet.
    pub fn new(memory: Arc<Memfd>, stock: Stock) -> Self {
        Self {
            memory,
            stock,
            next_packed: 0,
            room: Room::new(PACKED_BYTES, PAGE_BYTES),
            known: Vec::new(),
            left: Vec::new(),
            tables: Vec::new(),
            needed: [NOTHING; 4],
        }
    }

    /// Those that another has left, written on from `next_packed`. What `packed` name stays where it is, and is found
    /// again by what it holds, and so are the tables of `playing`.
    pub fn taken_over(
        memory: Arc<Memfd>,
        stock: Stock,
        next_packed: usize,
        packed: &[PackedPatch],
        playing: &PackedPatch,
    ) -> Self {
        let mut assets = Self::new(memory, stock);
        assets.next_packed = next_packed.next_multiple_of(64);
        assets.tables.clone_from(&playing.tables);
        let all = || packed.iter().chain([playing]);
        for recorded in all().flat_map(|packed| &packed.recordings) {
            if !assets.left.contains(recorded) {
                assets.left.push(recorded.clone());
            }
        }
        assets.room.needs(LEFT, all().flat_map(PackedPatch::places).collect());
        all().for_each(|packed| assets.keep(packed));
        assets
    }

    /// The files that may be played.
    pub fn allowed(&self) -> &Allowed {
        &self.stock.allowed
    }

    /// Has what a packed patch plays kept beside the journal.
    fn keep(&self, packed: &PackedPatch) {
        let Some((keeping, _)) = &self.stock.kept else { return };
        for Recorded { content, place, .. } in
            packed.recordings.iter().filter(|it| it.what == AS_IT_IS)
        {
            keeping.want(Wanted {
                digest: *content,
                place: place.range(),
                channels: place.channels,
                rate_hz: place.rate_hz,
            });
        }
    }

    /// Writes an edition of the patch: its packed patch, for workers, and its score, for a supervisor that may come.
    ///
    /// # Errors
    /// A sentence.
    pub fn put_edition(
        &mut self,
        number: u32,
        packed: &PackedPatch,
        score: &Score,
        time_wall_ns: Option<u64>,
    ) -> Result<Edition, String> {
        self.keep(packed);
        let score = postcard::to_allocvec(score).unwrap_or_default();
        Ok(Edition {
            number,
            patch: self.put_piece(&packed.to_bytes())?,
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
        self.next_packed = (place + bytes.len()).next_multiple_of(64);
        Ok(Piece {
            offset: place as u64,
            bytes: bytes.len() as u64,
            checksum: checksum::of_bytes(bytes),
        })
    }

    /// The next place for so many bytes where nothing lies that may still be needed.
    fn free_place(&self, bytes: usize) -> usize {
        let needed = self.needed.iter().map(|piece| piece.bytes as usize);
        let largest = needed.fold(bytes, usize::max);
        let end = LEAST_BYTES.max(PIECES * largest);
        let mut place = self.next_packed;
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
    pub fn needs(&mut self, edition: &Edition, packed: &PackedPatch) {
        self.needed.rotate_left(2);
        [self.needed[2], self.needed[3]] = [edition.patch, edition.score];
        self.room.needs(edition.number, packed.places());
        self.sweep();
    }

    /// An edition that was to play never will: the one before it plays on.
    pub fn withdraw(&mut self, number: u32) {
        self.room.withdraw(number);
    }

    /// Gives back what no edition names that anybody may still read.
    fn sweep(&mut self) {
        let mut also: Vec<_> = self.tables.iter().map(|(_, place)| place.range()).collect();
        if let Some((keeping, _)) = &self.stock.kept {
            also.extend(keeping.places());
        }
        for free in self.room.sweep(&also) {
            let stays = |recorded: &Recorded| !room::overlap(&recorded.place.range(), &free);
            self.known.retain(stays);
            self.left.retain(stays);
            if let Err(error) = self.memory.clear(free) {
                tracing::warn!("memory of recordings can't be given back: {error}");
            }
        }
    }

    /// A patch with the places of its recordings and tables, which are read and computed if they are not there yet.
    /// A module that knows its recording gets that one, whatever its file holds by now; for others the file is read.
    /// File names of the patch count from `base`.
    ///
    /// # Errors
    /// A sentence about each recording that can't be had.
    pub fn pack(&mut self, patch: Patch, base: &Path) -> Result<PackedPatch, String> {
        // What was read for an edition that was refused is in nobody's way.
        self.sweep();
        let mut contents = Vec::new();
        let mut read = Vec::new();
        let mut remarks = Vec::new();
        let mut wrong: Vec<String> = Vec::new();
        for module in patch.modules().iter().filter(|module| module.plays_a_file()) {
            let Some(spec) = &module.spec().recording else { continue };
            let file = module.file().unwrap_or_default();
            let content = match module.content() {
                Some(content) if self.has(content, spec)? => Ok(content),
                _ => self.read(base, file, spec, &mut read, &mut remarks),
            };
            match content {
                Ok(content) => contents.push((module.handle(), content)),
                Err(reason) if !wrong.contains(&reason) => wrong.push(reason),
                Err(_) => {}
            }
        }
        if !wrong.is_empty() {
            return Err(wrong.join(" | "));
        }
        let content_of = |module: &PatchModule| {
            contents.iter().find(|(of, _)| *of == module.handle()).map(|(_, content)| *content)
        };
        let patch = patch.with_contents(content_of);
        let is_played = |recorded: &&Recorded| {
            let plays_it = |module: &PatchModule| {
                let kind = module.spec().recording.map(|spec| spec.doc);
                module.content() == Some(recorded.content)
                    && (recorded.what == AS_IT_IS || Some(recorded.what.as_str()) == kind)
            };
            patch.modules().iter().any(plays_it)
        };
        let recordings = self.known.iter().filter(is_played).cloned().collect();
        let tables = patch.tables().into_iter().map(|table| self.put_table(table));
        Ok(PackedPatch { recordings, tables: tables.collect::<Result<_, _>>()?, patch, remarks })
    }

    /// The content of a file, which is read once for a packed patch.
    fn read(
        &mut self,
        base: &Path,
        file: &str,
        spec: &RecordingSpec,
        read: &mut Vec<(PathBuf, ContentDigest)>,
        remarks: &mut Vec<String>,
    ) -> Result<ContentDigest, String> {
        let path = self.stock.allowed.find(base, file)?;
        if let Some((_, content)) = read.iter().find(|(known, _)| *known == path)
            && self.has(*content, spec)?
        {
            return Ok(*content);
        }
        let found = content::read(&path, self.limit())?;
        remarks.extend(found.remarks(&path));
        let content = found.content;
        let digest = self.put_content(&content, &path)?;
        read.push((path, digest));
        self.has(digest, spec)?;
        Ok(digest)
    }

    /// How much memory is free for recordings.
    fn limit(&self) -> Limit {
        let all = self.known.iter().chain(&self.left);
        let mut places: Vec<_> = all.map(|it| it.place.range()).collect();
        places.sort_by_key(|place| place.start);
        places.dedup_by_key(|place| place.start);
        let taken = places.iter().map(|place| place.len() as u64).sum();
        let all = self.stock.memory_bytes;
        Limit { all, free: all.saturating_sub(taken) }
    }

    /// Where a content lies, as it is or prepared. What another supervisor has left is looked at before it is believed.
    fn find(&mut self, content: ContentDigest, what: &str) -> Option<Place> {
        let is_it = |it: &Recorded| (it.content, it.what.as_str()) == (content, what);
        if let Some(known) = self.known.iter().find(|it| is_it(it)) {
            return Some(known.place);
        }
        while let Some(at) = self.left.iter().position(is_it) {
            let left = self.left.swap_remove(at);
            if left.is_whole(&self.memory) {
                self.known.push(left.clone());
                return Some(left.place);
            }
        }
        None
    }

    /// Whether a content can be had without its file, prepared for this kind of module: from the shared assets, or from what
    /// was kept. It is prepared if it was not yet.
    fn has(&mut self, content: ContentDigest, spec: &RecordingSpec) -> Result<bool, String> {
        if self.find(content, spec.doc).is_some() {
            return Ok(true);
        }
        let mut as_it_is = self.find(content, AS_IT_IS);
        if as_it_is.is_none()
            && let Some((_, folder)) = &self.stock.kept
            && let path = folder.join(kept::file_name(content))
            && let Ok(kept) = kept::read(&path, content)
        {
            self.put_content(&kept, &path)?;
            as_it_is = self.find(content, AS_IT_IS);
        }
        let Some(place) = as_it_is else { return Ok(false) };
        let recording = place.open(&self.memory).ok_or("memory of recordings can't be mapped")?;
        let before = recording.samples().as_ptr();
        let prepared = (spec.prepare)(recording);
        let digest = content::digest_of(&prepared);
        let place = if prepared.samples().as_ptr() == before {
            place
        } else {
            let bytes = size_of_val(prepared.samples()) as u64;
            self.limit().check(&format!("what a module makes of {content}"), bytes)?;
            self.put(prepared.samples(), prepared.channels(), prepared.rate_hz())?
        };
        self.known.push(Recorded { content, what: spec.doc.to_owned(), place, digest });
        Ok(true)
    }

    fn put_content(&mut self, content: &Content, path: &Path) -> Result<ContentDigest, String> {
        let digest = content.digest();
        if self.find(digest, AS_IT_IS).is_none() {
            let bytes = size_of_val(content.samples.as_slice()) as u64;
            self.limit().check(&path.display().to_string(), bytes)?;
            let place = self.put(&content.samples, content.channels, content.rate_hz)?;
            let what = AS_IT_IS.to_owned();
            self.known.push(Recorded { content: digest, what, place, digest });
        }
        Ok(digest)
    }

    fn put_table(&mut self, table: &'static Table) -> Result<(String, Place), String> {
        if let Some(known) = self.tables.iter().find(|(name, _)| name == table.name) {
            return Ok(known.clone());
        }
        let place = self.put(table.get(), 1, 1)?;
        self.tables.push((table.name.to_owned(), place));
        Ok((table.name.to_owned(), place))
    }

    fn put(&mut self, samples: &[f32], channels: usize, rate_hz: u32) -> Result<Place, String> {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_ne_bytes()).collect();
        let offset = self.room.take(bytes.len()).start;
        self.memory.write_at(offset, &bytes).map_err(no_memory)?;
        Ok(Place { offset, samples: samples.len(), channels, rate_hz })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it maps an error")]
fn no_memory(error: io::Error) -> String {
    format!("no room for the patch in memory: {error}")
}

#[cfg(test)]
mod tests;
