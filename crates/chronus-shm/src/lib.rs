//! What processes share: the command log, the control board, and one slot per worker.
//!
//! Everything in here is made of atomics, so that any process may be killed between any two
//! instructions and leave nothing undefined: at worst an entry that is not published, or one whose
//! hash does not match. Structures work on borrowed parts, on the heap as in shared memory; only
//! [`region`] knows of mappings. One of the two crates that may hold `unsafe`.

pub mod accepted_incarnations;
pub mod block_ring;
mod checked;
pub mod checksum;
#[cfg(not(loom))]
pub mod claim_check;
pub mod command_log;
pub mod commit_point;
pub mod control_board;
pub mod crash_note;
pub mod ledger;
pub mod listener_board;
#[cfg(not(loom))]
pub mod listening;
pub mod periods;
pub mod playback_board;
#[cfg(not(loom))]
pub mod region;
pub mod session_board;
pub mod status_board;
pub mod sync;
