//! Adapters that are processes of their own: they play, hear and see; whatever becomes of them, the sound goes on, and
//! whatever becomes of a supervisor, they go on.

#[allow(dead_code, reason = "here it is not a program of its own")]
#[path = "../examples/adapter.rs"]
mod adapter;
mod support;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use support::takes::{end_and_compare, kill_supervisor};
use support::{Engine, PATIENCE, is_alive, wait_until};

/// A sine that is heard through an envelope, and a meter of a circle that runs away once `level_b` of `circle` is 2.
const PATCH: &str = r#"
format = 1
[[module]]
id = "sine"
kind = "sine"
[[module]]
id = "adsr"
kind = "adsr"
[[module]]
id = "level"
kind = "meter"
[[cable]]
from = "sine.out"
to = "adsr.in"
[[module]]
id = "circle"
kind = "mix"
level_b = 0.0
[[cable]]
from = "sine.out"
to = "circle.a"
[[cable]]
from = "circle.out"
to = "circle.b"
[[cable]]
from = "circle.out"
to = "level.in"
[output]
left = "adsr.out"
right = "adsr.out"
"#;

/// Where the adapter finds what to do, and where it reports.
const ORDERS: &str = "CHRONUS_TEST_ORDERS";
const REPORT: &str = "CHRONUS_TEST_REPORT";

/// Not a test, but the adapter that the others start; without an engine it does nothing.
#[test]
fn the_adapter() {
    if let (Ok(orders), Ok(report)) = (std::env::var(ORDERS), std::env::var(REPORT)) {
        adapter::run(&orders, &report).expect("an engine");
    }
}

/// An engine with the small adapter of the examples.
struct Pair {
    engine: Engine,
    _files: tempfile::TempDir,
    orders: PathBuf,
    report: PathBuf,
}

impl Pair {
    #[track_caller]
    fn start(grants: &str, arguments: &[&str]) -> Self {
        let files = tempfile::tempdir().expect("a folder");
        let at = |name: &str| files.path().join(name);
        let (orders, report, patch) = (at("orders"), at("report"), at("p.toml"));
        fs::write(&orders, "").expect("written");
        fs::write(&patch, PATCH).expect("written");
        // The adapter is this program once more, of which it runs the one test that is none.
        let program = std::env::current_exe().expect("a program").display().to_string();
        let adapter = format!("{grants}:{program} --exact the_adapter --nocapture");
        let patch = patch.display().to_string();
        let always = ["--adapter", &adapter, "--patch", &patch];
        let names = [&orders, &report].map(|name| name.display().to_string());
        let environment = [(ORDERS, names[0].as_str()), (REPORT, &names[1])];
        let all = [&["--output", "wav:a.wav", "--lead", "48"], &always[..], arguments].concat();
        let engine = Engine::launch(&all, &environment, None);
        Self { engine, _files: files, orders, report }
    }

