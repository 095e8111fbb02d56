//! The keeper: `chronus run` itself. It makes the handover, is the parent of the supervisor and of all workers,
//! reaps them, and starts another supervisor when one dies or stands still. It does nothing else, so that there
//! is little in it that could go wrong: no device, no file, no message from outside.

use std::error::Error;
use std::ffi::OsString;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chronus_os::child::{self, Child, Exit, signal_number};
use chronus_os::spare::Spare;
use chronus_os::wake::poll_readable;
use chronus_os::{clock, outside, process_title, sched, spawn};
use chronus_replication::blame::Cause;
use chronus_replication::restart::{BackOff, Death};
use chronus_shm::checksum;
use chronus_shm::ledger::{ExitRecord, LedgerRegion};
use chronus_shm::region::{View, Whole};
use signal_hook::consts::{SIGCHLD, SIGTERM};

use super::adapters;
use crate::commands::cli::RunArgs;
use crate::commands::files;
use crate::osc::address::Places;
use crate::osc::socket_file::SocketFile;
use crate::persistence::handover::Handover;
use crate::persistence::regions::Regions;
use crate::persistence::service;
use chronus_journal::file as journal_file;

/// A supervisor that has lived for so long did not die young.
const CHILDHOOD_NS: u64 = 2_000_000_000;
/// The supervisor is looked at this often.
const LOOK_NS: u64 = 500_000_000;
/// A supervisor that was found at the same turn so many times in a row is stuck.
const STUCK_LOOKS: u32 = 4;

/// So many descriptors are open at once while a supervisor is started, but for those that it is given: nothing, both ends
/// of a pipe, standard output and error, and the supervisor itself.
const SPAWN_DESCRIPTORS: usize = 6;

/// Plays until it is told to end.
///
/// # Errors
/// Whatever keeps it from starting, as a sentence.
pub fn run(args: &RunArgs) -> Result<ExitCode, Box<dyn Error>> {
    process_title::name_thread("chronus-keeper");
    if let Some(parent) = args.end_with {
        child::die_with_parent(parent);
    }
    let handover = find_handover(args)?;
    child::mind_no_meaningless_signals();
    outside::mind_own_crashes_only();
    // What was ignored when it was started stays so: `nohup` means that a hang-up does not end it. But who may end it
    // must be able to.
    let ends = child::ENDS.into_iter().filter(|end| *end == SIGTERM || !child::is_ignored(*end));
    let ends = Signals::catch(&ends.collect::<Vec<_>>())?;
    let deaths = Signals::catch(&[SIGCHLD])?;
    if !args.free_run {
        // Whoever waits for the dead holds up the living. What it starts does not inherit this.
        let _ = sched::set_fifo_for_self(sched::priority::KEEPER);
    }
    let mut handover = handover;
    let (engine_ends, adapter_ends) = adapters::sockets(&args.adapter)?;
    handover.adapters = engine_ends;
    let tended = adapters::tend(&args.adapter, adapter_ends)
        .inspect_err(|error| tracing::error!("no adapter can be started: {error}"));
    let mut keeper = Keeper {
        ledger: LedgerRegion::map(&handover.ledger)?,
        handover,
        ends,
        deaths,
        spare: Spare::new(SPAWN_DESCRIPTORS),
        back_off: BackOff::default(),
        supervisor: None,
        end_asked: false,
        over: None,
    };
    let exit = keeper.keep();
    if let Ok(tended) = tended {
        tended.finish();
    }
    let exit = exit?;
    // Nobody shall go on with a performance that has ended.
    keeper.ledger.keeper.ended.store(1, Ordering::Release);
    service::forget();
    Ok(match exit {
        Exit::Status(status) => ExitCode::from(status as u8),
        Exit::Signal(_) => ExitCode::FAILURE,
    })
}

/// What the service manager has kept of a performance whose keeper died, or a new handover.
fn find_handover(args: &RunArgs) -> Result<Handover, Box<dyn Error>> {
    let identity = identity();
    let places = Places::of(&args.osc);
    match service::kept() {
        Ok(None) => {}
        Ok(Some(mut handover)) => {
            let Some(why) = why_not(&mut handover, places.as_ref().ok(), identity) else {
                tracing::warn!("the keeper had died; the service manager has kept the performance");
                return Ok(handover);
            };
            tracing::warn!("{why}: another performance begins");
            // Its sockets may be in the way; if they are now, they are not when this is tried again.
            service::forget();
        }
        Err(error) => tracing::warn!("what was kept is of no use ({error})"),
    }
    // Of a performance that goes on, nothing is refused any more.
    files::check(args)?;
    let places = places?;
    let mut handover = Handover::create(&places)?;
    if let Some(address) = places.udp.filter(|address| !address.ip().is_loopback()) {
        tracing::warn!(
            "OSC is received from other machines, at udp://{address}: whoever reaches this port can play, change and end \
             everything; --osc 127.0.0.1:{} is for this machine alone",
            address.port()
        );
    }
    handover.journal = args.journal.as_deref().map(journal_file::create).transpose()?;
    let ledger = LedgerRegion::map(&handover.ledger)?;
    ledger.keeper.identity.store(identity, Ordering::Release);
    ledger.keeper.began_at_ns.store(clock::monotonic_ns(), Ordering::Release);
    if let Some(file) = &handover.socket_file {
        file.note(&ledger.keeper.socket_file);
    }
    service::keep(&handover);
    Ok(handover)
}

