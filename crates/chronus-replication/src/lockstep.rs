//! How a worker stays in lockstep: what it does next, given what the shared boards say.
//!
//! The primary renders a block when it is sealed; a standby when it is released: the supervisor releases,
//! each time it rings, what the primary had finished by then. So a standby is one step behind, does even
//! work, and no worker has to wake another. A worker forks only between two blocks, and only when nothing
//! more urgent is due.

use crate::{BlockIndex, SLOTS, Slot};

/// Where a worker stands. Private memory of its process, so a fork inherits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The slot that the worker writes to.
    pub slot: Slot,
    /// The number under which it does so.
    pub incarnation: u32,
    /// The block that it renders next.
    pub next_block: BlockIndex,
    /// How many entries of the log it has taken.
    pub log_position: u64,
    /// How many amendments it has taken.
    pub amended: u64,
    /// The number of the last order that it obeyed.
    pub obeyed: u32,
    /// Blocks rendered since an order was first seen waiting.
    pub blocks_since_order: u32,
}

/// What the supervisor asks of one worker, outside the command log: nothing in an order reaches the
/// sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Nothing.
    None,
    /// Fork a standby into a slot; the child's incarnation is the order's number.
    Fork {
        /// The child's slot.
        into: Slot,
        /// The order's number, and the child's incarnation.
        number: u32,
    },
    /// Stop being a checkpoint, and be the worker of a slot.
    Thaw {
        /// The slot.
        into: Slot,
        /// The order's number, and the worker's incarnation from now on.
        number: u32,
    },
}

impl Order {
    /// The number of the order; 0 for none.
    pub fn number(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Fork { number, .. } | Self::Thaw { number, .. } => number,
        }
    }

    /// As one word, so that an order is given in a single store.
    pub fn encode(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Fork { into, number } => 1 | (into as u64) << 8 | u64::from(number) << 32,
            Self::Thaw { into, number } => 2 | (into as u64) << 8 | u64::from(number) << 32,
        }
    }

    /// Reads [`Order::encode`] back; an unknown kind is no order.
    pub fn decode(word: u64) -> Self {
        let number = (word >> 32) as u32;
        match word as u8 {
            1 => Self::Fork { into: usize::from((word >> 8) as u8), number },
            2 => Self::Thaw { into: usize::from((word >> 8) as u8), number },
            _ => Self::None,
        }
    }
}

/// What the shared boards say.
pub trait Board {
    /// The slot that goes first.
    fn primary(&self) -> Slot;
    /// How many blocks are sealed.
    fn sealed(&self) -> BlockIndex;
    /// How many blocks are released to the standbys.
    fn released(&self) -> BlockIndex;
    /// The last order given to a slot.
    fn order(&self, slot: Slot) -> Order;
}

/// What a worker does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Render this block.
    Render(BlockIndex),
    /// Do as the supervisor asks.
    Obey(Order),
    /// Wait until the supervisor rings: it has sealed a block, promoted somebody, or given an order.
    Wait,
}

/// An order waits for at most this many due blocks, so that a worker that is kept busy obeys too.
const MOST_BLOCKS_BEFORE_ORDER: u32 = 8;

impl Position {
    /// Decides what to do next.
    pub fn next_step(&self, board: &impl Board) -> Step {
        if self.is_checkpoint() {
            return self.waiting_order(board).map_or(Step::Wait, Step::Obey);
        }
        let primary = board.primary();
        let leads = primary == self.slot;
        let sealed = board.sealed();
        let due = if leads { sealed } else { sealed.min(board.released()) };
        let order = self.waiting_order(board);
        if self.next_block < due && self.blocks_since_order < MOST_BLOCKS_BEFORE_ORDER {
            Step::Render(self.next_block)
        } else if let Some(order) = order {
            Step::Obey(order)
        } else if self.next_block < due {
            Step::Render(self.next_block)
        } else {
            Step::Wait
        }
    }

    /// Whether it stands still until it is thawed.
    pub fn is_checkpoint(&self) -> bool {
        self.slot >= SLOTS
    }

