//! A small adapter, for tests and to begin from: it does what lines in a file say, and writes what came of it into another.
//!
//! `adapter ORDERS REPORT` reads lines of ORDERS as they come: `set MODULE PARAM VALUE`, `gate MODULE on`, `tree MODULE PARAM`,
//! `kill` (a fault), `listen` (to events), `watch` (changes), `start` (a program of its own), `meter MODULE`, `hear FIRST COUNT` (sums up blocks as they were played), `crash`. It reports a line for each.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::time::{Duration, Instant};

use chronus_adapter::{Engine, News};
use chronus_control::{Chaos, Reply, Request, Target, Value};
use chronus_engine::patch::Setting;

const WITHIN: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(10);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [orders, report] = &arguments[..] else { return Err("give ORDERS and REPORT".into()) };
    run(orders, report)
}

/// Does what the lines say, until it is ended.
///
/// # Errors
/// If there is no engine, or if a file can't be read or written.
pub fn run(orders: &str, report_name: &str) -> Result<(), Box<dyn Error>> {
    let mut engine = Engine::connect("example", Duration::from_secs(10))?;
    let mut report = OpenOptions::new().create(true).append(true).open(report_name)?;
    writeln!(report, "begun {}", std::process::id())?;
    let mut orders = BufReader::new(File::open(orders)?);
    // Those of a process before this one are done.
    let mut line = String::new();
    let done = std::fs::read_to_string(report_name)?;
    for _ in 0..done.lines().filter(|line| line.starts_with("did ")).count() {
        orders.read_line(&mut line)?;
    }
    loop {
        line.clear();
        if orders.read_line(&mut line)? == 0 || !line.ends_with('\n') {
            if let Some(News::Event { event, .. }) = engine.next(LOOK)? {
                let said: Vec<_> = event.values().iter().map(said).collect();
                writeln!(report, "event {} {}", event.name(), said.join(" | "))?;
            }
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        if words == ["crash"] {
            writeln!(report, "did crash")?;
            std::process::abort();
        }
        let said = obey(&mut engine, &words).unwrap_or_else(|error| format!("error: {error}"));
        writeln!(report, "did {}: {said}", words.join(" "))?;
    }
}

fn said(value: &Value) -> String {
    match value {
        Value::Count(count) => count.to_string(),
        Value::Figure(figure) => figure.to_string(),
        Value::Text(text) => text.clone(),
    }
}

fn obey(engine: &mut Engine, words: &[&str]) -> Result<String, Box<dyn Error>> {
    let request = match words {
        ["set", module, param, value] => Request::Set {
            module: (*module).into(),
            param: (*param).into(),
            value: value.parse().map_or_else(|_| Setting::Text((*value).into()), Setting::Number),
        },
        ["gate", module, on] => Request::Gate { module: (*module).into(), on: *on == "on" },
        ["kill"] => Request::Chaos(Chaos::Kill { target: Target::Primary, signal: 9 }),
        ["listen"] => Request::Events(true),
        ["watch"] => Request::Changes(true),
        ["tree", module, param] => {
            let Reply::Tree(tree) = engine.ask(1, Request::Tree, WITHIN)? else {
                return Err("no tree".into());
            };
            let found = tree.module(module).and_then(|module| module.parameter(param));
            let found = found.ok_or("no such parameter")?;
            return Ok(format!("{} {}", found.value, found.unit));
        }
        ["meter", module] => {
            let Reply::Tree(tree) = engine.ask(1, Request::Tree, WITHIN)? else {
                return Err("no tree".into());
            };
            let handle = tree.module(module).ok_or("no such module")?.handle;
            return Ok(format!("{:?}", engine.listening().meters(handle)));
        }
        ["start"] => {
            let child = std::process::Command::new("sleep").arg("1000").spawn()?;
            return Ok(format!("started {}", child.id()));
        }
        ["hear", first, count] => return hear(engine, first.parse()?, count.parse()?),
        _ => return Err("an order that nobody knows".into()),
    };
    Ok(match engine.ask(1, request, WITHIN)? {
        Reply::Ordered(frame) => format!("ordered {frame}"),
        Reply::Done(told) => format!("done {told}"),
        Reply::Failed(why) => format!("failed {why}"),
        other => format!("{other:?}"),
    })
}

/// Waits for blocks as they are played, and tells a sum of all bits, as the test works it out of what was recorded.
fn hear(engine: &Engine, first: u64, count: u64) -> Result<String, Box<dyn Error>> {
    let until = Instant::now() + WITHIN;
    let (mut sum, mut block) = (0_u64, [0.0; 128]);
    for number in first..first + count {
        while engine.listening().next_block() <= number {
            if Instant::now() > until {
                return Err("nothing is played".into());
            }
            std::thread::yield_now();
        }
        if !engine.listening().block(number, &mut block) {
            return Err(format!("block {number} is not there any more").into());
        }
        for sample in block {
            sum = sum.wrapping_mul(31).wrapping_add(u64::from(sample.to_bits()));
        }
    }
    Ok(format!("sum {sum}"))
}
