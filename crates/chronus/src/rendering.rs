//! Offline rendering: one process, no replication. It is the oracle: a journal rendered here is, bit
//! for bit, what was heard.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use chronus_engine::{Controls, Engine, EngineError, Patch, Recordings, Unsound};
use chronus_os::float;
use chronus_output::{WavFormat, WavWriter};
use chronus_replication::amendment::{Amendment, Change};
use chronus_replication::machine::Machine;
use chronus_replication::{BLOCK_FRAMES, BLOCK_SAMPLES, CHANNELS, Entry};

use crate::content::allowed::Allowed;
use crate::content::{self, Limit, kept};
use crate::instrument::{Editions, Instrument};
use crate::persistence::shared_assets::Sources;
use chronus_journal::{Journal, Played};

/// Everything that was played: patches and commands.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// The sample rate, in Hz.
    pub rate_hz: u32,
    /// How many frames.
    pub frames: u64,
    patch: Patch,
    sources: Sources,
    /// The recordings that it names, which are not to be written over even where they are not read.
    originals: Vec<PathBuf>,
    /// The patches of the edits by their numbers, and where the names of their recordings count from.
    edits: BTreeMap<u32, (Patch, PathBuf)>,
    entries: Vec<Entry>,
    amendments: Vec<Amendment>,
}

/// Why a performance can't be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The patch or the rate.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The WAV file.
    #[error(
        "can't write {}: {source}; choose a file in a folder that exists and has room",
        path.display()
    )]
    Wav {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A recording is not what it was.
    #[error("{0}")]
    Recording(String),
    /// A patch without buses has no stems.
    #[error("the patch has no buses; write [[bus]] with a name, left and right for each stem")]
    NoBuses,
}

/// What has become of a performance.
#[derive(Debug)]
pub struct Rendered {
    /// The files, and the loudest sample of each.
    pub files: Vec<(PathBuf, Peak)>,
    /// The first module that yielded what nobody should hear. Had it been played, it would have been bypassed.
    pub unsound: Option<FoundUnsound>,
}

/// The loudest sample; full scale is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Peak(f32);

impl Peak {
    /// Whether there is nothing to be heard, not even with 24 bits.
    pub fn is_silent(self) -> bool {
        self.0 < 1.0 / 8_388_608.0
    }

    /// What is no number is louder than anything.
    fn hear(&mut self, samples: &[f32]) {
        let level = |sample: &f32| if sample.is_nan() { f32::INFINITY } else { sample.abs() };
        self.0 = samples.iter().map(level).fold(self.0, f32::max);
    }
}

impl fmt::Display for Peak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_silent() {
            write!(f, "silent")
        } else {
            write!(f, "peak {:.1} dB", 20.0 * self.0.log10())
        }
    }
}

/// A module, what it yielded, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundUnsound {
    module: String,
    unsound: Unsound,
    seconds: f64,
}

impl fmt::Display for FoundUnsound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { module, unsound, seconds } = self;
        let what = match unsound {
            Unsound::NotFinite => "what is no number",
            Unsound::Runaway => "more than anybody should hear",
        };
        write!(f, "after {seconds:.2} s module `{module}` yields {what}")
    }
}

impl Transcript {
    /// That of a journal.
    ///
    /// # Errors
    /// If a recording that was played can't be had any more.
    pub fn of_journal(journal: Journal) -> Result<Self, RenderError> {
        journal.named.iter().try_for_each(check_named)?;
        let mut sources = Sources::default();
        let folders = kept::folders_beside(&journal.path);
        let mut originals: Vec<_> = journal.named.into_iter().map(|(path, _)| path).collect();
        for score in &journal.scores {
            for played in &score.recordings {
                let original = score.folder.join(&played.file);
                if !sources.knows(played.content) {
                    sources.add(played.content, find_played(played, &folders, &original)?);
                }
                originals.push(original);
            }
        }
        if let Some(first) = journal.scores.into_iter().next() {
            sources.folder = first.folder;
        }
        Ok(Self {
            rate_hz: journal.rate_hz,
            frames: journal.frames,
            patch: journal.patch,
            sources,
            originals,
            edits: journal.edits,
            entries: journal.entries,
            amendments: journal.amendments,
        })
    }

    /// Ten seconds of a patch that nobody plays; the names of its recordings count from `folder`, and they lie there or
    /// in a folder that is `allowed`. What is to be told of them is put into `remarks`.
    ///
    /// # Errors
    /// If a recording can't be had.
    pub fn of_patch(
        patch: Patch,
        folder: &Path,
        allowed: &Allowed,
        rate_hz: u32,
        remarks: &mut Vec<String>,
    ) -> Result<Self, RenderError> {
        let read = Sources::of_patch(patch, folder, allowed, remarks);
        let (patch, sources) = read.map_err(RenderError::Recording)?;
        let frames = u64::from(rate_hz) * 10;
        let (edits, entries, amendments) = Default::default();
        let originals = Vec::new();
        Ok(Self { rate_hz, frames, patch, sources, originals, edits, entries, amendments })
    }

