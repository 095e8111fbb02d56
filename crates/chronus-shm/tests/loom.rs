//! Guarantee, model-checked over all interleavings: who sees a seal sees its entries; no entry is
//! overwritten while it is read; who takes a block takes it whole; who sees an incarnation sees its
//! claim; no bell is slept over; a block is played or amended first, never both, and who sees an amendment
//! counted sees it. Each check is shown to find the mistake that it is there for.
//!
//! Run: `RUSTFLAGS="--cfg loom" cargo test -p chronus-shm --release --test loom`

#![cfg(loom)]

use chronus_replication::amendment::{Amendment, Change};
use chronus_replication::command_sequencer::Log;
use chronus_replication::machine::block_hash;
use chronus_replication::selector::Read;
use chronus_replication::{BLOCK_SAMPLES, Block, BlockIndex, Entry, Seal};
use chronus_shm::block_ring::{BlockEntry, Label, find, publish, read};
use chronus_shm::command_log::{self, LogEntry, LogWriter};
use chronus_shm::commit_point::{CommitPoint, Played, Standing};
use chronus_shm::control_board::{ControlBoard, seal_of};
use chronus_shm::status_board::StatusBoard;
use chronus_shm::sync::{AtomicU32, AtomicU64, Ordering, fence};
use loom::sync::{Arc, Mutex};
use loom::thread;

fn entry(sequence: u64) -> Entry {
    Entry { sequence, frame: sequence, payload: [sequence + 1, 0, 0, 0, 0] }
}

#[test]
fn who_sees_a_seal_sees_its_entries() {
    // Where each block is sealed: two entries, none, one.
    const SEALED_AT: [u64; 3] = [2, 2, 3];
    loom::model(|| {
        let shared = Arc::new((
            ControlBoard::default(),
            std::array::from_fn::<_, 3, _>(|_| AtomicU64::new(0)),
            std::array::from_fn::<_, 3, _>(|_| LogEntry::default()),
        ));
        let writer = shared.clone();
        let supervisor = thread::spawn(move || {
            let (board, seals, entries) = &*writer;
            let mut log = LogWriter { head: &board.head, entries, slowest_reader: 0 };
            let mut written = 0;
            for (block, log_position) in (0..).zip(SEALED_AT) {
                while written < log_position {
                    log.append(&entry(written)).expect("room");
                    written += 1;
                }
                board.seal(seals, Seal { block, log_position });
            }
        });
        let (board, seals, entries) = &*shared;
        let mut taken = 0;
        for block in 0..board.sealed() {
            let seal = seal_of(seals, block);
            assert_eq!(seal, Ok(SEALED_AT[block as usize]));
            while taken < SEALED_AT[block as usize] {
                assert_eq!(command_log::read(&board.head, entries, taken), Ok(entry(taken)));
                taken += 1;
            }
        }
        supervisor.join().expect("joins");
    });
}

/// A log of one entry, that the writer may use again when the reader has noted what it has taken.
fn overwrite_when_taken(noted_too_early: bool) {
    loom::model(move || {
        let shared = Arc::new((
            ControlBoard::default(),
            [AtomicU64::new(0), AtomicU64::new(0)],
            [LogEntry::default()],
            StatusBoard::default(),
        ));
        let writer = shared.clone();
        let supervisor = thread::spawn(move || {
            let (board, seals, entries, worker) = &*writer;
            for block in 0..2 {
                // Each block has one entry, so a reader of so many blocks has taken as many.
                let slowest_reader = worker.rendered();
                let mut log = LogWriter { head: &board.head, entries, slowest_reader };
                if log.append(&entry(block)).is_ok() {
                    board.seal(seals, Seal { block, log_position: block + 1 });
                }
            }
        });
        let (board, _, entries, worker) = &*shared;
        for block in 0..2 {
            if board.sealed() <= block {
                break;
            }
            if noted_too_early {
                worker.finish_block(block + 1);
            }
            assert_eq!(command_log::read(&board.head, entries, block), Ok(entry(block)));
            worker.finish_block(block + 1);
        }
        supervisor.join().expect("joins");
    });
}