/// Why a kept handover can't be gone on with, if it can't.
fn why_not(
    handover: &mut Handover,
    places: Option<&Places>,
    identity: u64,
) -> Option<&'static str> {
    let Ok(regions) = Regions::map(&handover.log, &handover.slots, &handover.ledger) else {
        return Some("what was kept is of another version");
    };
    let keeper = &regions.ledger.keeper;
    if keeper.identity.load(Ordering::Acquire) != identity {
        return Some("what was kept was played by another program, or asked for otherwise");
    }
    if keeper.ended.load(Ordering::Acquire) != 0 {
        return Some("what was kept has ended");
    }
    let sockets = &handover.sockets;
    let kinds = (sockets.udp.is_some(), sockets.unix.is_some());
    if places.is_none_or(|places| kinds != (places.udp.is_some(), places.unix.is_some())) {
        return Some("a socket was not kept");
    }
    let unix = sockets.unix.as_ref();
    handover.socket_file = unix.and_then(|unix| SocketFile::kept(unix, &keeper.socket_file));
    if let Some(file) = handover.socket_file.as_ref().filter(|file| !file.is_there()) {
        tracing::warn!(
            "{file} is gone, so nobody can send there; start the engine anew for another"
        );
    }
    keeper.died_at_ns.store(clock::monotonic_ns(), Ordering::Release);
    None
}

/// Tells this program, asked for in this way, from others.
fn identity() -> u64 {
    let mut bytes: Vec<u8> =
        std::env::args_os().skip(1).flat_map(|word| [word.as_bytes(), &[0]].concat()).collect();
    if let Ok(program) = std::fs::metadata("/proc/self/exe") {
        for word in [program.dev(), program.ino(), program.size(), program.mtime() as u64] {
            bytes.extend(word.to_le_bytes());
        }
    }
    checksum::of_bytes(&bytes)
}

/// Signals that can be polled for.
struct Signals(UnixStream);

impl Signals {
    fn catch(signals: &[i32]) -> std::io::Result<Self> {
        let (ours, caught) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        for signal in signals {
            signal_hook::low_level::pipe::register(*signal, caught.try_clone()?)?;
        }
        Ok(Self(ours))
    }

    fn clear(&self) {
        let mut bytes = [0; 64];
        while (&self.0).read(&mut bytes).is_ok_and(|count| count > 0) {}
    }
}

struct Keeper {
    handover: Handover,
    ledger: View<LedgerRegion>,
    /// Signals that ask for the end.
    ends: Signals,
    /// Signals that tell of deaths.
    deaths: Signals,
    /// For starting a supervisor when nothing else is left.
    spare: Spare,
    back_off: BackOff,
    supervisor: Option<Supervisor>,
    end_asked: bool,
    /// How the last supervisor ended, once there shall be no other.
    over: Option<Exit>,
}

struct Supervisor {
    process: Child,
    since_ns: u64,
    /// When it was looked at last, at which turn it was found, and how often in a row.
    looked_ns: u64,
    turn_ns: u64,
    stuck: u32,
}

impl Keeper {
    fn keep(&mut self) -> std::io::Result<Exit> {
        self.start_supervisor()?;
        loop {
            if let Some(exit) = self.over {
                self.end_all();
                return Ok(exit);
            }
            let mut ready = [false; 2];
            let fds = [self.ends.0.as_fd(), self.deaths.0.as_fd()];
            poll_readable(&fds, &mut ready, Some(self.time_to_sleep()));
            if ready[0] {
                self.ends.clear();
                self.ask_for_end();
            }
            if ready[1] {
                self.deaths.clear();
            }
            self.reap();
            self.dismiss();
            if let Some((signal, sender)) = outside::take_unminded() {
                let name = child::signal_name(signal);
                tracing::warn!("process {sender} has sent the keeper {name}, which ends nothing");
            }
            let now_ns = clock::monotonic_ns();
            self.look_for_progress(now_ns);
            if self.supervisor.is_none() && self.over.is_none() && self.back_off.permits(now_ns) {
                self.start_another(now_ns);
            }
        }
    }

    fn time_to_sleep(&self) -> Duration {
        let is_there = self.supervisor.is_some();
        if is_there { Duration::from_nanos(LOOK_NS) } else { Duration::from_millis(1) }
    }

