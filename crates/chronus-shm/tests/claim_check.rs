//! Guarantee: of what a worker says of itself, only what can be is believed, and what can't be discredits it.

#![cfg(not(loom))]

use chronus_replication::amendment::{Amendment, Change, version};
use chronus_replication::{BLOCK_SAMPLES, BlockIndex, PLACES, SLOTS, Seal, Slot};
use chronus_shm::block_ring::{RING_BLOCKS, publish};
use chronus_shm::claim_check::{ClaimCheck, Impossible};
use chronus_shm::control_board::LogRegion;
use chronus_shm::region::{View, Whole};
use chronus_shm::status_board::SlotsRegion;

/// The number of the worker in slot 1.
const NUMBER: u32 = 7;
/// Entries of the log in each block.
const ENTRIES: u64 = 3;
/// The block from which on the worker renders.
const FIRST: BlockIndex = 40;

struct Case {
    log: View<LogRegion>,
    slots: View<SlotsRegion>,
    claims: ClaimCheck,
}

impl Case {
    /// Blocks up to `sealed` are sealed, and the worker of a place is expected from block 40 on.
    fn new(sealed: BlockIndex, place: Slot) -> Self {
        let [log, slots] =
            [LogRegion::create(), SlotsRegion::create()].map(|memory| memory.expect("memory"));
        let log = LogRegion::map(&log).expect("it can be mapped");
        let slots = SlotsRegion::map(&slots).expect("it can be mapped");
        for block in 0..sealed {
            log.board.seal(&log.seals, Seal { block, log_position: (block + 1) * ENTRIES });
        }
        let mut claims = ClaimCheck::default();
        claims.expect(place, NUMBER, FIRST);
        Self { log, slots, claims }
    }

    /// The worker in slot 1 publishes a block.
    fn publish(&self, block: BlockIndex) {
        let version = version((block + 1) * ENTRIES, 0);
        let ring = &self.slots.slots[1].ring;
        publish(ring, block, version, NUMBER, &[block as f32; BLOCK_SAMPLES]);
    }

    /// The worker in slot 1 renders blocks as it should.
    fn render(&self, blocks: std::ops::Range<BlockIndex>) {
        for block in blocks {
            self.publish(block);
            self.slots.slots[1].board.finish_block(block + 1);
        }
    }

    fn hear(&mut self) -> [Option<Impossible>; PLACES] {
        self.claims.hear(&self.log, &self.slots)
    }

    /// What is heard once the worker, which has been heard well before, has done this.
    fn hear_after(deed: &dyn Fn(&Self)) -> Option<Impossible> {
        let mut case = Self::new(60, 1);
        case.slots.slots[1].board.claim(NUMBER, FIRST, 0);
        case.render(FIRST..50);
        assert_eq!(case.hear(), [None; PLACES]);
        deed(&case);
        let said = case.hear()[1];
        assert_eq!(case.hear()[1], None, "it is told once");
        if said.is_some() {
            case.render(50..55);
            assert_eq!(case.claims.rendered()[1], 50, "nothing that it says counts any more");
            assert_eq!(case.claims.rendered_now(1, &case.log, &case.slots), 50);
        }
        said
    }
}

#[test]
fn an_honest_worker_is_believed_from_its_claim_on() {
    let mut case = Case::new(400, 1);
    case.slots.slots[1].board.claim(NUMBER - 1, 390, 0);
    assert_eq!(case.hear(), [None; PLACES], "the board is still that of the worker before");
    assert_eq!((case.claims.claimed()[1], case.claims.rendered()[1]), (0, FIRST));
    assert_eq!(case.claims.rendered_now(1, &case.log, &case.slots), FIRST);
    case.slots.slots[1].board.claim(NUMBER, 42, 0);
    case.render(42..44);
    assert_eq!(case.claims.rendered_now(1, &case.log, &case.slots), 44);
    assert_eq!(case.hear(), [None; PLACES]);
    assert_eq!((case.claims.claimed()[1], case.claims.rendered()[1]), (NUMBER, 44));
    // More at once than the ring holds, and the next already begun.
    case.render(44..300);
    let entry = &case.slots.slots[1].ring;
    publish(&entry[..], 300, 0, NUMBER, &[f32::NAN; BLOCK_SAMPLES]);
    assert_eq!(case.hear(), [None; PLACES], "what is not finished is nobody's business");
    assert_eq!(case.claims.rendered()[1], 300);
}