    /// The recordings that it plays.
    pub fn recordings(&self) -> Vec<PathBuf> {
        let read = self.sources.files().map(Path::to_owned);
        read.chain(self.originals.iter().cloned()).collect()
    }

    /// The names of its buses, and the files for them in this folder.
    pub fn stem_files(&self, folder: &Path) -> BTreeMap<String, PathBuf> {
        let patches = self.edits.values().map(|(patch, _)| patch).chain([&self.patch]);
        let names = patches.flat_map(Patch::buses).map(|bus| bus.name.clone());
        names.map(|name| (name.clone(), folder.join(format!("{name}.wav")))).collect()
    }

    /// The same at another rate: as long, and each command at the nearest frame.
    pub fn move_to_rate(&mut self, rate_hz: u32) {
        let (was, is) = (u128::from(self.rate_hz), u128::from(rate_hz));
        let moved = |frame: u64| ((u128::from(frame) * is + was / 2) / was) as u64;
        self.frames = moved(self.frames);
        for entry in &mut self.entries {
            entry.frame = moved(entry.frame);
        }
        for amendment in &mut self.amendments {
            let frame = amendment.block * BLOCK_FRAMES as u64;
            amendment.block = moved(frame) / BLOCK_FRAMES as u64;
        }
        self.rate_hz = rate_hz;
    }

    /// Renders block after block; `sink` gets the engine after each, its samples, and how many of its
    /// frames belong to the performance. Returns the first module that was unsound.
    fn render<E: From<EngineError>>(
        self,
        with_buses: bool,
        mut sink: impl FnMut(&Engine, &[f32], usize) -> Result<(), E>,
    ) -> Result<Option<FoundUnsound>, E> {
        // Flushed denormals are part of the sound; this thread keeps flushing them, which harms nothing.
        float::flush_denormals();
        let controls = Controls::of(&self.patch);
        let mut engine = Engine::new(self.patch, self.rate_hz, controls, 0, &self.sources)?;
        if with_buses {
            engine.listen_to_buses();
        }
        let mut instrument = Instrument::new(engine, Kept(self.edits, self.sources), 0);
        let is_withheld = |sequence: u64| {
            let withheld = Change::Withhold { sequence };
            self.amendments.iter().any(|amendment| amendment.change == withheld)
        };
        let mut entries = self.entries.iter().peekable();
        let mut amendments = self.amendments.iter().peekable();
        let mut block = [0.0; BLOCK_SAMPLES];
        let mut unsound = None;
        for number in 0..self.frames.div_ceil(BLOCK_FRAMES as u64) {
            while let Some(amendment) = amendments.next_if(|it| it.block <= number) {
                if let Change::Insert(payload) = amendment.change {
                    instrument.apply(0, &payload);
                }
            }
            while let Some(entry) = entries.next_if(|entry| entry.block() <= number) {
                if !is_withheld(entry.sequence) {
                    instrument.apply(entry.offset(), &entry.payload);
                }
            }
            instrument.render(&mut block);
            if unsound.is_none() {
                let seconds = (number * BLOCK_FRAMES as u64) as f64 / f64::from(self.rate_hz);
                unsound = find_unsound(instrument.engine(), seconds);
            }
            let rest = self.frames - number * BLOCK_FRAMES as u64;
            let frames = rest.min(BLOCK_FRAMES as u64) as usize;
            sink(instrument.engine(), &block[..frames * CHANNELS], frames)?;
        }
        Ok(unsound)
    }
}

fn find_unsound(engine: &Engine, seconds: f64) -> Option<FoundUnsound> {
    let (handle, unsound) = engine.unsound()?;
    let module = engine.patch().modules().iter().find(|module| module.handle() == handle)?;
    Some(FoundUnsound { module: module.id().to_owned(), unsound, seconds })
}

/// The patches that a journal has kept, and where their recordings are.
struct Kept(BTreeMap<u32, (Patch, PathBuf)>, Sources);

impl Editions for Kept {
    fn patch_of(&self, number: u32) -> Option<(Patch, Box<dyn Recordings>)> {
        let (patch, folder) = self.0.get(&number)?;
        let sources = self.1.counted_from(folder);
        Some((patch.clone(), Box::new(sources)))
    }
}

