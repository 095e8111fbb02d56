//! `cargo xtask bench osc`: sends gates at random instants to a real engine in real time, and compares each instant with
//! the frame at which the sound of the gate begins.
//!
//! The device is a WAV file, paced by the system clock as a sound card is by its crystal. Both ends are on the monotonic
//! clock. A gate is *sent* between the two readings around the call that sends it. It *sounds* when the device's clock is
//! at the frame for which the journal has it; that the file has the journal's sound, frame for frame, is compared
//! afterwards. The device's clock is taken from its own callbacks, sampled meanwhile: a callback is never early,
//! so the earliest of each stretch without a slip tells when its frames are due. What a sound card and its server add to
//! this is constant.

use std::error::Error;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chronus_engine::Command;
use chronus_journal::Journal;
use chronus_os::{clock, sched};
use chronus_osc::{OscType, message};
use chronus_shm::ledger::LedgerRegion;
use chronus_shm::playback_board::Callback;
use chronus_shm::region::View;
use clap::Args;
use comfy_table::{Table, presets};
use serde_json::Value;

use crate::engine::Engine;
use crate::noise::Beside;

/// Before anything that is measured, so that it is never what is late; the noise is above it.
const SENDER_PRIORITY: u8 = 98;
/// The callbacks of the device are looked at this often.
const LOOK: Duration = Duration::from_micros(500);
/// The engine plays for so long before the first gate.
const SETTLE: Duration = Duration::from_secs(5);
/// Of the gates, 99 in 100 shall be this close to the median, and all of them as close as the other.
const MOST_MS: f64 = 0.1;
const ALL_MS: f64 = 1.0;

/// What is sent.
#[derive(Args)]
pub struct Osc {
    /// How many gates
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(100..))]
    gates: u64,
    /// How many of them a second, on average
    #[arg(long, default_value_t = 30.0)]
    per_second: f64,
    /// How far the workers are ahead of the device
    #[arg(long, default_value = "8")]
    lead: String,
    /// The seed of the instants
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    beside: Beside,
}

/// The monotonic clock right before and right after a gate was sent, in nanoseconds.
type Sent = (u64, u64);

/// What was found in one run.
struct Run {
    sent: usize,
    /// Gates at frames of their own.
    apart: usize,
    /// From the sending to the sound, in milliseconds, the least and the most that it can have been.
    delays_ms: Vec<(f64, f64)>,
    /// How long before it was sent the device's clock had slipped, if it had, in milliseconds.
    slipped_before_ms: Vec<Option<f64>>,
    status: Value,
    compared: u64,
    different: usize,
}

/// Measures beside the noise that is asked for, and without any; whether the figures were reached in both.
pub fn bench(osc: &Osc) -> Result<bool, Box<dyn Error>> {
    if !(osc.per_second > 0.0 && osc.per_second <= 200.0) {
        return Err(format!("{} gates a second: say more than 0, up to 200", osc.per_second).into());
    }
    crate::build()?;
    let mut runs = vec![("undisturbed", play(osc)?)];
    if let Some(noise) = osc.beside.start()? {
        runs.insert(0, ("beside noise", play(osc)?));
        drop(noise);
    }
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header([&[""][..], &runs.iter().map(|(name, _)| *name).collect::<Vec<_>>()].concat());
    let mut row = |name: &str, figure: &dyn Fn(&Run) -> String| {
        let figures = runs.iter().map(|(_, run)| figure(run));
        table.add_row([name.to_owned()].into_iter().chain(figures));
    };
    let off = |run: &Run, share: f64| format!("{:.3} ms", quantile(&run.off_ms(), share));
    row("gates sent", &|run| run.sent.to_string());
    row("gates at a frame of their own", &|run| run.apart.to_string());
    row("from sending to sound, median", &|run| format!("{:.2} ms", run.median_ms()));
    row("half of them are off that by no more than", &|run| off(run, 0.5));
    row("99 of 100", &|run| off(run, 0.99));
    row("all", &|run| off(run, 1.0));
    row("off by more than 0.1 ms", &|run| run.count_off(MOST_MS).to_string());
    row("off by more than 1 ms", &|run| run.count_off(ALL_MS).to_string());
    row("sent by who was interrupted for more than 0.1 ms", &|run| {
        run.delays_ms.iter().filter(|(least, most)| most - least > 0.1).count().to_string()
    });
    row("delay_frames at the end", &|run| run.status["delay_frames"].to_string());
    row("slips of the device's clock", &|run| run.status["xruns"].to_string());
    row("gaps, blocks", &|run| run.status["gap_blocks"].to_string());
    row("frames compared", &|run| run.compared.to_string());
    row("frames different", &|run| run.different.to_string());
    println!("{table}");
    for (name, run) in &runs {
        run.tell_outliers(name);
    }
    Ok(runs.iter().all(|(_, run)| run.is_as_promised()))
}

