//! Recovery: what a supervisor finds when it takes over. Everything that the one before knew is made again of
//! what lies in shared memory. Nothing is believed that does not fit: a checksum, a number out of its
//! range.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chronus_engine::patch::Document;
use chronus_engine::{Command, Controls, Patch, PatchModule};
use chronus_os::child::{Child, Children};
use chronus_os::memfd::Memfd;
use chronus_replication::amendment::{Amendment, Change};
use chronus_replication::command_sequencer::Begun;
use chronus_replication::{BLOCK_FRAMES, BlockIndex, Entry};
use chronus_shm::block_ring::RING_BLOCKS;
use chronus_shm::checksum;
use chronus_shm::command_log::{self, LOG_ENTRIES};
use chronus_shm::commit_point::AMENDMENTS;
use chronus_shm::control_board::seal_of;
use chronus_shm::ledger::{Edition, Piece};

use crate::performance::CommittedControls;
use crate::performance::{NotApplied, Performance};
use crate::persistence::regions::Regions;
use crate::persistence::shared_assets::{PackedPatch, SharedAssets, Stock};
use crate::persistence::snapshot::{self, Snapshot};
use chronus_journal::Left;
use chronus_journal::{Score, edit_number};

/// No gap is longer: 20 minutes.
const LONGEST_GAP_BLOCKS: u64 = 1 << 20;

/// What a supervisor has recovered of the one before.
#[derive(Debug)]
pub struct Recovery {
    /// What is committed.
    pub committed: CommittedControls,
    /// How many amendments there are.
    pub amendments: u64,
    /// What was sealed since and is not withheld.
    pub pending: Vec<Entry>,
    /// The edit among it.
    pub pending_edit: Option<Revision>,
    /// The patch that plays, for workers, and its controls, with all that is sealed.
    pub performance: Performance<PackedPatch>,
    /// The last edit that was sealed: its number, how many entries the log had with it, and the block after it.
    pub last_edit: (u32, u64, BlockIndex),
    /// The edit that is not in the log yet, and whether it was ordered.
    pub under_way: Option<(Revision, bool)>,
    /// The text of the last edition that is played or will be.
    pub score: Score,
    /// Where the sequencer goes on.
    pub begun: Begun,
    /// What the journal may lack.
    pub journal: Left,
    /// What was damaged and could be got round.
    pub remarks: Vec<String>,
}

/// An edition of the patch that takes the place of another.
#[derive(Debug)]
pub struct Revision {
    /// Where it lies.
    pub edition: Edition,
    /// Its packed patch.
    pub packed: PackedPatch,
    /// Its score.
    pub score: Score,
    /// What is played before it.
    pub before: (PackedPatch, Score),
}

/// What there is to take over.
#[derive(Debug)]
pub enum Found {
    /// Nothing: this is the first supervisor.
    Nothing,
    /// Everything.
    Recovery(Box<Recovery>),
    /// What there is can't be trusted, or not all of it.
    Ruin(Box<Ruin>),
}

/// A performance that can't go on.
#[derive(Debug)]
pub struct Ruin {
    /// Why not.
    pub why: String,
    /// What another can begin with.
    pub remains: Option<Remains>,
}

/// A patch with its controls as they stood.
#[derive(Debug)]
pub struct Remains {
    /// The patch.
    pub patch: Patch,
    /// Where the names of its recordings count from.
    pub base: PathBuf,
    /// Where those recordings lie.
    pub packed: PackedPatch,
    /// What has to be commanded: gates, notes, musical time.
    pub gestures: Vec<Command>,
}

impl Found {
    /// Tells people what is wrong with it.
    pub fn say(&self) {
        match self {
            Self::Nothing => {}
            Self::Recovery(recovery) => {
                for remark in &recovery.remarks {
                    tracing::error!("what the supervisor before has left is damaged: {remark}");
                }
            }
            Self::Ruin(ruin) => {
                let with = if ruin.remains.is_some() {
                    "the patch and the parameters that are whole"
                } else {
                    "the patch of the command line"
                };
                tracing::error!(
                    "what the supervisor before has left can't be trusted ({}); another performance \
                     begins with {with}",
                    ruin.why
                );
            }
        }
    }
}

