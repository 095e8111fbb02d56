//! Living under a service manager: systemd keeps the memory and the port should even the keeper die, is told how
//! it goes, and restarts everything should the sound stand still. Without one, nothing of this happens.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chronus_os::child::Children;
use chronus_os::memfd::Memfd;
use chronus_os::spawn;
use chronus_os::wake::Notifier;
use chronus_shm::ledger::LedgerRegion;
use chronus_shm::region::View;
use sd_notify::NotifyState;

use crate::log::counted;
use crate::osc::sockets::Sockets;
use crate::persistence::handover::Handover;

/// The names under which the memory of the handover is kept.
const MEMORY: [&str; 4] = ["chronus-log", "chronus-slots", "chronus-assets", "chronus-ledger"];
/// Those of its sockets, of which one may not be there.
const UDP: &str = "chronus-port";
const UNIX: &str = "chronus-unix";
/// How it goes is looked at this often.
const LOOK: Duration = Duration::from_millis(250);
/// It is told this often, in looks.
const TELL_EVERY: u32 = 20;

fn is_there() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

fn tell(states: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("the service manager can't be told: {error}");
    }
}

/// The handover that the service manager has kept for this process.
///
/// # Errors
/// If parts of it are missing.
pub fn kept() -> io::Result<Option<Handover>> {
    let names: Vec<String> = sd_notify::listen_fds_with_names()?.map(|(_, name)| name).collect();
    let is_ours = |name: &&str| names.iter().any(|kept| kept == name);
    if !MEMORY.iter().chain([&UDP, &UNIX]).any(is_ours) {
        return Ok(None);
    }
    let find = |name: &str| -> Option<OwnedFd> {
        let position = names.iter().position(|kept| kept == name);
        position.and_then(spawn::take_handed_over)
    };
    let take =
        |name: &str| find(name).ok_or_else(|| io::Error::other(format!("{name} was not kept")));
    let [log, slots, assets, ledger] = MEMORY;
    Ok(Some(Handover {
        log: Memfd::adopt(take(log)?)?,
        slots: Memfd::adopt(take(slots)?)?,
        assets: Memfd::adopt(take(assets)?)?,
        ledger: Memfd::adopt(take(ledger)?)?,
        notifier: Notifier::new()?,
        socket_file: None,
        sockets: Sockets::new(find(UDP).map(Into::into), find(UNIX).map(Into::into)),
        adapters: Vec::new(),
        children: Children::of_this_thread()?,
        journal: None,
    }))
}

/// Has the service manager keep the handover, in the place of any other.
pub fn keep(handover: &Handover) {
    if !is_there() {
        return;
    }
    forget();
    let Handover { log, slots, assets, ledger, sockets, .. } = handover;
    let memory = [log.as_fd(), slots.as_fd(), assets.as_fd(), ledger.as_fd()];
    let udp = sockets.udp.as_ref().map(|udp| (UDP, udp.as_fd()));
    let unix = sockets.unix.as_ref().map(|unix| (UNIX, unix.as_fd()));
    let memory = MEMORY.into_iter().zip(memory);
    for (name, part) in memory.chain(udp).chain(unix) {
        // A port to which somebody could not be answered is no worse for it.
        let poll = NotifyState::Custom("FDPOLL=0");
        let states = [NotifyState::FdStore, NotifyState::FdName(name), poll];
        if let Err(error) = sd_notify::notify_with_fds(&states, &[part]) {
            tracing::warn!("the service manager does not keep {name}: {error}");
        }
    }
}

/// Has the service manager give up what it has kept: the performance is over, or of no use.
pub fn forget() {
    for name in MEMORY.into_iter().chain([UDP, UNIX]) {
        tell(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]);
    }
}

/// Tells that the end has begun.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// In a supervisor: starts a thread that tells how it goes, as long as the sound goes on. A thread of its own,
/// because whoever is told may keep it waiting.
///
/// # Errors
/// As the system says.
pub fn accompany(ledger: Arc<View<LedgerRegion>>, output: Output) -> io::Result<()> {
    if !is_there() {
        return Ok(());
    }
    let body = move || {
        let mut progress = Progress { ledger, output, last: (0, 0), is_ready: false };
        for look in 0_u32.. {
            std::thread::sleep(LOOK);
            progress.look(look % TELL_EVERY == 0);
        }
    };
    std::thread::Builder::new().name("service".into()).spawn(body)?;
    Ok(())
}

/// What the output is at the moment.
#[derive(Clone, Debug, Default)]
pub struct Output(Arc<Mutex<String>>);

impl Output {
    /// It is this now. If it is just being read, it is told the next time: whoever tells waits for nobody.
    pub fn tell(&self, what: &str) {
        if let Ok(mut told) = self.0.try_lock() {
            what.clone_into(&mut told);
        }
    }

    fn get(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Progress {
    ledger: Arc<View<LedgerRegion>>,
    output: Output,
    /// The frame and the turn of the supervisor when it was last looked at.
    last: (u64, u64),
    is_ready: bool,
}

impl Progress {
    fn look(&mut self, tells: bool) {
        let LedgerRegion { keeper, roster, playback, .. } = &**self.ledger;
        let load = |word: &chronus_shm::sync::AtomicU64| word.load(Ordering::Acquire);
        let now = (load(&playback.frames), load(&roster.turned_at_ns));
        let is_well = now.0 != self.last.0 && now.1 != self.last.1;
        self.last = now;
        if !is_well {
            return;
        }
        let mut states = vec![NotifyState::Watchdog];
        if !std::mem::replace(&mut self.is_ready, true) {
            states.push(NotifyState::Ready);
        }
        let (gaps, lives) = (load(&playback.gaps), keeper.lives.load(Ordering::Acquire));
        let status = format!("{}; {}, supervisor {lives}", self.output.get(), counted(gaps, "gap"));
        if tells || states.len() > 1 {
            states.push(NotifyState::Status(&status));
        }
        tell(&states);
    }
}