impl Run {
    fn median_ms(&self) -> f64 {
        let most: Vec<f64> = self.delays_ms.iter().map(|(_, most)| *most).collect();
        quantile(&most, 0.5)
    }

    /// How far each gate is from the median, at least: whoever sent it may have been interrupted before or after.
    fn off_ms(&self) -> Vec<f64> {
        let median = self.median_ms();
        let off = |(least, most): &(f64, f64)| (median - most).max(least - median).max(0.0);
        self.delays_ms.iter().map(off).collect()
    }

    fn count_off(&self, ms: f64) -> usize {
        self.off_ms().iter().filter(|off| **off > ms).count()
    }

    /// A line for each gate that is far off.
    fn tell_outliers(&self, name: &str) {
        let median = self.median_ms();
        for (number, off) in self.off_ms().iter().enumerate().filter(|(_, off)| **off > ALL_MS) {
            let (least, most) = self.delays_ms[number];
            let way = if least > median { "late" } else { "early" };
            let slip = self.slipped_before_ms[number].map_or_else(
                || "the device's clock had not slipped".to_owned(),
                |ms| format!("sent {ms:.1} ms after a slip of the device's clock"),
            );
            println!(
                "{name}: gate {number} is {off:.2} ms {way}, {slip}; it was sent within {:.3} ms",
                most - least
            );
        }
    }

    fn is_as_promised(&self) -> bool {
        let is_constant =
            self.count_off(ALL_MS) == 0 && self.count_off(MOST_MS) * 100 <= self.delays_ms.len();
        is_constant && self.apart == self.sent && self.delays_ms.len() == self.sent
    }
}

/// What so large a share of the values does not exceed.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let place = (values.len() as f64 * share).ceil() as usize;
    values.get(place.clamp(1, values.len().max(1)) - 1).copied().unwrap_or(f64::NAN)
}

/// One engine, and all gates.
fn play(osc: &Osc) -> Result<Run, Box<dyn Error>> {
    let mut engine = Engine::start("wav:a.wav", &["--lead", &osc.lead])?;
    engine.wait_for(|status| status["redundant"] == true)?;
    let rate_hz = engine.status()?["rate_hz"].as_u64().ok_or("no rate")?;
    let (socket, ledger) = (engine.another_socket()?, engine.ledger()?);
    let is_over = AtomicBool::new(false);
    let (sent, callbacks) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch(&ledger, &is_over));
        std::thread::sleep(SETTLE);
        let sent = scope.spawn(|| send(&socket, osc)).join();
        std::thread::sleep(Duration::from_secs(1));
        is_over.store(true, Ordering::Relaxed);
        (sent, watch.join())
    });
    let sent = sent.map_err(|_| "the thread that sends has panicked")??;
    let callbacks = callbacks.map_err(|_| "the thread that watches has panicked")?;
    let status = engine.status()?;
    let found = engine.end_and_compare()?;
    let journal = Journal::read(&engine.journal())?;
    let gates = journal
        .entries
        .iter()
        .filter(|entry| matches!(Command::decode(entry.payload), Ok(Command::Gate { .. })));
    let frames: Vec<u64> = gates.map(|entry| entry.frame).collect();
    let mut apart = frames.clone();
    apart.dedup();
    let clock = DeviceClock::of(&callbacks, rate_hz)?;
    let delay = |(frame, (before_ns, after_ns)): (&u64, &Sent)| {
        let sounds_ns = clock.time_of(*frame);
        let since = |ns: u64| (sounds_ns - ns as f64) / 1e6;
        (since(*after_ns), since(*before_ns))
    };
    let slipped = |(before_ns, _): &Sent| clock.slipped_before_ms(*before_ns);
    Ok(Run {
        slipped_before_ms: sent.iter().map(slipped).collect(),
        sent: sent.len(),
        apart: apart.len(),
        delays_ms: frames.iter().zip(&sent).map(delay).collect(),
        status,
        compared: found.frames,
        different: found.different.len(),
    })
}

