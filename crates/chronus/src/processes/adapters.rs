//! Adapters as the keeper sees them: programs that it starts, and starts again when they end. Each has one end of a socket
//! as its standard input; the other is handed from supervisor to supervisor. Nothing of the sound depends on them.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chronus_control::Capabilities;
use chronus_os::packets;
use chronus_os::spawn::{kill_group, spawn_program};

use crate::log::counted;

/// An adapter that has run for so long has begun well.
const CHILDHOOD: Duration = Duration::from_secs(2);
/// Whether one has ended is looked at this often.
const LOOK: Duration = Duration::from_millis(20);
/// One that ends early is started again at once so often; then ever more slowly.
const FORGIVEN: u32 = 3;
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// So many lines in a row are told of one program.
const AT_ONCE: u32 = 3;
/// Then one after so long.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// A program to start, and what its clients may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterSpec {
    /// What is granted, as it was typed.
    grants: String,
    may: Capabilities,
    program: OsString,
    arguments: Vec<OsString>,
}

impl AdapterSpec {
    /// What its clients may do.
    pub fn may(&self) -> Capabilities {
        self.may
    }
}

impl FromStr for AdapterSpec {
    type Err = String;

    /// `GRANTS:PROGRAM [ARGUMENT …]`, as in `play,edit:/usr/lib/chronus/page --port 8000`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parted = text.split_once(':');
        let (grants, line) = parted.ok_or("give GRANTS:PROGRAM, as in play,edit:/usr/bin/page")?;
        let may = Capabilities::parse(grants)?;
        let mut words = line.split_whitespace().map(OsString::from);
        let program = words.next().ok_or("the program is missing; give GRANTS:PROGRAM")?;
        Ok(Self { grants: grants.to_owned(), may, program, arguments: words.collect() })
    }
}

impl fmt::Display for AdapterSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.grants, self.program.display())?;
        self.arguments.iter().try_for_each(|word| write!(f, " {}", word.display()))
    }
}

/// Programs that run as long as the keeper does.
#[derive(Debug)]
pub struct Tended {
    threads: Vec<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
}

/// The sockets of adapters: the ends for supervisors, and those for the programs.
///
/// # Errors
/// Out of descriptors.
pub fn sockets(specs: &[AdapterSpec]) -> io::Result<(Vec<OwnedFd>, Vec<OwnedFd>)> {
    let pairs: Vec<_> = specs.iter().map(|_| packets::pair()).collect::<io::Result<_>>()?;
    Ok(pairs.into_iter().unzip())
}

/// Starts each program, by a thread of its own that starts it again when it ends. They are children of these threads, so the
/// keeper's list of workers has none of them.
///
/// # Errors
/// As the system says.
pub fn tend(specs: &[AdapterSpec], sockets: Vec<OwnedFd>) -> io::Result<Tended> {
    let is_over = Arc::<AtomicBool>::default();
    let mut threads = Vec::new();
    for (spec, socket) in specs.iter().cloned().zip(sockets) {
        let is_over = is_over.clone();
        let thread = std::thread::Builder::new().name("chronus-adapter".into());
        threads.push(thread.spawn(move || keep_going(&spec, &socket, &is_over))?);
    }
    Ok(Tended { threads, is_over })
}

impl Tended {
    /// Ends all.
    pub fn finish(self) {
        self.is_over.store(true, Ordering::Release);
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

fn keep_going(spec: &AdapterSpec, socket: &OwnedFd, is_over: &AtomicBool) {
    crate::log::attend();
    let (mut failures, mut lines) = (0, Lines::default());
    while !is_over.load(Ordering::Acquire) {
        let began = Instant::now();
        let started = socket
            .try_clone()
            .and_then(|socket| spawn_program(&spec.program, &spec.arguments, socket));
        let why = match started {
            Ok(mut child) => {
                let ended = wait(&mut child, is_over);
                // What it has started itself goes with it.
                kill_group(&child);
                let Some(status) = ended else { return };
                format!("ended ({status})")
            }
            Err(error) => format!(
                "can't be started ({error}); give the path of a program that may be executed"
            ),
        };
        failures = if began.elapsed() >= CHILDHOOD { 0 } else { failures + 1 };
        lines.tell(&spec.program.display().to_string(), &why);
        let delay = delay_after(failures);
        let until = Instant::now() + delay;
        while Instant::now() < until && !is_over.load(Ordering::Acquire) {
            std::thread::sleep(LOOK.min(delay));
        }
    }
}

/// How long to wait before a program is started again that has failed so often in a row.
fn delay_after(failures: u32) -> Duration {
    match failures.checked_sub(FORGIVEN) {
        None => Duration::ZERO,
        Some(more) => (FIRST_DELAY * 2_u32.pow(more.min(16))).min(LONGEST_DELAY),
    }
}

/// What was told of a program: a few lines at once, then one a minute with the number of those left out.
#[derive(Default)]
struct Lines {
    told: u32,
    untold: u32,
    last: Option<Instant>,
}

impl Lines {
    fn tell(&mut self, program: &str, why: &str) {
        let is_due = self.last.is_none_or(|last| last.elapsed() >= TELL_EVERY);
        if is_due {
            self.told = 0;
        }
        if self.told == AT_ONCE {
            self.untold += 1;
            return;
        }
        self.told += 1;
        self.last = Some(Instant::now());
        let more = match std::mem::take(&mut self.untold) {
            0 => String::new(),
            more => format!(" (and {} before that)", counted(u64::from(more), "more time")),
        };
        tracing::warn!("the adapter {program} {why}; it is started again{more}");
    }
}

/// Waits until a program ends by itself, and says how; `None` if it was ended because all is over.
fn wait(child: &mut std::process::Child, is_over: &AtomicBool) -> Option<String> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.to_string()),
            Ok(None) => {}
            Err(error) => return Some(error.to_string()),
        }
        if is_over.load(Ordering::Acquire) {
            kill_group(child);
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_again_and_again_is_started_ever_more_slowly() {
        let delays: Vec<_> = (0..12).map(|failures| delay_after(failures).as_millis()).collect();
        assert_eq!(delays[..6], [0, 0, 0, 100, 200, 400]);
        assert_eq!(delays[11], 10_000);
        let mut lines = Lines::default();
        for _ in 0..10 {
            lines.tell("x", "ended");
        }
        assert_eq!((lines.told, lines.untold), (AT_ONCE, 7));
    }

    #[test]
    fn adapters_are_read_as_typed_and_mistakes_are_told() {
        let spec: AdapterSpec = "play,edit:/bin/page --port 8000".parse().expect("an adapter");
        assert_eq!((spec.arguments.len(), spec.may.chaos), (2, false));
        assert_eq!(spec.to_string(), "play,edit:/bin/page --port 8000");
        for (text, says) in
            [("page", "GRANTS:PROGRAM"), ("play:", "program is missing"), ("x:page", "granted")]
        {
            let error = text.parse::<AdapterSpec>().expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