#[test]
fn what_cannot_be_discredits() {
    let said = Case::hear_after;
    let ring = |case: &Case, block: BlockIndex, version, number, sample| {
        let samples = [sample; BLOCK_SAMPLES];
        publish(&case.slots.slots[1].ring, block, version, number, &samples);
        case.slots.slots[1].board.finish_block(block + 1);
    };
    let right = version(51 * ENTRIES, 0);
    let board = |case: &Case, rendered| case.slots.slots[1].board.finish_block(rendered);
    assert_eq!(said(&|_| {}), None);
    assert_eq!(said(&|case| case.render(50..60)), None);
    assert_eq!(said(&|case| board(case, 61)), Some(Impossible::Ahead(61)));
    assert_eq!(said(&|case| board(case, u64::MAX)), Some(Impossible::Ahead(u64::MAX)));
    let backwards = |to| Some(Impossible::Backwards { from: 50, to });
    assert_eq!(said(&|case| board(case, 49)), backwards(49));
    assert_eq!(said(&|case| board(case, 0)), backwards(0));
    assert_eq!(said(&|case| board(case, 51)), Some(Impossible::Missing(50)));
    let renamed = said(&|case| case.slots.slots[1].board.claim(8, 50, 0));
    assert_eq!(renamed, Some(Impossible::OtherNumber(8)));
    let mislabelled = Some(Impossible::Mislabelled(50));
    assert_eq!(said(&|case| ring(case, 50, right, NUMBER - 1, 0.5)), mislabelled);
    assert_eq!(said(&|case| ring(case, 50, right + 1, NUMBER, 0.5)), mislabelled);
    assert_eq!(said(&|case| ring(case, 50, version(51 * ENTRIES, 1), NUMBER, 0.5)), mislabelled);
    let damaged = Some(Impossible::Damaged(50));
    assert_eq!(said(&|case| ring(case, 50, right, NUMBER, f32::INFINITY)), damaged);
    assert_eq!(said(&|case| ring(case, 50, right, NUMBER, 0.5)), None);
}

#[test]
fn a_block_rendered_before_it_was_amended_discredits_nobody() {
    let said = Case::hear_after(&|case| {
        case.render(50..52);
        let change = Change::Withhold { sequence: 50 * ENTRIES };
        let amendment = Amendment { number: 0, block: 50, change };
        case.log.commit_point.amend(amendment).expect("it is not played");
    });
    assert_eq!(said, None);
}

#[test]
fn a_checkpoint_stands_still() {
    let mut case = Case::new(60, SLOTS);
    case.slots.slots[SLOTS].board.claim(NUMBER, 45, 0);
    assert_eq!(case.hear(), [None; PLACES]);
    assert_eq!(case.claims.rendered()[SLOTS], 45);
    case.slots.slots[SLOTS].board.finish_block(46);
    assert_eq!(case.hear()[SLOTS], Some(Impossible::Awake));
    let mut early = Case::new(60, SLOTS);
    early.slots.slots[SLOTS].board.claim(NUMBER, FIRST - 1, 0);
    let backwards = Impossible::Backwards { from: FIRST, to: FIRST - 1 };
    assert_eq!(early.hear()[SLOTS], Some(backwards), "its parent was further");
}

#[test]
fn what_a_reader_has_taken_follows_from_the_seals() {
    let case = Case::new(9000, 1);
    assert_eq!(case.log.position_after(0), Some(0));
    assert_eq!(case.log.position_after(8990), Some(8990 * ENTRIES));
    assert_eq!(case.log.position_after(5), None, "its seal is gone");
    let of_block_8990 = 8990 * ENTRIES..8991 * ENTRIES;
    for sequence in 8989 * ENTRIES..8993 * ENTRIES {
        assert_eq!(case.log.holds(8990, sequence), of_block_8990.contains(&sequence));
    }
    assert!(!case.log.holds(9000, 9000 * ENTRIES), "it is not sealed");
    const { assert!(RING_BLOCKS < 8000) };
}
