//! Messages to people, on their way to standard error.
//!
//! Each thread writes its lines into a ring of bytes of its own, and a thread without any priority takes them to
//! standard error. So whoever has something to say is held up by nothing: not by a terminal that was halted, a
//! pipe that nobody reads or a full disk, and not by another thread that it has interrupted. What finds no
//! room is lost, counted, and told once there is room again.

use std::cell::RefCell;
use std::env;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use chronus_control::shortened;
use rtrb::{Consumer, Producer, RingBuffer};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What one thread may have waiting: some hundred lines.
const RING_BYTES: usize = 64 << 10;
/// Before each line in a ring: its number, by which the lines of all threads come in order, and its length.
const HEAD_BYTES: usize = 16;
/// At the end, what is left is written if that takes no longer.
const END_WITHIN: Duration = Duration::from_secs(1);

/// Lines that were lost, of this process.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Where the lines of this process go in.
static SHARED: OnceLock<Arc<Shared>> = OnceLock::new();

/// How many lines could not be written so far.
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// So many of something: "1 cable", "2 cables".
pub fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Messages go to standard error from now on; `CHRONUS_LOG=debug` shows more of them. What is left is written
/// when the guard is dropped.
pub fn start() -> Guard {
    let (filter, wrong) = filter(env::var("CHRONUS_LOG").ok().as_deref());
    let (lines, guard) = to(io::stderr(), &LOST);
    let _ = SHARED.set(lines.shared.clone());
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(lines)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry().with(layer).with(filter).init();
    // Else a thread that panics, even if that is caught, would wait for standard error by itself.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    if let Some(wrong) = wrong {
        tracing::warn!("{wrong}");
    }
    guard
}

/// What is shown: what `wanted` says, such as `debug` or `warn,chronus=debug`, or the usual lines, and what is wrong
/// with it.
fn filter(wanted: Option<&str>) -> (Targets, Option<String>) {
    const USUAL: &str = "warn,chronus=info,chronus_output=info,symphonia=off";
    match wanted.map(str::parse) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => {
            let wrong = format!(
                "CHRONUS_LOG has no meaning ({error}), so the usual lines are shown: it takes \
                 off, error, warn, info, debug or trace, also for a part: warn,chronus=debug"
            );
            (USUAL.parse().expect("the usual lines"), Some(wrong))
        }
        None => (USUAL.parse().expect("the usual lines"), None),
    }
}

/// Makes room for the lines of the calling thread before it has any. The first to do so takes a lock, for which a thread
/// with a priority should not wait later.
pub fn attend() {
    if let Some(shared) = SHARED.get() {
        let _ = RING.try_with(|ring| {
            if let Ok(mut ring) = ring.try_borrow_mut() {
                ring.get_or_insert_with(|| shared.new_ring());
            }
        });
    }
}

/// Lines for `out`, and the guard of the thread that writes them.
fn to(out: impl Write + Send + 'static, lost: &'static AtomicU64) -> (Lines, Guard) {
    let shared = Arc::new(Shared {
        rings: Mutex::default(),
        next: AtomicU64::new(0),
        lost,
        ending: AtomicBool::new(false),
    });
    let scribe = Scribe { shared: shared.clone(), out, rings: Vec::new(), told: 0 };
    let spawned = std::thread::Builder::new().name("log".into()).spawn(move || scribe.write_all());
    let thread = spawned.ok();
    let wake = thread.as_ref().map(|thread| thread.thread().clone());
    (Lines { shared: shared.clone(), wake }, Guard { shared, thread })
}

#[derive(Debug)]
struct Shared {
    /// Rings of threads that have only just begun to say something.
    rings: Mutex<Vec<Consumer<u8>>>,
    next: AtomicU64,
    lost: &'static AtomicU64,
    ending: AtomicBool,
}

thread_local! {
    static RING: RefCell<Option<Producer<u8>>> = const { RefCell::new(None) };
}

/// Where the lines of all threads go in.
#[derive(Clone, Debug)]
struct Lines {
    shared: Arc<Shared>,
    wake: Option<Thread>,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

/// Takes one line, which comes in one piece.
struct Line<'a>(&'a Lines);