    /// A supervisor that hangs is ended. It is counted in looks, not in time, so that nobody is blamed whom the
    /// whole machine did not run.
    fn look_for_progress(&mut self, now_ns: u64) {
        let roster = &self.ledger.roster;
        let is_playing = roster.playing.load(Ordering::Acquire) != 0;
        let Some(supervisor) = &mut self.supervisor else { return };
        if now_ns < supervisor.looked_ns + LOOK_NS {
            return;
        }
        let turn_ns = roster.turned_at_ns.load(Ordering::Acquire);
        let is_stuck = is_playing && !self.end_asked && turn_ns == supervisor.turn_ns;
        supervisor.stuck = if is_stuck { supervisor.stuck + 1 } else { 0 };
        (supervisor.looked_ns, supervisor.turn_ns) = (now_ns, turn_ns);
        if supervisor.stuck >= STUCK_LOOKS {
            supervisor.stuck = 0;
            tracing::error!("the supervisor stands still; it is ended");
            supervisor.process.kill();
        }
    }

    /// Whatever is short now may not be in a moment: it is tried again and again, and the workers wait.
    fn start_another(&mut self, now_ns: u64) {
        if let Err(error) = self.start_supervisor() {
            let retry_ns = self.back_off.fork_failed(now_ns);
            tracing::error!(
                "no supervisor can be started ({error}): there is no sound until one can; the next attempt is in {} ms",
                retry_ns / 1_000_000
            );
        }
    }

    fn start_supervisor(&mut self) -> std::io::Result<()> {
        let line = command_line(std::env::args_os().skip(1));
        let Self { handover, spare, .. } = self;
        let process =
            spare.open(SPAWN_DESCRIPTORS, || spawn::spawn_child(&line, &handover.descriptors()))?;
        self.ledger.keeper.lives.fetch_add(1, Ordering::Release);
        let since_ns = clock::monotonic_ns();
        let looked_ns = since_ns;
        self.supervisor = Some(Supervisor { process, since_ns, looked_ns, turn_ns: 0, stuck: 0 });
        Ok(())
    }

    fn ask_for_end(&mut self) {
        self.end_asked = true;
        match &self.supervisor {
            Some(supervisor) => {
                let terminate = signal_number("TERM").unwrap_or(SIGTERM);
                let _ = supervisor.process.signal(terminate);
            }
            None => self.over = Some(Exit::Status(0)),
        }
        service::stopping();
    }

    /// Reaps all who have died. Each worker gets an exit record, which the supervisor waits for.
    fn reap(&mut self) {
        let mut any = false;
        while let Some((pid, exit)) = child::reap_any() {
            let ours = self.supervisor.take_if(|supervisor| supervisor.process.pid() == pid);
            if let Some(supervisor) = ours {
                self.mourn(&supervisor, exit);
                continue;
            }
            let cause = match exit {
                Exit::Status(status) => Ok(status),
                Exit::Signal(signal) => Err(signal),
            };
            self.ledger.keeper.record_exit(ExitRecord { pid, cause });
            any = true;
        }
        if any {
            self.handover.notifier.raise();
        }
    }

    /// Ends a child that the supervisor can't hold. Its number is nobody else's before it is reaped, which is done here.
    fn dismiss(&self) {
        let pid = self.ledger.keeper.dismissed.swap(0, Ordering::AcqRel);
        let is_supervisor = self.supervisor.as_ref().is_some_and(|it| it.process.pid() == pid);
        if pid != 0 && !is_supervisor {
            child::kill_own(pid);
        }
    }

    /// Ends whoever is left.
    fn end_all(&self) {
        let children = || self.handover.children.list().unwrap_or_default();
        while let Some(child) = children().into_iter().find_map(|pid| Child::open(pid).ok()) {
            child.kill();
            let _ = child.reap();
        }
    }

    /// The supervisor is gone: in order, or else there must be another.
    fn mourn(&mut self, supervisor: &Supervisor, exit: Exit) {
        let has_played = self.ledger.roster.playing.load(Ordering::Acquire) != 0;
        let has_ended = exit == Exit::Status(0) || !has_played && !matches!(exit, Exit::Signal(_));
        if self.end_asked || has_ended {
            self.over = Some(exit);
            return;
        }
        let now_ns = clock::monotonic_ns();
        self.ledger.keeper.died_at_ns.store(now_ns, Ordering::Release);
        if now_ns - supervisor.since_ns >= CHILDHOOD_NS {
            self.back_off = BackOff::default();
        }
        let death = match exit {
            _ if !exit.is_own_doing() => Death::Killed,
            Exit::Signal(signal) => Death::OfItself(Cause::Signal(signal)),
            Exit::Status(status) => Death::OfItself(Cause::Status(status)),
        };
        let delay_ns = self.back_off.died_young(now_ns, death);
        tracing::error!(
            "the supervisor (process {}) {exit}; another takes over{}",
            supervisor.process.pid(),
            if delay_ns == 0 {
                String::new()
            } else {
                format!(" in {} ms, since they die young", delay_ns / 1_000_000)
            }
        );
    }
}

/// The command line of a supervisor: what the player has asked for, and who its keeper is.
fn command_line(mut ours: impl Iterator<Item = OsString>) -> Vec<OsString> {
    // The word `run`.
    let _ = ours.next();
    let head = ["supervisor".into(), format!("--keeper={}", std::process::id()).into()];
    head.into_iter().chain(ours).collect()
}