#[test]
fn no_entry_is_overwritten_while_it_is_read() {
    overwrite_when_taken(false);
}

#[test]
#[should_panic(expected = "Damaged")]
fn an_entry_noted_before_it_is_read_would_be_found() {
    overwrite_when_taken(true);
}

/// A head raised before its entry is written is found out.
#[test]
#[should_panic(expected = "Damaged")]
fn a_head_raised_too_early_would_be_found() {
    loom::model(|| {
        let shared = Arc::new((AtomicU64::new(0), [LogEntry::default()]));
        let writer = shared.clone();
        let supervisor = thread::spawn(move || {
            let (head, entries) = &*writer;
            head.store(1, Ordering::Release);
            let elsewhere = AtomicU64::new(0);
            let mut log = LogWriter { head: &elsewhere, entries, slowest_reader: 0 };
            log.append(&entry(0)).expect("room");
        });
        let (head, entries) = &*shared;
        if head.load(Ordering::Acquire) == 1 {
            assert_eq!(command_log::read(head, entries, 0), Ok(entry(0)));
        }
        supervisor.join().expect("joins");
    });
}

/// A block of silence but for the two samples that an entry stores under the model checker.
fn block(sample: f32) -> Block {
    let mut block = [0.0; BLOCK_SAMPLES];
    block[..2].fill(sample);
    block
}

/// Block `number` as these tests render it: all that an entry holds differs from block to block, so
/// that a mix of two can't pass for either.
fn rendered(number: BlockIndex) -> (u64, u32, Block) {
    (number + 10, number as u32 + 1, block(0.5 + number as f32))
}

fn publish_rendered(ring: &[BlockEntry], number: BlockIndex) {
    let (seal, incarnation, samples) = rendered(number);
    publish(ring, number, seal, incarnation, &samples);
}

/// Reads a block as the selector does. A refusal means that the tag was the same before and after the
/// copy, and yet something of another block was copied. With a single honest writer that can't be: a
/// tag never returns, and who copied anything of a later block finds the tag withdrawn.
fn read_whole(ring: &[BlockEntry], number: BlockIndex) -> Read {
    let (seal, incarnation, samples) = rendered(number);
    let mut out = [0.0; BLOCK_SAMPLES];
    let answer = read(ring, number, seal, |by| by == incarnation, &mut out);
    match answer {
        Read::Taken(_) => assert_eq!(out, samples),
        Read::Absent => {}
        Read::Refused => panic!("an honest writer is never refused"),
    }
    answer
}

/// Calls `look` while a worker publishes `numbers`, in the only entry of a ring that holds block 0.
fn while_publishing(numbers: std::ops::Range<BlockIndex>, look: fn(&[BlockEntry])) {
    loom::model(move || {
        let ring = Arc::new([BlockEntry::default()]);
        if numbers.start > 0 {
            publish_rendered(&*ring, 0);
        }
        let (writer, numbers) = (ring.clone(), numbers.clone());
        let worker = thread::spawn(move || numbers.for_each(|n| publish_rendered(&*writer, n)));
        look(&*ring);
        worker.join().expect("joins");
    });
}

#[test]
fn who_takes_a_block_takes_it_whole() {
    while_publishing(0..1, |ring| {
        read_whole(ring, 0);
    });
    while_publishing(1..2, |ring| {
        read_whole(ring, 0);
        read_whole(ring, 1);
    });
}

#[test]
fn who_takes_a_block_takes_it_whole_when_two_follow() {
    while_publishing(0..2, |ring| {
        read_whole(ring, 0);
    });
    while_publishing(1..3, |ring| {
        read_whole(ring, 1);
    });
}

#[test]
fn a_label_is_that_of_its_block() {
    while_publishing(1..2, |ring| {
        for number in 0..2 {
            let (version, incarnation, samples) = rendered(number);
            let (incarnation, hash) = (u64::from(incarnation), block_hash(number, &samples));
            let expected = Label { incarnation, version, hash, is_sound: true };
            let label = find(ring, number, &mut [0.0; BLOCK_SAMPLES]);
            assert!(label.is_none_or(|label| label == expected));
        }
    });
}

