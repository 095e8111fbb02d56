//! The handover: descriptors that outlive a supervisor. The keeper makes them and hands them to one after another.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use chronus_os::child::Children;
use chronus_os::memfd::Memfd;
use chronus_os::wake::Notifier;
use chronus_os::{packets, spawn};
use chronus_shm::control_board::LogRegion;
use chronus_shm::ledger::LedgerRegion;
use chronus_shm::region::{self, Whole};
use chronus_shm::status_board::SlotsRegion;

use crate::osc::address::Places;
use crate::osc::socket_file::SocketFile;
use crate::osc::sockets::{KINDS, Sockets};
use chronus_control::ADAPTERS_MOST;

/// What a supervisor hands down to the next.
#[derive(Debug)]
pub struct Handover {
    /// The command log and the control board.
    pub log: Memfd,
    /// What the workers have rendered.
    pub slots: Memfd,
    /// The shared assets: packed patches, recordings and tables.
    pub assets: Memfd,
    /// What supervisors note for their successors.
    pub ledger: Memfd,
    /// Raised by whoever has something for the supervisor.
    pub notifier: Notifier,
    /// In the keeper: the file by which the unix socket is reached. It goes before that does.
    pub socket_file: Option<SocketFile>,
    /// Where messages arrive; while nobody receives them, they wait.
    pub sockets: Sockets,
    /// Towards adapters that are processes of their own.
    pub adapters: Vec<OwnedFd>,
    /// The keeper's children, who are the workers and the supervisor.
    pub children: Children,
    /// The file of the journal, locked, if there is one and this performance has begun under this keeper.
    pub journal: Option<File>,
}

impl Handover {
    /// New memory, and sockets that listen there.
    ///
    /// # Errors
    /// A sentence.
    pub fn create(places: &Places) -> Result<Self, String> {
        let port = |address| UdpSocket::bind(address).map_err(|error| no_port(address, &error));
        let udp = places.udp.map(port).transpose()?;
        let unix = places.unix.as_ref().map(SocketFile::bind).transpose()?;
        let (unix, socket_file) = unix.unzip();
        let memory = || {
            Ok::<_, io::Error>(Self {
                log: LogRegion::create()?,
                slots: SlotsRegion::create()?,
                assets: region::create_shared_assets()?,
                ledger: LedgerRegion::create()?,
                notifier: Notifier::new()?,
                socket_file,
                sockets: Sockets::new(udp, unix),
                adapters: Vec::new(),
                children: Children::of_this_thread()?,
                journal: None,
            })
        };
        memory().map_err(|error| format!("no shared memory, or no /proc: {error}"))
    }

    /// The descriptors for a supervisor.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let Self { log, slots, assets, ledger, notifier, sockets, .. } = self;
        let memory = [log.as_fd(), slots.as_fd(), assets.as_fd(), ledger.as_fd()];
        let others = [notifier.as_fd(), self.children.as_fd()];
        let journal = self.journal.as_ref().map(AsFd::as_fd);
        let adapters = self.adapters.iter().map(AsFd::as_fd);
        let sockets = sockets.descriptors().into_iter().chain(adapters);
        memory.into_iter().chain(others).chain(sockets).chain(journal).collect()
    }

    /// In a supervisor: what the keeper has handed over.
    ///
    /// # Errors
    /// If this process was not started by a keeper.
    pub fn take_over() -> io::Result<Self> {
        let missing = || io::Error::other("supervisors are started by `chronus run`, not by hand");
        let take = |position| spawn::take_handed_over(position).ok_or_else(missing);
        // Which of these there are, they tell themselves.
        let (mut sockets, mut adapters, mut journal) = (Sockets::default(), Vec::new(), None);
        for other in (6..=6 + KINDS + ADAPTERS_MOST).map_while(spawn::take_handed_over) {
            if packets::is_one(&other) {
                adapters.push(other);
                continue;
            }
            if let Some(no_socket) = sockets.adopt(other) {
                journal = Some(File::from(no_socket));
                break;
            }
        }
        if sockets.descriptors().is_empty() {
            return Err(missing());
        }
        Ok(Self {
            log: Memfd::adopt(take(0)?)?,
            slots: Memfd::adopt(take(1)?)?,
            assets: Memfd::adopt(take(2)?)?,
            ledger: Memfd::adopt(take(3)?)?,
            notifier: Notifier::adopt(take(4)?),
            children: Children::adopt(take(5)?),
            socket_file: None,
            sockets,
            adapters,
            journal,
        })
    }
}

/// Why nothing can listen there, and what to do.
fn no_port(address: SocketAddr, error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => "is another engine running? try --osc 127.0.0.1:5006",
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; take one of its own, 127.0.0.1 for this machine \
             alone, or 0.0.0.0 for all of its networks"
        }
        io::ErrorKind::PermissionDenied => "take a port from 1024 on",
        _ => "try --osc 127.0.0.1:5005",
    };
    format!("can't listen on {address} ({error}); {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_not_listen_is_told_what_to_do() {
        let taken = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let taken = taken.local_addr().map(|address| (taken, address)).expect("an address");
        let at = |udp| Places { udp: Some(udp), unix: None };
        let error = Handover::create(&at(taken.1)).expect_err("it is taken");
        assert!(error.contains("is another engine running?"), "{error}");
        // 192.0.2.0/24 is kept for documents; no machine has it.
        let error = Handover::create(&at("192.0.2.1:5005".parse().expect("an address")));
        let error = error.expect_err("it is nobody's");
        assert!(error.contains("no such address") && !error.contains("another"), "{error}");
    }
}