/// Sends gates at random instants from a thread of its own, and notes when.
fn send(socket: &UdpSocket, osc: &Osc) -> Result<Vec<Sent>, String> {
    sched::set_least_timer_slack();
    if let Err(error) = sched::set_fifo(SENDER_PRIORITY) {
        eprintln!(
            "the gates are sent without a real-time priority ({error}), and some of them late"
        );
    }
    let packets =
        ["on", "off"].map(|word| message("/gate/adsr", vec![OscType::String(word.into())]));
    let packets = packets.into_iter().collect::<Result<Vec<_>, _>>();
    let packets = packets.map_err(|error| format!("the gates can't be written: {error}"))?;
    let mut random = fastrand::Rng::with_seed(osc.seed);
    let mut due_ns = clock::monotonic_ns();
    let mut sent = Vec::with_capacity(osc.gates as usize);
    for packet in packets.iter().cycle().take(osc.gates as usize) {
        // Never so close together that two could fall on one frame.
        due_ns += ((0.2 + 1.6 * random.f64()) * 1e9 / osc.per_second) as u64;
        std::thread::sleep(Duration::from_nanos(due_ns.saturating_sub(clock::monotonic_ns())));
        let before_ns = clock::monotonic_ns();
        let result = socket.send(packet);
        let after_ns = clock::monotonic_ns();
        result.map_err(|error| format!("a gate was not sent: {error}"))?;
        sent.push((before_ns, after_ns));
    }
    Ok(sent)
}

/// Samples the callbacks of the device.
fn watch(ledger: &View<LedgerRegion>, is_over: &AtomicBool) -> Vec<Callback> {
    let mut seen: Vec<Callback> = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK);
        if let Some(callback) = ledger.playback.last_callback()
            && seen.last() != Some(&callback)
            && callback.began_ns != 0
        {
            seen.push(callback);
        }
    }
    seen
}

/// When the device's clock is at which frame.
struct DeviceClock {
    stretches: Vec<Stretch>,
    frame_ns: f64,
}

/// A stretch without a slip.
struct Stretch {
    /// Its first callback.
    began_ns: u64,
    frame: u64,
    /// When frame 0 would have been, in nanoseconds.
    origin_ns: f64,
}

impl DeviceClock {
    fn of(callbacks: &[Callback], rate_hz: u64) -> Result<Self, Box<dyn Error>> {
        let frame_ns = 1e9 / rate_hz as f64;
        let origin_ns =
            |callback: &Callback| callback.began_ns as f64 - callback.frame as f64 * frame_ns;
        let stretches: Vec<_> = callbacks
            .chunk_by(|a, b| a.slips == b.slips)
            .filter_map(|stretch| {
                let origin_ns = stretch.iter().map(origin_ns).min_by(f64::total_cmp)?;
                let Callback { began_ns, frame, .. } = *stretch.first()?;
                Some(Stretch { began_ns, frame, origin_ns })
            })
            .collect();
        if stretches.is_empty() {
            return Err("the device was never seen to ask for frames".into());
        }
        Ok(Self { stretches, frame_ns })
    }

    fn time_of(&self, frame: u64) -> f64 {
        let next = self.stretches.partition_point(|stretch| stretch.frame <= frame);
        self.stretches[next.max(1) - 1].origin_ns + frame as f64 * self.frame_ns
    }

    fn slipped_before_ms(&self, ns: u64) -> Option<f64> {
        let next = self.stretches.partition_point(|stretch| stretch.began_ns <= ns);
        let slip = self.stretches.get(next.checked_sub(1)?).filter(|_| next > 1)?;
        Some((ns - slip.began_ns) as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callback(frame: u64, late_ns: u64, slips: u64, slipped_ns: u64) -> Callback {
        let began_ns = 7_000_000_000 + slipped_ns + frame * 1_000_000 / 48 + late_ns;
        Callback { began_ns, frame, slips }
    }

    #[test]
    fn the_clock_of_the_device_is_that_of_its_earliest_callbacks_and_follows_its_slips() {
        let callbacks = [
            callback(0, 900_000, 0, 0),
            callback(480, 20_000, 0, 0),
            callback(960, 3_000_000, 0, 0),
            callback(1440, 7_000_000, 1, 0),
            callback(1920, 20_000, 1, 7_000_000),
        ];
        let clock = DeviceClock::of(&callbacks, 48_000).expect("it has begun");
        for (frame, slipped_ns) in
            [(0, 0), (1000, 0), (1439, 0), (1440, 7_000_000), (9999, 7_000_000)]
        {
            let expected_ns = 7_000_000_000 + slipped_ns + frame * 1_000_000 / 48;
            let off_ns = clock.time_of(frame) - expected_ns as f64;
            assert!((0.0..=20_100.0).contains(&off_ns), "frame {frame}: {off_ns} ns");
        }
    }

    #[test]
    fn figures_count_what_whoever_sends_can_be_sure_of() {
        let delays_ms =
            vec![(17.0, 17.01), (17.0, 17.01), (9.0, 17.02), (17.3, 17.31), (19.0, 19.01)];
        let run = Run {
            sent: 5,
            apart: 5,
            slipped_before_ms: vec![None; delays_ms.len()],
            delays_ms,
            status: Value::Null,
            compared: 0,
            different: 0,
        };
        assert_eq!((run.count_off(0.1), run.count_off(1.0)), (2, 1));
        assert!(!run.is_as_promised());
    }
}