/// Makes sure that a recording is there which an old journal names, and that it is the one of then.
fn check_named((path, was): &(PathBuf, u64)) -> Result<(), RenderError> {
    let found = content::read(path, Limit::of(u64::MAX)).map_err(RenderError::Recording)?;
    if chronus_journal::old_digest(&found.content.samples) == *was {
        return Ok(());
    }
    Err(RenderError::Recording(format!(
        "{} is not the recording that was played; put the one of then there",
        path.display()
    )))
}

/// The file that holds what was played: what was kept, or the original if it is still the same.
fn find_played(
    played: &Played,
    folders: &[PathBuf],
    original: &Path,
) -> Result<PathBuf, RenderError> {
    let name = kept::file_name(played.content);
    let kept = folders.iter().map(|folder| folder.join(&name));
    let mut damaged = Vec::new();
    for path in kept.chain([original.to_owned()]).filter(|path| path.exists()) {
        match kept::read(&path, played.content) {
            Ok(_) => return Ok(path),
            Err(why) if path != original => damaged.push(format!(" ({why})")),
            Err(_) => {}
        }
    }
    Err(RenderError::Recording(format!(
        "the recording `{}` that was played is not kept as {name} in {}{}, and {} is not what it was; put back one of \
         the two (who moves or renames a journal moves or renames the folder NAME.recordings beside it, too)",
        played.file,
        folders[0].display(),
        damaged.concat(),
        original.display()
    )))
}

/// Renders a whole journal into memory: interleaved samples.
///
/// # Errors
/// If its patch can't be played at its rate, or a recording is missing.
pub fn render_journal(journal: Journal) -> Result<Vec<f32>, RenderError> {
    let transcript = Transcript::of_journal(journal)?;
    let mut samples = Vec::new();
    transcript.render(false, |_, piece, _| {
        samples.extend_from_slice(piece);
        Ok::<(), RenderError>(())
    })?;
    Ok(samples)
}

/// Renders into a WAV file of 32-bit floats.
///
/// # Errors
/// [`RenderError`].
pub fn render_to_wav(transcript: Transcript, path: &Path) -> Result<Rendered, RenderError> {
    let mut wav = Wav::create(path.to_owned(), transcript.rate_hz)?;
    let unsound = transcript.render(false, |_, piece, _| wav.write(piece))?;
    Ok(Rendered { files: vec![wav.finish()?], unsound })
}

/// Renders each bus into a file of its own, called like the bus, and returns the files. A bus that an edit
/// takes away is silent from there on.
///
/// # Errors
/// [`RenderError`].
pub fn render_stems(transcript: Transcript, folder: &Path) -> Result<Rendered, RenderError> {
    let stems = transcript.stem_files(folder);
    if stems.is_empty() {
        return Err(RenderError::NoBuses);
    }
    std::fs::create_dir_all(folder)
        .map_err(|error| RenderError::Wav { path: folder.to_owned(), source: error })?;
    let mut files = BTreeMap::new();
    for (name, path) in stems {
        files.insert(name, Wav::create(path, transcript.rate_hz)?);
    }
    let unsound = transcript.render(true, |engine, _, frames| {
        for (name, file) in &mut files {
            let mut block = [0.0; BLOCK_SAMPLES];
            if let Some((_, [left, right])) = engine.buses().find(|(bus, _)| bus == name) {
                for (frame, pair) in block.chunks_exact_mut(CHANNELS).zip(left.iter().zip(right)) {
                    frame.copy_from_slice(&[*pair.0, *pair.1]);
                }
            }
            file.write(&block[..frames * CHANNELS])?;
        }
        Ok::<(), RenderError>(())
    })?;
    let files = files.into_values().map(Wav::finish).collect::<Result<_, _>>()?;
    Ok(Rendered { files, unsound })
}

/// A stereo file under way.
struct Wav {
    path: PathBuf,
    writer: WavWriter,
    peak: Peak,
}

impl Wav {
    fn create(path: PathBuf, rate_hz: u32) -> Result<Self, RenderError> {
        match WavWriter::create(&path, rate_hz, WavFormat::F32) {
            Ok(writer) => Ok(Self { path, writer, peak: Peak::default() }),
            Err(source) => Err(RenderError::Wav { path, source }),
        }
    }

    fn write(&mut self, samples: &[f32]) -> Result<(), RenderError> {
        self.peak.hear(samples);
        let written = self.writer.write(samples);
        written.map_err(|source| RenderError::Wav { path: self.path.clone(), source })
    }

    fn finish(self) -> Result<(PathBuf, Peak), RenderError> {
        let Self { path, mut writer, peak } = self;
        match writer.finish() {
            Ok(()) => Ok((path, peak)),
            Err(source) => Err(RenderError::Wav { path, source }),
        }
    }
}
