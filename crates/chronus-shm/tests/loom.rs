//! Guarantee, model-checked over all interleavings: who sees a seal sees its entries; who takes a block
//! takes it whole; who sees an incarnation sees its claim; no bell is slept over.
//!
//! Run: `RUSTFLAGS="--cfg loom" cargo test -p chronus-shm --release --test loom`

#![cfg(loom)]

use chronus_replication::command_sequencer::Log;
use chronus_replication::selector::Read;
use chronus_replication::{BLOCK_SAMPLES, Block, Entry, Seal};
use chronus_shm::block_ring::{BlockEntry, publish, read};
use chronus_shm::command_log::{self, LogEntry, LogWriter};
use chronus_shm::control_board::{ControlBoard, seal_of};
use chronus_shm::status_board::StatusBoard;
use chronus_shm::sync::{AtomicU64, Ordering};
use loom::sync::Arc;
use loom::thread;

fn entry(sequence: u64) -> Entry {
    Entry { sequence, frame: sequence, payload: [sequence + 1, 0, 0, 0, 0] }
}

#[test]
fn who_sees_a_seal_sees_its_entries() {
    loom::model(|| {
        let shared = Arc::new((
            ControlBoard::default(),
            [AtomicU64::new(0), AtomicU64::new(0)],
            [LogEntry::default(), LogEntry::default()],
        ));
        let writer = shared.clone();
        let supervisor = thread::spawn(move || {
            let (board, seals, entries) = &*writer;
            let mut log = LogWriter { head: &board.head, entries, slowest_reader: 0 };
            for block in 0..2 {
                log.append(&entry(block)).expect("room");
                board.seal(seals, Seal { block, log_position: block + 1 });
            }
        });
        let (board, seals, entries) = &*shared;
        for block in 0..board.sealed() {
            assert_eq!(seal_of(seals, block), Ok(block + 1));
            assert_eq!(command_log::read(&board.head, entries, block), Ok(entry(block)));
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

#[test]
fn who_takes_a_block_takes_it_whole() {
    loom::model(|| {
        let ring = Arc::new([BlockEntry::default()]);
        publish(&*ring, 0, 0, 1, &block(0.5));
        let writer = ring.clone();
        let worker = thread::spawn(move || publish(&*writer, 1, 0, 1, &block(0.75)));
        for (number, sample) in [(0, 0.5), (1, 0.75)] {
            let mut out = [0.0; BLOCK_SAMPLES];
            match read(&*ring, number, 0, 1..=1, &mut out) {
                Read::Taken => assert_eq!(out, block(sample)),
                Read::Absent => {}
                Read::Refused => panic!("an honest writer is never refused"),
            }
        }
        worker.join().expect("joins");
    });
}

#[test]
fn who_sees_an_incarnation_sees_its_claim() {
    loom::model(|| {
        let board = Arc::new(StatusBoard::default());
        let child = board.clone();
        let worker = thread::spawn(move || child.claim(7, 40, 3, 1));
        if board.incarnation() == 7 {
            assert_eq!((board.rendered(), board.log_position()), (40, 3));
        }
        worker.join().expect("joins");
    });
}

#[test]
fn no_bell_is_slept_over() {
    loom::model(|| {
        let board = Arc::new(StatusBoard::default());
        let primary = board.clone();
        let worker = thread::spawn(move || primary.finish_block(1, 0));
        // A standby reads the bell, then looks; it sleeps only while the bell has not been rung since.
        let heard = board.bell.load(Ordering::Acquire);
        let sees_the_block = board.rendered() >= 1;
        worker.join().expect("joins");
        let would_sleep = board.bell.load(Ordering::Acquire) == heard;
        assert!(sees_the_block || !would_sleep, "asleep with a block to render");
    });
}

/// The check can fail: an entry that is tagged before it is written is found out.
#[test]
#[should_panic(expected = "damaged")]
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
            assert_eq!(command_log::read(head, entries, 0), Ok(entry(0)), "damaged");
        }
        supervisor.join().expect("joins");
    });
}
