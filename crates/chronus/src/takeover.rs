//! What a supervisor finds when it takes over: everything that the one before knew, made again of what lies in
//! shared memory. Nothing is believed that does not fit: a digest, a checksum, a number out of its range.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use chronus_engine::{Command, Controls};
use chronus_os::memfd::Memfd;
use chronus_replication::command_sequencer::Begun;
use chronus_replication::{BLOCK_FRAMES, Entry};
use chronus_shm::block_ring::RING_BLOCKS;
use chronus_shm::command_log::{self, LOG_ENTRIES};
use chronus_shm::control_board::seal_of;
use chronus_shm::ledger::{Edition, Piece, digest};

use crate::journal::Score;
use crate::playback::Regions;
use crate::shelf::{Plan, Shelf};
use crate::snapshot::{self, Snapshot};

/// What a supervisor leaves to the next.
#[derive(Debug)]
pub struct Legacy {
    /// Frames per second.
    pub rate_hz: u32,
    /// The patch that plays, for workers.
    pub plan: Plan,
    /// Where its controls stand.
    pub controls: Controls,
    /// The number of the last edit, and how many entries the log had with it.
    pub edit: (u32, u64),
    /// The edit that was under way, and whether it was ordered.
    pub under_way: Option<(Edition, Plan, Score, bool)>,
    /// What plays or will play after the edit under way.
    pub score: Score,
    /// Where the sequencer goes on.
    pub begun: Begun,
    /// Everything that the log still has, with the scores of the edits in it, for the journal.
    pub entries: Vec<Entry>,
    /// The scores of edits among them, by number.
    pub scores: Vec<(u32, Arc<Score>)>,
    /// The frame that the sound had come to.
    pub stopped_at: u64,
    /// The frame at which it goes on.
    pub goes_on_at: u64,
    /// What was damaged and could be got round.
    pub remarks: Vec<String>,
}

/// What there is to take over.
#[derive(Debug)]
pub enum Found {
    /// Nothing: this is the first supervisor.
    Nothing,
    /// Everything.
    Legacy(Box<Legacy>),
    /// What there is can't be trusted.
    Ruin(String),
}

/// Looks at what the supervisor before has left.
pub fn find(regions: &Regions, ledger: &Memfd, shelf: &Arc<Memfd>) -> Found {
    let (snapshots, damaged) = snapshot::find(ledger);
    let board = &regions.log.board;
    if snapshots.is_empty() {
        let untouched = board.sealed() == 0 && board.head.load(Ordering::Acquire) == 0;
        return if damaged == 0 && untouched {
            Found::Nothing
        } else {
            Found::Ruin("no snapshot is whole".into())
        };
    }
    let mut remarks = Vec::new();
    if damaged > 0 {
        remarks.push(format!("{damaged} of 2 snapshots are damaged"));
    }
    for snapshot in &snapshots {
        match replay(snapshot, regions, shelf) {
            Ok(mut legacy) => {
                legacy.remarks.splice(0..0, remarks);
                return Found::Legacy(Box::new(legacy));
            }
            Err(why) => remarks.push(why),
        }
    }
    Found::Ruin(remarks.join("; "))
}

/// Applies to a snapshot what has entered the log since.
fn replay(snapshot: &Snapshot, regions: &Regions, shelf: &Arc<Memfd>) -> Result<Legacy, String> {
    let (board, ledger) = (&regions.log.board, &regions.ledger);
    let (head, sealed) = (board.head.load(Ordering::Acquire), board.sealed());
    let Snapshot { position, mut edit, rate_hz, ref controls } = *snapshot;
    if position > head || head - position > LOG_ENTRIES as u64 || rate_hz == 0 {
        return Err(format!("a snapshot of entry {position} does not fit a log of {head}"));
    }
    let plan_of = |number| read_plan(ledger.edition(number), number, shelf);
    let mut plan = plan_of(edit.0)?.1;
    let mut now = Controls::decode(controls, &plan.patch).map_err(|error| error.to_string())?;
    let entries = read_log(regions, position, head)?;
    for entry in entries.iter().filter(|entry| entry.sequence >= position) {
        match Command::decode(entry.payload) {
            Ok(Command::Edit { number }) => {
                let next = plan_of(number)?.1;
                let mut controls = Controls::of(&next.patch);
                controls.succeed(&now, entry.frame, rate_hz);
                (plan, now, edit) = (next, controls, (number, entry.sequence + 1));
            }
            Ok(command) => {
                now.apply(&command, entry.frame, rate_hz);
            }
            Err(_) => {}
        }
    }
    let last_frame = entries.last().map_or(0, |entry| entry.frame);
    if last_frame >= (sealed + 1) * BLOCK_FRAMES as u64 {
        return Err(format!("the log goes on at frame {last_frame}, past block {sealed}"));
    }
    let mut remarks = Vec::new();
    let (stopped_at, goes_on_at) = read_position(regions, head, sealed, &mut remarks)?;
    let mut waiting = ledger.waiting.all(head);
    let under_way = read_edit_under_way(regions, edit.0, &waiting, shelf)?;
    if under_way.is_none() {
        // An edit whose edition is lost can't be played.
        waiting.retain(|(_, command)| {
            !matches!(Command::decode(command.payload), Ok(Command::Edit { .. }))
        });
    }
    let score = read_score(ledger.edition(edit.0), edit.0, shelf)?;
    let scores = entries.iter().filter_map(|entry| {
        let Ok(Command::Edit { number }) = Command::decode(entry.payload) else { return None };
        // Those of long ago are in the journal already.
        Some((number, Arc::new(read_score(ledger.edition(number), number, shelf).ok()?)))
    });
    Ok(Legacy {
        rate_hz,
        controls: now,
        edit,
        score: under_way.as_ref().map_or(score, |(_, _, score, _)| score.clone()),
        scores: scores.collect(),
        begun: Begun { log_position: head, last_frame, next_block: sealed, waiting },
        stopped_at,
        goes_on_at,
        plan,
        under_way,
        entries,
        remarks,
    })
}