#[test]
fn a_finished_block_is_there_to_be_taken() {
    loom::model(|| {
        let shared = Arc::new(([BlockEntry::default()], StatusBoard::default()));
        let writer = shared.clone();
        let worker = thread::spawn(move || {
            publish_rendered(&writer.0, 0);
            writer.1.finish_block(1);
        });
        let (ring, board) = &*shared;
        if board.rendered() == 1 {
            assert!(read_whole(ring, 0).is_taken());
        }
        worker.join().expect("joins");
    });
}

/// The protocol of the block ring once more, without the hash, and with fences that can be left out.
fn copy_while_overwriting(writer_fences: bool, reader_fences: bool) {
    loom::model(move || {
        let shared = Arc::new((AtomicU64::new(1), [AtomicU32::new(1), AtomicU32::new(1)]));
        let writer = shared.clone();
        let worker = thread::spawn(move || {
            let (tag, samples) = &*writer;
            tag.store(0, Ordering::Relaxed);
            if writer_fences {
                fence(Ordering::Release);
            }
            for sample in samples {
                sample.store(2, Ordering::Relaxed);
            }
            tag.store(2, Ordering::Release);
        });
        let (tag, samples) = &*shared;
        if tag.load(Ordering::Acquire) == 1 {
            let copy = [0, 1].map(|index: usize| samples[index].load(Ordering::Relaxed));
            if reader_fences {
                fence(Ordering::Acquire);
            }
            if tag.load(Ordering::Relaxed) == 1 {
                assert_eq!(copy, [1, 1], "a mixed block");
            }
        }
        worker.join().expect("joins");
    });
}

#[test]
fn both_fences_of_the_block_ring_are_enough() {
    copy_while_overwriting(true, true);
}

#[test]
#[should_panic(expected = "a mixed block")]
fn a_missing_fence_of_the_writer_would_be_found() {
    copy_while_overwriting(false, true);
}

#[test]
#[should_panic(expected = "a mixed block")]
fn a_missing_fence_of_the_reader_would_be_found() {
    copy_while_overwriting(true, false);
}

#[test]
fn who_sees_an_incarnation_sees_its_claim() {
    loom::model(|| {
        let board = Arc::new(StatusBoard::default());
        board.claim(6, 90, 1);
        let child = board.clone();
        let worker = thread::spawn(move || {
            child.claim(7, 40, 2);
            child.finish_block(41);
        });
        if board.incarnation() == 7 {
            assert_eq!(board.claimed_at_ns.load(Ordering::Relaxed), 2);
            assert!(matches!(board.rendered(), 40 | 41));
        }
        worker.join().expect("joins");
    });
}

/// The kernel's part of a bell: how often sleepers were woken. Comparing and falling asleep is one step,
/// and whoever wakes comes before or after it.
#[derive(Default)]
struct Sleepers(Mutex<u32>);

impl Sleepers {
    /// Falls asleep if the bell is still as heard; then says how many wakes came before.
    fn wait_on(&self, bell: &AtomicU32, heard: u32) -> Option<u32> {
        let wakes = self.0.lock().expect("whole");
        (bell.load(Ordering::Relaxed) == heard).then_some(*wakes)
    }

    fn wake_all(&self) {
        *self.0.lock().expect("whole") += 1;
    }

    /// To be asked when all others are done.
    fn wake_after(&self, asleep_since: Option<u32>) {
        let wakes = *self.0.lock().expect("whole");
        assert!(asleep_since.is_none_or(|before| wakes > before), "a bell was slept over");
    }
}

/// A device without a clock waits for block 0 of the primary. It goes round once: one that wakes, or is
/// not let sleep, begins afresh, as one that comes later would.
fn follow_the_primary(looks_before_it_listens: bool) {
    loom::model(move || {
        let shared = Arc::new((StatusBoard::default(), Sleepers::default()));
        let primary = shared.clone();
        let worker = thread::spawn(move || {
            primary.0.finish_block(1);
            primary.1.wake_all();
        });
        let (board, sleepers) = &*shared;
        let seen_early = looks_before_it_listens && board.rendered() == 1;
        let heard = board.bell.load(Ordering::Acquire);
        let seen = if looks_before_it_listens { seen_early } else { board.rendered() == 1 };
        let asleep_since = if seen { None } else { sleepers.wait_on(&board.bell, heard) };
        worker.join().expect("joins");
        sleepers.wake_after(asleep_since);
    });
}

