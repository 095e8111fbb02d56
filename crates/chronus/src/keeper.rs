//! The keeper: `chronus run` itself. It makes the estate, is the parent of the supervisor and of all workers,
//! reaps them, and starts another supervisor when one dies. It does nothing else, so that there is nothing in
//! it that could go wrong: one thread that sleeps, no device, no file, no message.

use std::error::Error;
use std::ffi::OsString;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chronus_os::child::{self, Child, Exit, signal_number};
use chronus_os::wake::poll_readable;
use chronus_os::{clock, process_title, sched, spawn};
use chronus_replication::blame::Cause;
use chronus_replication::restart::{BackOff, Death};
use chronus_shm::ledger::{LedgerRegion, Obituary};
use chronus_shm::region::{View, Whole};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

use crate::cli::RunArgs;
use crate::client::osc_address;
use crate::estate::Estate;

/// A supervisor that has lived for so long did not die young.
const CHILDHOOD_NS: u64 = 2_000_000_000;

/// Plays until it is told to end.
///
/// # Errors
/// Whatever keeps it from starting, as a sentence.
pub fn run(args: &RunArgs) -> Result<ExitCode, Box<dyn Error>> {
    process_title::name_thread("chronus-keeper");
    let estate = Estate::create(osc_address(args.osc)?)?;
    let ends = Signals::catch(&[SIGTERM, SIGINT, SIGHUP])?;
    let deaths = Signals::catch(&[SIGCHLD])?;
    if !args.free_run {
        // Whoever waits for the dead holds up the living. What it starts does not inherit this.
        let _ = sched::set_fifo_for_self(sched::priority::KEEPER);
    }
    let ledger = LedgerRegion::map(&estate.ledger)?;
    ledger.keeper.began_at_ns.store(clock::monotonic_ns(), Ordering::Release);
    let mut keeper = Keeper {
        ledger,
        estate,
        ends,
        deaths,
        back_off: BackOff::default(),
        supervisor: None,
        end_asked: false,
        over: None,
    };
    let exit = keeper.keep()?;
    Ok(match exit {
        Exit::Status(status) => ExitCode::from(status as u8),
        Exit::Signal(_) => ExitCode::FAILURE,
    })
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
    estate: Estate,
    ledger: View<LedgerRegion>,
    /// Signals that ask for the end.
    ends: Signals,
    /// Signals that tell of deaths.
    deaths: Signals,
    back_off: BackOff,
    supervisor: Option<Supervisor>,
    end_asked: bool,
    /// How the last supervisor ended, once there shall be no other.
    over: Option<Exit>,
}

struct Supervisor {
    process: Child,
    since_ns: u64,
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
            poll_readable(&fds, &mut ready, self.time_to_sleep());
            if ready[0] {
                self.ends.clear();
                self.ask_for_end();
            }
            if ready[1] {
                self.deaths.clear();
            }
            self.reap();
            let now_ns = clock::monotonic_ns();
            if self.supervisor.is_none() && self.over.is_none() && self.back_off.permits(now_ns) {
                self.start_supervisor()?;
            }
        }
    }

    fn time_to_sleep(&self) -> Option<Duration> {
        self.supervisor.is_none().then_some(Duration::from_millis(1))
    }

    fn start_supervisor(&mut self) -> std::io::Result<()> {
        let line = command_line(std::env::args_os().skip(1));
        self.ledger.keeper.lives.fetch_add(1, Ordering::Release);
        let process = spawn::spawn_child(&line, &self.estate.hand_over())?;
        self.supervisor = Some(Supervisor { process, since_ns: clock::monotonic_ns() });
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
    }

    /// Reaps all who have died. Each worker gets an obituary, which the supervisor waits for.
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
            self.ledger.keeper.bury(Obituary { pid, cause });
            any = true;
        }
        if any {
            self.estate.kick.raise();
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

    /// Ends whoever is left.
    fn end_all(&mut self) {
        let children = || child::children_of(std::process::id()).unwrap_or_default();
        while let Some(child) = children().into_iter().find_map(|pid| Child::open(pid).ok()) {
            child.kill();
            let _ = child.reap();
        }
    }
}

/// The command line of a supervisor: what the player has asked for, and who its keeper is.
fn command_line(mut ours: impl Iterator<Item = OsString>) -> Vec<OsString> {
    // The word `run`.
    let _ = ours.next();
    let head = ["supervisor".into(), format!("--keeper={}", std::process::id()).into()];
    head.into_iter().chain(ours).collect()
}
