//! The memory that supervisors hand down, mapped.

use std::io;
use std::sync::Arc;

use chronus_os::memfd::Memfd;
use chronus_shm::control_board::LogRegion;
use chronus_shm::ledger::LedgerRegion;
use chronus_shm::region::{View, Whole};
use chronus_shm::status_board::SlotsRegion;

/// Log, slots and ledger, for writing.
#[derive(Clone)]
pub struct Regions {
    /// The control board and the seals.
    pub log: Arc<View<LogRegion>>,
    /// All slots.
    pub slots: Arc<View<SlotsRegion>>,
    /// What supervisors note for their successors.
    pub ledger: Arc<View<LedgerRegion>>,
}

impl Regions {
    /// Maps what a supervisor writes.
    ///
    /// # Errors
    /// If the memory is not that of this program, or as the kernel says.
    pub fn map(log: &Memfd, slots: &Memfd, ledger: &Memfd) -> io::Result<Self> {
        Ok(Self {
            log: Arc::new(Whole::map(log)?),
            slots: Arc::new(Whole::map(slots)?),
            ledger: Arc::new(Whole::map(ledger)?),
        })
    }
}