impl Write for Line<'_> {
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        let Lines { shared, wake } = self.0;
        let line = readable(written);
        let taken = RING.try_with(|ring| {
            let mut ring = ring.try_borrow_mut().ok()?;
            let ring = ring.get_or_insert_with(|| shared.new_ring());
            let number = shared.next.fetch_add(1, Ordering::Relaxed).to_le_bytes();
            let length = (line.len() as u64).to_le_bytes();
            // A line is there whole or not at all, as the reader sees it.
            let chunk = ring.write_chunk_uninit(HEAD_BYTES + line.len()).ok()?;
            chunk.fill_from_iter(number.into_iter().chain(length).chain(line.iter().copied()));
            Some(())
        });
        if !matches!(taken, Ok(Some(()))) {
            shared.lost.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(thread) = wake {
            thread.unpark();
        }
        Ok(written.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line as people can read it, whoever made up the names in it, with its end.
fn readable(line: &[u8]) -> Vec<u8> {
    let line = String::from_utf8_lossy(line);
    let mut line = shortened(line.trim_end_matches('\n'));
    line.push('\n');
    line.into_bytes()
}

impl Shared {
    /// Only the first line of a thread comes here, where the writing thread is for moments only.
    fn new_ring(&self) -> Producer<u8> {
        let (producer, consumer) = RingBuffer::new(RING_BYTES);
        self.rings.lock().unwrap_or_else(PoisonError::into_inner).push(consumer);
        producer
    }
}

/// Ends the log when it is dropped.
pub struct Guard {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.shared.ending.store(true, Ordering::Release);
        thread.thread().unpark();
        let give_up = Instant::now() + END_WITHIN;
        while !thread.is_finished() && Instant::now() < give_up {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The thread that writes.
struct Scribe<W> {
    shared: Arc<Shared>,
    out: W,
    rings: Vec<Consumer<u8>>,
    /// Lost lines that have been told.
    told: u64,
}

impl<W: Write> Scribe<W> {
    fn write_all(mut self) {
        loop {
            let ending = self.shared.ending.load(Ordering::Acquire);
            let new = std::mem::take(
                &mut *self.shared.rings.lock().unwrap_or_else(PoisonError::into_inner),
            );
            self.rings.extend(new);
            // Read before the rings are emptied: a thread that has ended has said all.
            let over: Vec<bool> = self.rings.iter().map(Consumer::is_abandoned).collect();
            let mut lines: Vec<_> = self.rings.iter_mut().flat_map(lines_of).collect();
            lines.sort_by_key(|(number, _)| *number);
            for (_, line) in lines {
                self.write(&line);
            }
            let mut over = over.into_iter();
            self.rings.retain(|_| !over.next().unwrap_or(false));
            self.tell_lost();
            if ending {
                return;
            }
            std::thread::park();
        }
    }

    fn write(&mut self, line: &[u8]) {
        if self.out.write_all(line).and_then(|()| self.out.flush()).is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn tell_lost(&mut self) {
        let lost = self.shared.lost.load(Ordering::Relaxed);
        let more = lost - self.told;
        if more > 0 {
            let line =
                format!("{} missing here or hereabouts for want of room\n", counted(more, "line"));
            if self.out.write_all(line.as_bytes()).is_ok() {
                self.told = lost;
            }
        }
    }
}

/// All lines in a ring, each with its number.
fn lines_of(ring: &mut Consumer<u8>) -> Vec<(u64, Vec<u8>)> {
    let mut lines = Vec::new();
    let mut head = [0; HEAD_BYTES];
    while ring.pop_entire_slice(&mut head).is_ok() {
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| head[at + i]));
        let mut line = vec![0; number(8) as usize];
        if ring.pop_entire_slice(&mut line).is_err() {
            break;
        }
        lines.push((number(0), line));
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::sync::Condvar;

    use super::*;
    use crate::waiting::wait_until;

    /// A terminal that can be halted.
    #[derive(Clone, Default)]
    struct Terminal(Arc<(Mutex<Screen>, Condvar)>);

    #[derive(Default)]
    struct Screen {
        text: Vec<u8>,
        halted: bool,
        /// Somebody is held up by it.
        holds: bool,
        fails: bool,
    }

    impl Terminal {
        fn change(&self, change: impl FnOnce(&mut Screen)) {
            change(&mut self.0.0.lock().expect("lock"));
            self.0.1.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.0.lock().expect("lock").text.clone()).expect("text")
        }
    }

    impl Write for Terminal {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let mut screen = self.0.0.lock().expect("lock");
            screen.holds = screen.halted;
            let mut screen = self.0.1.wait_while(screen, |screen| screen.halted).expect("lock");
            if screen.fails {
                return Err(io::ErrorKind::StorageFull.into());
            }
            screen.text.extend(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Ends the log, and waits for what comes of it should that take longer.
    fn end(guard: Guard, terminal: &Terminal, is_there: impl Fn(&str) -> bool) {
        drop(guard);
        wait_until("all is written", || is_there(&terminal.text()));
    }

    fn log(terminal: &Terminal) -> (Lines, Guard, &'static AtomicU64) {
        let lost: &'static AtomicU64 = Box::leak(Box::default());
        let (lines, guard) = to(terminal.clone(), lost);
        (lines, guard, lost)
    }

    /// Says something on a thread of its own, as each thread has one ring.
    fn say(lines: &Lines, texts: Vec<String>) {
        let lines = lines.clone();
        let say = move || {
            for text in texts {
                lines.make_writer().write_all(text.as_bytes()).expect("never fails");
            }
        };
        std::thread::spawn(say).join().expect("said");
    }

    #[test]
    fn lines_of_all_threads_come_in_order() {
        let terminal = Terminal::default();
        let (lines, guard, lost) = log(&terminal);
        terminal.change(|screen| screen.halted = true);
        let said: Vec<String> = (0..50).map(|n| format!("line {n}\n")).collect();
        for text in &said {
            say(&lines, vec![text.clone()]);
        }
        terminal.change(|screen| screen.halted = false);
        end(guard, &terminal, |text| text.len() >= said.concat().len());
        assert_eq!((terminal.text(), lost.load(Ordering::Relaxed)), (said.concat(), 0));
    }

    #[test]
    fn a_line_stays_short_whatever_a_name_in_it() {
        let terminal = Terminal::default();
        let (lines, guard, _) = log(&terminal);
        let name = "take ".repeat(12_000);
        let told = format!("no recording: `{name}` leads out of the folder; give another name\n");
        say(&lines, vec![told, "the next\n".into()]);
        end(guard, &terminal, |text| text.ends_with("the next\n"));
        let text = terminal.text();
        assert!(text.starts_with("no recording: `take take"), "{text}");
        assert!(text.contains("…") && text.contains("give another name\nthe next\n"), "{text}");
        assert!(text.chars().count() < 300, "{text}");
    }

    #[test]
    fn a_terminal_that_is_halted_holds_nobody_up_and_what_is_lost_is_told() {
        let terminal = Terminal::default();
        let (lines, guard, lost) = log(&terminal);
        terminal.change(|screen| screen.halted = true);
        // From here on nothing is taken any more.
        say(&lines, vec!["first words\n".into()]);
        wait_until("the terminal holds it up", || terminal.0.0.lock().expect("lock").holds);
        let said: Vec<String> =
            (0..20_000).map(|n| format!("a line as long as most, {n}\n")).collect();
        say(&lines, said.clone());
        let lost = lost.load(Ordering::Relaxed) as usize;
        assert!(lost > 15_000, "memory is bounded: {lost} lost");
        terminal.change(|screen| screen.halted = false);
        let kept = format!("first words\n{}", said[..said.len() - lost].concat());
        let told = format!("{lost} lines missing here or hereabouts for want of room\n");
        end(guard, &terminal, |text| text.len() >= kept.len() + told.len());
        let text = terminal.text();
        assert!(text.replace(&told, "") == kept, "what was kept is whole and in order");
        assert_eq!(text.matches(&told).count(), 1);
    }

    #[test]
    fn a_full_disk_is_told_when_there_is_room_again() {
        let terminal = Terminal::default();
        let (lines, guard, lost) = log(&terminal);
        terminal.change(|screen| screen.fails = true);
        say(&lines, vec!["one\n".into(), "two\n".into()]);
        wait_until("both are lost", || lost.load(Ordering::Relaxed) == 2);
        terminal.change(|screen| screen.fails = false);
        say(&lines, vec!["three\n".into()]);
        let told = "2 lines missing here or hereabouts for want of room\n";
        end(guard, &terminal, |text| text.contains(told) && text.contains("three"));
        let text = terminal.text();
        assert!(text.contains("three\n") && text.contains(told), "{text}");
    }

    #[test]
    fn an_end_is_not_held_up_by_a_halted_terminal() {
        let terminal = Terminal::default();
        let (lines, guard, _) = log(&terminal);
        terminal.change(|screen| screen.halted = true);
        say(&lines, vec!["last words\n".into()]);
        // It would wait for ever.
        drop(guard);
        assert_eq!(terminal.text(), "");
        terminal.change(|screen| screen.halted = false);
    }
}