/// Everything that the log still has, at least from `position` on.
fn read_log(regions: &Regions, position: u64, head: u64) -> Result<Vec<Entry>, String> {
    let mut entries: Vec<Entry> = Vec::new();
    for sequence in head.saturating_sub(LOG_ENTRIES as u64)..head {
        let entry = command_log::read(&regions.log.board.head, &regions.log.entries, sequence);
        let entry = match entry {
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
    Ok(entries)
}

/// The frame that the sound had come to and the one where it goes on: at the first block that the audio
/// callback had not begun.
fn read_position(
    regions: &Regions,
    head: u64,
    sealed: u64,
    remarks: &mut Vec<String>,
) -> Result<(u64, u64), String> {
    let playback = &regions.ledger.playback;
    let next_block = playback.next_block.load(Ordering::Acquire);
    let frames = playback.frames.load(Ordering::Acquire);
    let block = BLOCK_FRAMES as u64;
    let fits = next_block <= sealed
        && sealed - next_block <= RING_BLOCKS as u64
        && frames <= next_block * block;
    if !fits {
        remarks.push(format!("the sound can't have come to block {next_block} of {sealed}"));
        playback.next_block.store(sealed, Ordering::Release);
        playback.frames.store(sealed * block, Ordering::Release);
        return Ok((sealed * block, sealed * block));
    }
    let mut before = 0;
    for block in next_block..sealed {
        let seal = seal_of(&regions.log.seals, block).map_err(|gone| gone.to_string())?;
        if seal < before || seal > head {
            return Err(format!("the seal of block {block} does not fit the log"));
        }
        before = seal;
    }
    Ok((frames, next_block * block))
}

fn read_edit_under_way(
    regions: &Regions,
    last: u32,
    waiting: &[(usize, Entry)],
    shelf: &Arc<Memfd>,
) -> Result<Option<(Edition, Plan, Score, bool)>, String> {
    let Some(edition) = regions.ledger.edition(last + 1) else { return Ok(None) };
    let payload = Command::Edit { number: last + 1 }.encode();
    let is_ordered = waiting.iter().any(|(_, command)| command.payload == payload);
    let (_, plan) = read_plan(Some(edition), last + 1, shelf)?;
    let score = read_score(Some(edition), last + 1, shelf)?;
    Ok(Some((edition, plan, score, is_ordered)))
}

fn read_plan(
    edition: Option<Edition>,
    number: u32,
    shelf: &Memfd,
) -> Result<(Edition, Plan), String> {
    let lost = || format!("the plan of edition {number} of the patch is damaged");
    let edition = edition.ok_or_else(lost)?;
    let bytes = read_piece(edition.plan, shelf).ok_or_else(lost)?;
    Ok((edition, Plan::from_bytes(&bytes).map_err(|_| lost())?))
}

fn read_score(edition: Option<Edition>, number: u32, shelf: &Memfd) -> Result<Score, String> {
    let lost = || format!("the text of edition {number} of the patch is damaged");
    let bytes = read_piece(edition.ok_or_else(lost)?.score, shelf).ok_or_else(lost)?;
    postcard::from_bytes(&bytes).map_err(|_| lost())
}

fn read_piece(piece: Piece, shelf: &Memfd) -> Option<Vec<u8>> {
    let bytes = shelf.read_at(piece.offset as usize, piece.bytes as usize).ok()?;
    (digest(&bytes) == piece.digest).then_some(bytes)
}

/// The shelf that goes with a legacy, written on from the last edition; nothing that one names is written over.
pub fn shelf_of(regions: &Regions, memory: &Arc<Memfd>, playing: &Plan) -> Shelf {
    let editions: Vec<Edition> = regions.ledger.editions().collect();
    let plans = editions.iter().map(|edition| read_plan(Some(*edition), edition.number, memory));
    let plans: Vec<Plan> = plans.filter_map(|plan| Some(plan.ok()?.1)).collect();
    let last = editions.iter().max_by_key(|edition| edition.number);
    let end = last.map_or(0, |last| last.score.offset + last.score.bytes);
    Shelf::taken_over(memory.clone(), end as usize, &plans, playing)
}