/// Ends all workers and empties the memory, so that another performance can begin.
///
/// # Errors
/// As the kernel says.
pub fn clear(
    children: &Children,
    memory: [&Memfd; 2],
    ledger: &Memfd,
    regions: &Regions,
) -> io::Result<()> {
    let this = std::process::id();
    let give_up = Instant::now() + Duration::from_secs(2);
    loop {
        let mut workers = children.list()?;
        workers.retain(|pid| *pid != this);
        if workers.is_empty() {
            break;
        }
        if Instant::now() > give_up {
            return Err(io::Error::other("workers of before do not end"));
        }
        for worker in workers.into_iter().filter_map(|pid| Child::open(pid).ok()) {
            worker.kill();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    for memory in memory {
        memory.clear_from(0)?;
    }
    ledger.clear_from(chronus_shm::ledger::OF_SUPERVISORS)?;
    let deaths = regions.ledger.keeper.deaths();
    regions.ledger.roster.exit_records_read.store(deaths, Ordering::Release);
    Ok(())
}

/// Looks at what the supervisor before has left.
pub fn find(regions: &Regions, ledger: &Memfd, assets: &Arc<Memfd>) -> Found {
    let (snapshots, damaged) = snapshot::find(ledger);
    let board = &regions.log.board;
    if snapshots.is_empty() {
        let untouched = board.sealed() == 0 && board.head.load(Ordering::Acquire) == 0;
        return if damaged == 0 && untouched {
            Found::Nothing
        } else {
            Found::Ruin(Box::new(Ruin { why: "no snapshot is whole".into(), remains: None }))
        };
    }
    let reading = Reading { regions, assets };
    let mut remarks = Vec::new();
    if damaged > 0 {
        remarks.push(format!("{damaged} of 2 snapshots are damaged"));
    }
    for snapshot in &snapshots {
        match reading.replay(snapshot) {
            Ok(mut recovery) => {
                recovery.remarks.splice(0..0, remarks);
                return Found::Recovery(Box::new(recovery));
            }
            Err(why) => remarks.push(why),
        }
    }
    let remains = snapshots.iter().find_map(|snapshot| reading.remains(snapshot).ok());
    Found::Ruin(Box::new(Ruin { why: remarks.join("; "), remains }))
}

/// The shared assets, written on from the last edition; nothing that one names is written over.
pub fn shared_assets_of(
    regions: &Regions,
    memory: &Arc<Memfd>,
    stock: Stock,
    playing: &PackedPatch,
) -> SharedAssets {
    let reading = Reading { regions, assets: memory };
    let editions: Vec<Edition> = regions.ledger.editions().collect();
    let packed = editions.iter().filter_map(|edition| reading.packed(edition).ok());
    let packed: Vec<PackedPatch> = packed.collect();
    let last = editions.iter().max_by_key(|edition| edition.number);
    let end = last.map_or(0, |last| last.score.offset + last.score.bytes);
    SharedAssets::taken_over(memory.clone(), stock, end as usize, &packed, playing)
}

/// What is read.
#[derive(Clone, Copy)]
struct Reading<'a> {
    regions: &'a Regions,
    assets: &'a Memfd,
}

/// Where an edition lies, and its packed patch.
type Edited = (Edition, PackedPatch);

impl Reading<'_> {
    /// Applies to a snapshot what has entered the log since.
    fn replay(&self, snapshot: &Snapshot) -> Result<Recovery, String> {
        let Reading { regions, .. } = *self;
        let log = &regions.log;
        let (head, sealed) = (log.board.head.load(Ordering::Acquire), log.board.sealed());
        let standing = log.commit_point.standing();
        let rate_hz = snapshot.rate_hz;
        let fits = snapshot.position <= head
            && head - snapshot.position <= LOG_ENTRIES as u64
            && snapshot.amendments <= standing.amendments
            && rate_hz != 0;
        if !fits {
            return Err(format!(
                "a snapshot of entry {} does not fit a log of {head}",
                snapshot.position
            ));
        }
        self.check_seals(standing.next_block, sealed, head)?;
        let mut playing = self.begin(snapshot)?;
        let entries = self.entries(snapshot.position, head)?;
        let amendments = self.amendments(snapshot.amendments, standing.amendments)?;
        let is_withheld = |entry: &Entry| {
            let change = Change::Withhold { sequence: entry.sequence };
            amendments.iter().any(|amendment| amendment.change == change)
        };
        let new = entries.iter().filter(|entry| entry.sequence >= snapshot.position);
        let (committed, pending): (Vec<Entry>, Vec<Entry>) = new
            .filter(|entry| !is_withheld(entry))
            .partition(|entry| entry.block() < standing.open_from);
        let mut inserts = amendments.iter().filter_map(|amendment| match amendment.change {
            Change::Insert(payload) if amendment.number >= snapshot.amendments => {
                Some(Entry { sequence: 0, payload, ..amendment.to_entry() })
            }
            _ => None,
        });
        let mut inserted = inserts.by_ref().peekable();
        for entry in &committed {
            while let Some(insert) = inserted.next_if(|insert| insert.block() <= entry.block()) {
                self.apply(&mut playing, &insert, rate_hz)?;
            }
            self.apply(&mut playing, entry, rate_hz)?;
        }
        for insert in inserted {
            self.apply(&mut playing, &insert, rate_hz)?;
        }
        let position = committed.last().map_or(snapshot.position, |last| last.sequence + 1);
        let (edition, controls) = (playing.edition.0, playing.controls.clone());
        let committed =
            CommittedControls { performance: Performance { edition, controls }, position };
        let mut pending_edit = None;
        for entry in &pending {
            if let Some(before) = self.apply(&mut playing, entry, rate_hz)? {
                pending_edit = Some(self.revision(&playing.edition.0, before.edition)?);
            }
        }
        let mut remarks = Vec::new();
        let mut waiting = regions.ledger.waiting.all(head);
        let under_way = self.under_way(&playing, &entries, &mut waiting, &mut remarks)?;
        let score = match &under_way {
            Some((revision, _)) => revision.score.clone(),
            None => self.score(&playing.edition.0)?,
        };
        let last_edit = entries.iter().rev().find(|entry| edit_number(entry).is_some());
        let last_edit = last_edit.map_or((position, 0), |it| (it.sequence + 1, it.block() + 1));
        let frame = standing.next_block * BLOCK_FRAMES as u64;
        Ok(Recovery {
            committed,
            amendments: standing.amendments,
            pending,
            pending_edit,
            last_edit: (playing.edition.0.number, last_edit.0, last_edit.1),
            performance: Performance { edition: playing.edition.1, controls: playing.controls },
            under_way,
            score,
            begun: Begun {
                log_position: head,
                last_frame: entries.last().map_or(0, |entry| entry.frame),
                next_block: sealed,
                waiting,
            },
            journal: Left {
                rate_hz,
                log_position: head,
                scores: self.scores(&entries),
                entries,
                amendments,
                amended: standing.amendments,
                stopped_at: regions.ledger.playback.frames.load(Ordering::Acquire).min(frame),
                goes_on_at: frame,
            },
            remarks,
        })
    }

    fn begin(&self, snapshot: &Snapshot) -> Result<Performance<Edited>, String> {
        let edition = Edition::from_words(&snapshot.edition);
        let edition = edition.ok_or("the edition of a snapshot is damaged")?;
        let packed = self.packed(&edition)?;
        let controls = Controls::decode(&snapshot.controls, &packed.patch);
        let controls = controls.map_err(|error| error.to_string())?;
        Ok(Performance { edition: (edition, packed), controls })
    }

    /// What a snapshot and those entries of the log that are whole amount to.
    fn remains(&self, snapshot: &Snapshot) -> Result<Remains, String> {
        let mut playing = self.begin(snapshot)?;
        let log = &self.regions.log;
        let head = log.board.head.load(Ordering::Acquire);
        let entries = (snapshot.position..head).take(LOG_ENTRIES);
        for sequence in entries {
            if let Ok(entry) = command_log::read(&log.board.head, &log.entries, sequence) {
                let _ = self.apply(&mut playing, &entry, snapshot.rate_hz);
            }
        }
        let Performance { edition: (edition, packed), controls } = playing;
        let score = self.score(&edition)?;
        let mut document = Document::parse(&score.text)?;
        document.write_controls(&packed.patch, &controls);
        let patch = Patch::parse(&document.to_string(), "the patch that was played");
        // What played plays on, whatever its files hold by now.
        let content_of = |module: &PatchModule| {
            packed.patch.modules().iter().find(|it| it.id() == module.id())?.content()
        };
        let patch = patch.map_err(|error| error.to_string())?.with_contents(content_of);
        let frame = self.regions.log.commit_point.standing().next_block * BLOCK_FRAMES as u64;
        let gestures = controls.gestures(&patch, frame, snapshot.rate_hz);
        Ok(Remains { patch, base: score.folder, packed, gestures })
    }

    /// Applies an entry; if it is an edit, returns what played before.
    fn apply(
        &self,
        playing: &mut Performance<Edited>,
        entry: &Entry,
        rate_hz: u32,
    ) -> Result<Option<Performance<Edited>>, String> {
        let mut other = None;
        let applied = playing.apply(entry, rate_hz, |number| {
            let edition = self.edition(number)?;
            let packed = self.packed(&edition)?;
            let controls = Controls::of(&packed.patch);
            Ok::<_, String>(other.insert(Performance { edition: (edition, packed), controls }))
        });
        match applied {
            // Nobody was changed by it when it was sealed, and that was told.
            Ok(()) | Err(NotApplied::NoCommand(_)) => Ok(other),
            Err(NotApplied::NoEdition(why)) => Err(why),
        }
    }

    /// Everything that the log still has, at least from `position` on.
    fn entries(&self, position: u64, head: u64) -> Result<Vec<Entry>, String> {
        let log = &self.regions.log;
        let mut entries: Vec<Entry> = Vec::new();
        for sequence in head.saturating_sub(LOG_ENTRIES as u64)..head {
            let entry = match command_log::read(&log.board.head, &log.entries, sequence) {
                // What comes next may have been half written over it.
                Err(_) if sequence < position => {
                    entries.clear();
                    continue;
                }
                entry => entry.map_err(|damaged| damaged.to_string())?,
            };
            if entries.last().is_some_and(|last| last.frame > entry.frame) {
                return Err(format!("entry {sequence} of the command log is out of order"));
            }
            entries.push(entry);
        }
        // Those of the block that was being sealed may be there already.
        if entries.last().is_some_and(|last| last.block() > log.board.sealed()) {
            return Err("the command log goes on past the last seal".into());
        }
        Ok(entries)
    }

    /// The last amendments, at least from number `from` on.
    fn amendments(&self, from: u64, count: u64) -> Result<Vec<Amendment>, String> {
        let first = count.saturating_sub(AMENDMENTS as u64);
        let read = |number| self.regions.log.commit_point.amendment(number);
        let numbers = (first..count).filter(|number| *number >= from || read(*number).is_ok());
        numbers.map(|number| read(number).map_err(|gone| gone.to_string())).collect()
    }

    fn check_seals(&self, next_block: u64, sealed: u64, head: u64) -> Result<(), String> {
        // A device that found nothing went on all the same, but not for ever.
        if next_block > sealed + LONGEST_GAP_BLOCKS || sealed > next_block + RING_BLOCKS as u64 {
            return Err(format!("block {next_block} can't be the next of {sealed}"));
        }
        let mut before = 0;
        for block in next_block..sealed {
            let seal = seal_of(&self.regions.log.seals, block).map_err(|gone| gone.to_string())?;
            if seal < before || seal > head {
                return Err(format!("the seal of block {block} does not fit the log"));
            }
            before = seal;
        }
        Ok(())
    }

    /// The edit that is not in the log yet.
    fn under_way(
        &self,
        playing: &Performance<Edited>,
        entries: &[Entry],
        waiting: &mut Vec<(usize, Entry)>,
        remarks: &mut Vec<String>,
    ) -> Result<Option<(Revision, bool)>, String> {
        let number = self.regions.ledger.roster.edit_under_way.load(Ordering::Acquire);
        let is_sealed = entries.iter().any(|entry| edit_number(entry) == Some(number));
        let revision = match number {
            0 => None,
            _ if is_sealed => None,
            _ => match self.edition(number) {
                Ok(edition) => Some(self.revision(&edition, playing.edition.clone())?),
                Err(why) => {
                    remarks.push(why);
                    None
                }
            },
        };
        let is_it = |command: &Entry| edit_number(command) == Some(number);
        let is_ordered = waiting.iter().any(|(_, command)| is_it(command));
        // What has no edition can't be played.
        let can_be_played = |command: &Entry| {
            edit_number(command).is_none() || is_it(command) && revision.is_some()
        };
        waiting.retain(|(_, command)| can_be_played(command));
        Ok(revision.map(|revision| (revision, is_ordered)))
    }

    fn revision(&self, edition: &Edition, (before, packed): Edited) -> Result<Revision, String> {
        Ok(Revision {
            edition: *edition,
            packed: self.packed(edition)?,
            score: self.score(edition)?,
            before: (packed, self.score(&before)?),
        })
    }

    /// The scores of edits among these entries. Those of long ago are in the journal already.
    fn scores(&self, entries: &[Entry]) -> Vec<(u32, Arc<Score>)> {
        let numbers = entries.iter().filter_map(edit_number);
        let score = |number| self.score(&self.edition(number).ok()?).ok();
        numbers.filter_map(|number| Some((number, Arc::new(score(number)?)))).collect()
    }

    fn edition(&self, number: u32) -> Result<Edition, String> {
        let edition = self.regions.ledger.edition(number);
        edition.ok_or_else(|| format!("edition {number} of the patch is damaged"))
    }

    fn packed(&self, edition: &Edition) -> Result<PackedPatch, String> {
        let packed =
            self.piece(edition.patch).and_then(|bytes| PackedPatch::from_bytes(&bytes).ok());
        packed.ok_or_else(|| format!("edition {} of the patch is damaged", edition.number))
    }

    fn score(&self, edition: &Edition) -> Result<Score, String> {
        let score = self.piece(edition.score).and_then(|bytes| postcard::from_bytes(&bytes).ok());
        score.ok_or_else(|| {
            format!("the text of edition {} of the patch is damaged", edition.number)
        })
    }

    fn piece(&self, piece: Piece) -> Option<Vec<u8>> {
        let bytes = self.assets.read_at(piece.offset as usize, piece.bytes as usize).ok()?;
        (checksum::of_bytes(&bytes) == piece.checksum).then_some(bytes)
    }
}