#[test]
fn no_bell_is_slept_over() {
    follow_the_primary(false);
}

#[test]
#[should_panic(expected = "a bell was slept over")]
fn a_look_before_listening_would_be_found() {
    follow_the_primary(true);
}

/// A standby sleeps on the bell of the control board, and is woken when it is to go first.
#[test]
fn no_promotion_is_slept_over() {
    loom::model(|| {
        let shared = Arc::new((ControlBoard::default(), Sleepers::default()));
        let ringer = shared.clone();
        let supervisor = thread::spawn(move || {
            let (control, sleepers) = &*ringer;
            control.promote(1);
            control.bell.fetch_add(1, Ordering::Release);
            sleepers.wake_all();
        });
        let (control, sleepers) = &*shared;
        let heard = control.bell.load(Ordering::Acquire);
        let waits = control.primary() == 0;
        let asleep_since = if waits { sleepers.wait_on(&control.bell, heard) } else { None };
        supervisor.join().expect("joins");
        sleepers.wake_after(asleep_since);
    });
}

/// A worker wakes sleepers only if it knows itself to be the primary. Whoever finishes a block while
/// the supervisor makes it the primary is either rung for by the supervisor or knows of its role.
#[test]
fn no_bell_of_a_new_primary_is_slept_over() {
    loom::model(|| {
        let shared =
            Arc::new((ControlBoard::default(), StatusBoard::default(), Sleepers::default()));
        let (ringer, successor) = (shared.clone(), shared.clone());
        let supervisor = thread::spawn(move || {
            let (control, board, sleepers) = &*ringer;
            control.promote(1);
            board.bell.fetch_add(1, Ordering::Release);
            sleepers.wake_all();
        });
        let worker = thread::spawn(move || {
            let (control, board, sleepers) = &*successor;
            board.finish_block(1);
            if control.primary() == 1 {
                sleepers.wake_all();
            }
        });
        let (control, board, sleepers) = &*shared;
        let follows = control.primary() == 1;
        let heard = board.bell.load(Ordering::Acquire);
        let waits = follows && board.rendered() == 0;
        let asleep_since = if waits { sleepers.wait_on(&board.bell, heard) } else { None };
        supervisor.join().expect("joins");
        worker.join().expect("joins");
        sleepers.wake_after(asleep_since);
    });
}

fn amendment(block: BlockIndex) -> Amendment {
    Amendment { number: 0, block, change: Change::Withhold { sequence: block + 7 } }
}

/// The audio callback commits the next block, as played if it is found with so many amendments; returns how
/// it stood then, and whether it was played.
fn commit(commit_point: &CommitPoint, is_found: impl Fn(u64) -> bool) -> (Standing, bool) {
    loop {
        let standing = commit_point.standing();
        let is_found = is_found(standing.amendments);
        if commit_point.commit(standing, !is_found) {
            return (standing, is_found);
        }
    }
}

#[test]
fn a_block_is_played_or_amended_first_and_never_both() {
    loom::model(|| {
        let commit_point = Arc::new(CommitPoint::default());
        let amended = commit_point.clone();
        let supervisor = thread::spawn(move || amended.amend(amendment(0)));
        let (before, _) = commit(&commit_point, |_| true);
        match supervisor.join().expect("joins") {
            Ok(made) => assert_eq!((made.number, before.amendments), (0, 1), "looked for again"),
            Err(played) => assert_eq!((played, before.amendments), (Played(0), 0)),
        }
        assert_eq!(commit_point.standing().open_from, 1);
    });
}