    /// Notes that the block has been rendered and `log_position` entries taken.
    pub fn finish_block(&mut self, log_position: u64, board: &impl Board) {
        self.next_block += 1;
        self.log_position = log_position;
        let waits = self.waiting_order(board).is_some();
        self.blocks_since_order = if waits { self.blocks_since_order + 1 } else { 0 };
    }

    /// Notes that an order was obeyed.
    pub fn obeyed(&mut self, order: Order) {
        self.obeyed = order.number();
        self.blocks_since_order = 0;
    }

    /// The position of a child forked here into `slot`. Orders given to that slot before are not its.
    #[must_use]
    pub fn of_child(&self, slot: Slot, incarnation: u32, board: &impl Board) -> Self {
        let obeyed = board.order(slot).number();
        Self { slot, incarnation, obeyed, blocks_since_order: 0, ..*self }
    }

    fn waiting_order(&self, board: &impl Board) -> Option<Order> {
        let order = board.order(self.slot);
        (order != Order::None && order.number() != self.obeyed).then_some(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct TestBoard {
        primary: Slot,
        sealed: BlockIndex,
        released: BlockIndex,
        order: Order,
    }

    impl Board for TestBoard {
        fn primary(&self) -> Slot {
            self.primary
        }
        fn sealed(&self) -> BlockIndex {
            self.sealed
        }
        fn released(&self) -> BlockIndex {
            self.released
        }
        fn order(&self, _: Slot) -> Order {
            self.order
        }
    }

    fn position(next_block: BlockIndex) -> Position {
        Position {
            slot: 1,
            incarnation: 7,
            next_block,
            log_position: 0,
            amended: 0,
            obeyed: 0,
            blocks_since_order: 0,
        }
    }

    #[test]
    fn a_checkpoint_stands_still_until_it_is_thawed() {
        let order = Order::Thaw { into: 2, number: 9 };
        assert_eq!(Order::decode(order.encode()), order);
        let mut board = TestBoard { primary: 1, sealed: 50, released: 50, order: Order::None };
        let frozen = Position { slot: SLOTS, ..position(4) };
        assert_eq!(frozen.next_step(&board), Step::Wait);
        board.order = order;
        assert_eq!(frozen.next_step(&board), Step::Obey(order));
        assert_eq!(frozen.of_child(2, 9, &board).next_step(&board), Step::Render(4));
    }

    #[test]
    fn the_primary_goes_as_far_as_is_sealed_and_a_standby_as_far_as_is_released() {
        let mut board = TestBoard { primary: 1, sealed: 5, released: 0, order: Order::None };
        assert_eq!(position(4).next_step(&board), Step::Render(4));
        assert_eq!(position(5).next_step(&board), Step::Wait);
        board.primary = 0;
        board.released = 4;
        assert_eq!(position(3).next_step(&board), Step::Render(3));
        assert_eq!(position(4).next_step(&board), Step::Wait);
    }

    #[test]
    fn nothing_leads_a_standby_past_the_seal() {
        let board = TestBoard { primary: 0, sealed: 5, released: u64::MAX, order: Order::None };
        assert_eq!(position(5).next_step(&board), Step::Wait);
    }

    #[test]
    fn due_blocks_go_before_an_order_but_not_for_ever() {
        let order = Order::Fork { into: 0, number: 9 };
        let board = TestBoard { primary: 1, sealed: 100, released: 0, order };
        let mut position = position(0);
        let mut rendered = 0;
        while let Step::Render(_) = position.next_step(&board) {
            position.finish_block(0, &board);
            rendered += 1;
        }
        assert_eq!(rendered, MOST_BLOCKS_BEFORE_ORDER);
        assert_eq!(position.next_step(&board), Step::Obey(order));
        position.obeyed(order);
        assert_eq!(position.next_step(&board), Step::Render(8), "an order is obeyed once");
    }

    #[test]
    fn orders_survive_their_encoding() {
        for order in [
            Order::None,
            Order::Fork { into: 3, number: u32::MAX },
            Order::Thaw { into: 1, number: 1 },
        ] {
            assert_eq!(Order::decode(order.encode()), order);
        }
    }
}