    fn said(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.report).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until the adapter has reported so many lines that begin so, and returns the last.
    #[track_caller]
    fn wait_for(&self, beginning: &str, count: usize) -> String {
        let began = Instant::now();
        loop {
            let found: Vec<_> =
                self.said().into_iter().filter(|line| line.starts_with(beginning)).collect();
            if found.len() >= count {
                return found[count - 1].clone();
            }
            let waited = began.elapsed();
            assert!(waited < PATIENCE, "{:#?}\nlog:\n{}", self.said(), self.engine.log());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Has the adapter do something; what it says of it.
    #[track_caller]
    fn order(&self, line: &str) -> String {
        let beginning = format!("did {line}");
        let before = self.said().iter().filter(|said| said.starts_with(&beginning)).count();
        let mut orders = OpenOptions::new().append(true).open(&self.orders).expect("a file");
        writeln!(orders, "{line}").expect("written");
        let said = self.wait_for(&beginning, before + 1);
        said[beginning.len()..].trim_start_matches(": ").to_owned()
    }

    /// The process of the adapter, once so many have begun.
    #[track_caller]
    fn process(&self, begun: usize) -> u32 {
        let line = self.wait_for("begun ", begun);
        line["begun ".len()..].parse().expect("a number")
    }
}

#[test]
fn an_adapter_plays_hears_what_is_played_and_may_only_what_was_granted() {
    let pair = Pair::start("play", &[]);
    assert!(pair.order("set sine freq 523.25").starts_with("ordered "));
    assert!(pair.order("gate adsr on").starts_with("ordered "));
    let tree = || pair.order("tree sine freq");
    wait_until("the tree has the new value", || tree() == "523.25 Hz");
    assert!(pair.order("set sien freq 1").starts_with("failed there is no module `sien`; did you"));
    assert!(pair.order("kill").contains("may not cause faults"));
    assert!(pair.order("set sine gain 9").starts_with("ordered "), "clamped, and then ordered");
    // What anybody sets is told, with its author; events are not, for nobody asked for them.
    assert_eq!(pair.order("watch"), "done ");
    pair.engine.send("/mod/sine/freq", &["660"]);
    let change = pair.wait_for("event ", 1);
    assert!(change.starts_with("event changed sine | freq | 660 | "), "{change}");
    assert!(change.contains("| OSC from 127.0.0.1:"), "{change}");
    assert!(pair.order("gate adsr on").starts_with("ordered "));
    let change = pair.wait_for("event ", 2);
    assert!(change.starts_with("event changed adsr | gate | 1 | "), "{change}");
    assert!(change.ends_with("| client 1 of `example`"), "{change}");
    // A process that is not run for a moment misses blocks; then it listens again.
    let (first, sum) = loop {
        let frames = pair.engine.status()["frames"].as_u64().expect("frames");
        let first = frames / 64 + 20;
        let said = pair.order(&format!("hear {first} 40"));
        if let Some(sum) = said.strip_prefix("sum ") {
            break (first, sum.parse::<u64>().expect("a number"));
        }
    };
    assert!(pair.order("meter level").starts_with("Some(["), "{:?}", pair.said());
    pair.engine.play_on(100);
    let (_engine, rendered) = pair.engine.end_and_render();
    let blocks = &rendered[first as usize * 128..(first as usize + 40) * 128];
    let add = |sum: u64, sample: &f32| sum.wrapping_mul(31).wrapping_add(sample.to_bits().into());
    assert_eq!(blocks.iter().fold(0, add), sum, "what it heard is what the journal gives");
    assert!(blocks.iter().any(|sample| *sample != 0.0));
}

#[test]
fn adapters_that_are_killed_begin_anew_and_those_of_a_dead_supervisor_go_on() {
    let pair = Pair::start("play,edit,chaos", &[]);
    let first = pair.process(1);
    assert!(pair.order("gate adsr on").starts_with("ordered "));
    let child = pair.order("start");
    let child = child.strip_prefix("started ").and_then(|pid| pid.parse().ok()).expect("a process");
    assert!(is_alive(child));
    Engine::signal(first, "KILL");
    let second = pair.process(2);
    assert_ne!(first, second);
    wait_until("what it had started ends with it", || !is_alive(child));
    assert!(pair.order("set sine freq 300").starts_with("ordered "));
    assert_eq!(pair.order("crash"), "");
    let third = pair.process(3);
    assert_eq!(pair.order("listen"), "done ");
    kill_supervisor(&pair.engine);
    // What was asked while nobody listened may be lost; the process is the same.
    wait_until("an answer of the next supervisor", || {
        pair.order("set sine freq 400").starts_with("ordered ")
    });
    assert_eq!(pair.process(3), third);
    assert_eq!(pair.said().iter().filter(|line| line.starts_with("begun")).count(), 3);
    // Whoever listened to the supervisor before is told by this one, too.
    assert!(pair.order("set circle level_b 2").starts_with("ordered "));
    // The meter may be found first, since it guesses what lies between two frames.
    let bypass = pair.wait_for("event ", 1);
    assert!(bypass.starts_with("event bypass "), "{bypass}");
    assert!(bypass.ends_with(" | ran away in level"), "{bypass}");
    assert_eq!(pair.order("kill"), "done ");
    pair.engine.wait_level();
    let (_engine, _) = end_and_compare(pair.engine, 1);
}

#[test]
fn a_program_that_is_not_there_costs_nothing_but_lines_in_the_log() {
    let engine = Engine::free_running(&["--adapter", "play:/nowhere/adapter"]);
    engine.wait_for_log("the adapter /nowhere/adapter can't be started");
    engine.play_on(200);
    let comparison = engine.end_and_compare();
    assert!(comparison.different.is_empty());
}