/// The same with the two in words of their own, as one might have done it.
#[test]
#[should_panic(expected = "both played and amended")]
fn two_words_instead_of_one_would_be_found() {
    loom::model(|| {
        let shared = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
        let amended = shared.clone();
        let supervisor = thread::spawn(move || {
            let (next_block, amendments) = &*amended;
            let is_open = next_block.load(Ordering::SeqCst) == 0;
            is_open && amendments.fetch_add(1, Ordering::SeqCst) == 0
        });
        let (next_block, amendments) = &*shared;
        let found = amendments.load(Ordering::SeqCst);
        next_block.store(1, Ordering::SeqCst);
        let was_amended = supervisor.join().expect("joins");
        assert!(!(was_amended && found == 0), "both played and amended");
    });
}

/// A worker and a replay take what is counted.
#[test]
fn who_sees_an_amendment_counted_sees_it() {
    loom::model(|| {
        let commit_point = Arc::new(CommitPoint::default());
        let amended = commit_point.clone();
        let supervisor = thread::spawn(move || {
            for block in [4, 9] {
                amended.amend(amendment(block)).expect("not played");
            }
        });
        let count = commit_point.standing().amendments;
        for (number, block) in (0..count).zip([4, 9]) {
            let seen = commit_point.amendment(number);
            assert_eq!(seen, Ok(Amendment { number, ..amendment(block) }));
        }
        assert_eq!(commit_point.amendments_of(4, count), count.min(1));
        supervisor.join().expect("joins");
    });
}

/// While the callback commits, a worker takes the amendments of its block and renders it with them. What it
/// has rendered is played only if it took all that were counted when it was committed.
#[test]
fn what_is_played_was_rendered_with_all_amendments() {
    loom::model(|| {
        let shared = Arc::new((CommitPoint::default(), AtomicU64::new(u64::MAX)));
        let (amended, renders) = (shared.clone(), shared.clone());
        let supervisor = thread::spawn(move || amended.0.amend(amendment(0)).is_ok());
        let worker = thread::spawn(move || {
            let (commit_point, rendered) = &*renders;
            let count = commit_point.standing().amendments;
            assert!((0..count).all(|number| commit_point.amendment(number).is_ok()));
            rendered.store(count, Ordering::Release);
        });
        let (commit_point, rendered) = &*shared;
        let (standing, was_played) =
            commit(commit_point, |count| rendered.load(Ordering::Acquire) == count);
        let was_amended = supervisor.join().expect("joins");
        worker.join().expect("joins");
        let rendered = rendered.load(Ordering::Relaxed);
        assert!(
            !was_played || rendered == u64::from(was_amended) && rendered == standing.amendments
        );
    });
}

/// Nobody had block 0. While block 1 is committed, which is there as it was sealed and not as amended, block 0
/// finds two culprits: both are put aside, unless sound was there again first.
#[test]
fn a_gap_may_be_amended_until_sound_is_there_again() {
    loom::model(|| {
        let commit_point = Arc::new(CommitPoint::default());
        commit(&commit_point, |_| false);
        let amended = commit_point.clone();
        let supervisor =
            thread::spawn(move || [0, 0].map(|block| amended.amend(amendment(block)).is_ok()));
        let (standing, was_played) = commit(&commit_point, |amendments| amendments == 0);
        let made = supervisor.join().expect("joins");
        if was_played {
            assert_eq!((standing.amendments, made), (0, [false, false]));
        } else {
            assert_eq!(made, [true, true], "the gap lasts");
            assert_eq!(commit_point.standing().open_from, 0);
        }
    });
}

/// One gap ends and another begins while the supervisor looks: what was played between them stays as it was.
#[test]
fn what_was_played_between_two_gaps_is_not_amended() {
    loom::model(|| {
        let commit_point = Arc::new(CommitPoint::default());
        commit(&commit_point, |_| false);
        let amended = commit_point.clone();
        let supervisor = thread::spawn(move || {
            let seen = amended.standing();
            (seen, amended.amend(amendment(1)).is_ok())
        });
        let (played, _) = commit(&commit_point, |_| true);
        commit(&commit_point, |_| false);
        let (seen, was_amended) = supervisor.join().expect("joins");
        assert!(seen.open_from <= 2 && (seen.next_block > 1 || seen.open_from != 1));
        assert_eq!(played.amendments, u64::from(was_amended), "amended first, or not at all");
        assert_eq!(commit_point.standing().open_from, 2);
    });
}
