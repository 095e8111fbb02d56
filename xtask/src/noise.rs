//! `cargo xtask noise`: a bad machine for everybody, reproducible. Each core is stopped for some milliseconds again and
//! again, as the busy host of a virtual machine does, by a thread of the highest real-time priority that is pinned to
//! it. When which core is stopped for how long follows from the seed alone.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chronus_os::clock::monotonic_ns;
use chronus_os::sched;
use clap::Args;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Nothing else is run by a core whose noise has this priority.
const HIGHEST_PRIORITY: u8 = 99;
/// Of a core's time, in per cent, that noise may take at most on average: the rest is needed to end it.
const MOST_BUSY_PERCENT: f64 = 80.0;
/// A thread that waits for its next stall looks as often whether it shall end.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// How bad the machine is.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How often each core decides for a stall, per second.
    pub stalls_per_second: f64,
    /// The shortest stall in milliseconds.
    pub min_ms: f64,
    /// The longest stall in milliseconds.
    pub max_ms: f64,
    /// Of the stalls that a core decides for, how many stop all cores at once, in per cent.
    pub together_percent: f64,
    /// What the times follow from.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { stalls_per_second: 10.0, min_ms: 1.0, max_ms: 8.0, together_percent: 10.0, seed: 1 }
    }
}

impl Settings {
    fn checked(self) -> Result<Self, String> {
        let Self { stalls_per_second, min_ms, max_ms, together_percent, .. } = self;
        if !(stalls_per_second > 0.0 && stalls_per_second <= 1000.0) {
            return Err(format!(
                "{stalls_per_second} stalls a second: say more than 0, up to 1000"
            ));
        }
        if !(min_ms >= 0.0 && min_ms <= max_ms && max_ms <= 1000.0) {
            return Err(format!(
                "stalls of {min_ms} to {max_ms} ms: say 0 to 1000 ms, the shorter one first"
            ));
        }
        if !(0.0..=100.0).contains(&together_percent) {
            return Err(format!("{together_percent} % on all cores at once: say 0 to 100"));
        }
        let busy_percent = stalls_per_second * (min_ms + max_ms) / 2.0 / 10.0;
        if busy_percent > MOST_BUSY_PERCENT {
            return Err(format!(
                "{stalls_per_second} stalls a second of {min_ms} to {max_ms} ms would take {busy_percent:.0} % of each \
                 core, and the machine could not be used any more: say up to {MOST_BUSY_PERCENT} %"
            ));
        }
        Ok(self)
    }

    /// As the arguments of `noise` after its seconds.
    fn to_arguments(&self) -> [String; 5] {
        let Self { stalls_per_second, min_ms, max_ms, together_percent, seed } = self;
        let numbers = [stalls_per_second, min_ms, max_ms, together_percent].map(f64::to_string);
        let [stalls, min, max, together] = numbers;
        [stalls, min, max, together, seed.to_string()]
    }
}

impl std::fmt::Display for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { stalls_per_second, min_ms, max_ms, together_percent, seed } = self;
        write!(
            f,
            "{stalls_per_second} stalls a second and core of {min_ms} to {max_ms} ms, {together_percent} % of them on \
             all cores at once, seed {seed}"
        )
    }
}

/// As `--noise` takes it: `STALLS,MIN,MAX,TOGETHER,SEED`, each of which may be left out from the end.
impl FromStr for Settings {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> =
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
        let mut settings = Self::default();
        if parts.len() > 5 {
            return Err(format!("`{text}` has too many values: say STALLS,MIN,MAX,TOGETHER,SEED"));
        }
        for (place, part) in parts.iter().enumerate() {
            let is_wrong = |_| format!("`{part}` is no number: say STALLS,MIN,MAX,TOGETHER,SEED");
            if place == 4 {
                settings.seed = part.parse().map_err(|_| format!("`{part}` is no seed"))?;
                continue;
            }
            let number: f64 = part.parse().map_err(is_wrong)?;
            *[
                &mut settings.stalls_per_second,
                &mut settings.min_ms,
                &mut settings.max_ms,
                &mut settings.together_percent,
            ][place] = number;
        }
        settings.checked()
    }
}

/// For benchmarks and campaigns that can be run on a bad machine.
#[derive(Args, Clone, Debug)]
pub struct Beside {
    /// Stop each core for some milliseconds again and again meanwhile, as `cargo xtask noise` does:
    /// `--noise`, or `--noise=STALLS,MIN,MAX,TOGETHER,SEED` (per second, ms, ms, per cent)
    #[arg(
        long,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        value_name = "STALLS,MIN,MAX,TOGETHER,SEED"
    )]
    noise: Option<Settings>,
}

impl Beside {
    /// Starts the noise that is asked for, if any. It ends when what is returned is dropped.
    pub fn start(&self) -> Result<Option<Noise>, Box<dyn Error>> {
        self.noise.as_ref().map(Noise::start).transpose()
    }
}

/// The command. The values may be given by place, too.
#[derive(Args)]
pub struct NoiseCommand {
    /// How long in seconds [default: 10]
    seconds: Option<f64>,
    /// `--stalls-per-second` by its place
    stalls: Option<f64>,
    /// `--min-ms` by its place
    min: Option<f64>,
    /// `--max-ms` by its place
    max: Option<f64>,
    /// `--together-percent` by its place
    together: Option<f64>,
    /// `--seed` by its place
    #[arg(value_name = "SEED")]
    seed_by_place: Option<u64>,
    /// How often each core is stopped, per second [default: 10]
    #[arg(long, conflicts_with = "stalls")]
    stalls_per_second: Option<f64>,
    /// The shortest stall [default: 1]
    #[arg(long, conflicts_with = "min")]
    min_ms: Option<f64>,
    /// The longest stall [default: 8]
    #[arg(long, conflicts_with = "max")]
    max_ms: Option<f64>,
    /// How many of the stalls stop all cores at once, in per cent [default: 10]
    #[arg(long, conflicts_with = "together")]
    together_percent: Option<f64>,
    /// What the times follow from [default: 1]
    #[arg(long, conflicts_with = "seed_by_place")]
    seed: Option<u64>,
    /// End as soon as standard input does
    #[arg(long, hide = true)]
    until_input_ends: bool,
}

impl NoiseCommand {
    fn settings(&self) -> Result<Settings, String> {
        let default = Settings::default();
        let settings = Settings {
            stalls_per_second: self
                .stalls_per_second
                .or(self.stalls)
                .unwrap_or(default.stalls_per_second),
            min_ms: self.min_ms.or(self.min).unwrap_or(default.min_ms),
            max_ms: self.max_ms.or(self.max).unwrap_or(default.max_ms),
            together_percent: self
                .together_percent
                .or(self.together)
                .unwrap_or(default.together_percent),
            seed: self.seed.or(self.seed_by_place).unwrap_or(default.seed),
        };
        settings.checked()
    }
}

/// Makes the noise, and prints what it was.
pub fn run(command: &NoiseCommand) -> Result<bool, Box<dyn Error>> {
    let seconds = command.seconds.unwrap_or(10.0);
    if !(seconds > 0.0 && seconds <= 1e6) {
        return Err(format!("{seconds} seconds of noise: say more than 0").into());
    }
    let settings = command.settings()?;
    let cores = own_cores()?;
    may_stop_cores()?;
    println!("noise for {seconds} s: {settings}");
    std::io::stdout().flush()?;
    let is_over = AtomicBool::new(false);
    let began_ns = monotonic_ns();
    let end_ns = began_ns + (seconds * 1e9) as u64;
    let done = std::thread::scope(|scope| {
        let (settings, is_over) = (&settings, &is_over);
        let stoppers: Vec<_> = cores
            .iter()
            .enumerate()
            .map(|(place, core)| {
                let plan = Plan::new(settings, cores.len()).filter(move |it| it.core == place);
                scope.spawn(move || stop_core(*core, plan, began_ns, end_ns, is_over))
            })
            .collect();
        if command.until_input_ends {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            is_over.store(true, Ordering::Relaxed);
        }
        stoppers.into_iter().map(|it| it.join().map_err(|_| "a thread of the noise died")).collect()
    });
    let took_ns = (monotonic_ns() - began_ns) as f64;
    let done: Result<Vec<std::io::Result<Stopped>>, _> = done;
    let mut output = std::io::stdout().lock();
    for (core, stopped) in cores.iter().zip(done?) {
        let Stopped { stalls, together, longest_ns, total_ns } = stopped?;
        // Whoever asked for the noise may be gone.
        let _ = writeln!(
            output,
            "core {core}: {stalls} stalls, {together} of them on all cores at once, longest {:.1} ms, {:.1} % of \
             the time",
            longest_ns as f64 / 1e6,
            total_ns as f64 / took_ns * 100.0,
        );
    }
    Ok(true)
}

/// The processors that this process may use.
fn own_cores() -> std::io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect())
}

/// What to type if this process may not stop cores.
fn may_stop_cores() -> Result<(), Box<dyn Error>> {
    let tried = std::thread::spawn(|| sched::set_fifo(HIGHEST_PRIORITY)).join();
    match tried.map_err(|_| "a thread died")? {
        Ok(()) => Ok(()),
        Err(error) => Err(format!(
            "noise needs real-time permission up to priority {HIGHEST_PRIORITY}, to stop a core for everybody \
             ({error}); type `sudo prlimit --pid $$ --rtprio={HIGHEST_PRIORITY}:{HIGHEST_PRIORITY}` and try again in \
             the same shell"
        )
        .into()),
    }
}

/// What a thread did to its core.
#[derive(Default)]
struct Stopped {
    stalls: u64,
    together: u64,
    longest_ns: u64,
    total_ns: u64,
}

/// Stops a core as planned until the end.
fn stop_core(
    core: usize,
    plan: impl Iterator<Item = Stall>,
    began_ns: u64,
    end_ns: u64,
    is_over: &AtomicBool,
) -> std::io::Result<Stopped> {
    let mut only_this = CpuSet::new();
    only_this.set(core);
    sched_setaffinity(None, &only_this)?;
    sched::set_fifo(HIGHEST_PRIORITY)?;
    let mut stopped = Stopped::default();
    for stall in plan {
        let (from_ns, until_ns) = (began_ns + stall.from_ns, began_ns + stall.until_ns);
        loop {
            let now_ns = monotonic_ns();
            if is_over.load(Ordering::Relaxed) || now_ns.max(from_ns) >= end_ns {
                return Ok(stopped);
            }
            if now_ns >= from_ns {
                break;
            }
            std::thread::sleep(Duration::from_nanos(from_ns - now_ns).min(LONGEST_SLEEP));
        }
        let stops_ns = monotonic_ns();
        while monotonic_ns() < until_ns {}
        let took_ns = monotonic_ns() - stops_ns;
        stopped.stalls += 1;
        stopped.together += u64::from(stall.is_together);
        stopped.longest_ns = stopped.longest_ns.max(took_ns);
        stopped.total_ns += took_ns;
    }
    Ok(stopped)
}

/// A core that stands still; times in nanoseconds since the noise began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stall {
    core: usize,
    from_ns: u64,
    until_ns: u64,
    is_together: bool,
}

/// All stalls of all cores, without end. Those of one core come in order.
struct Plan {
    settings: Settings,
    /// For each core: what it draws from, until when it stands still, and when it will decide for a stall.
    cores: Vec<(fastrand::Rng, u64, u64)>,
    planned: VecDeque<Stall>,
}

impl Plan {
    fn new(settings: &Settings, cores: usize) -> Self {
        let mut seeds = fastrand::Rng::with_seed(settings.seed);
        let core = |_| (fastrand::Rng::with_seed(seeds.u64(..)), 0, 0);
        let mut plan = Self {
            settings: settings.clone(),
            cores: (0..cores).map(core).collect(),
            planned: VecDeque::new(),
        };
        for core in 0..cores {
            plan.occupy(core, 0);
        }
        plan
    }

    /// A core stands still until then; it waits between 0.1 and 1.9 times the mean for its next stall.
    fn occupy(&mut self, core: usize, until_ns: u64) {
        let (random, busy_until_ns, next_ns) = &mut self.cores[core];
        let wait_s = (0.1 + 1.8 * random.f64()) / self.settings.stalls_per_second;
        *busy_until_ns = until_ns.max(*busy_until_ns);
        *next_ns = *busy_until_ns + (wait_s * 1e9) as u64;
    }

    fn stop(&mut self, core: usize, from_ns: u64, until_ns: u64, is_together: bool) {
        // One that stands still already goes on standing still.
        let from_ns = from_ns.max(self.cores[core].1);
        if from_ns < until_ns {
            self.planned.push_back(Stall { core, from_ns, until_ns, is_together });
            self.occupy(core, until_ns);
        }
    }
}

impl Iterator for Plan {
    type Item = Stall;

    fn next(&mut self) -> Option<Stall> {
        while self.planned.is_empty() {
            let first = (0..self.cores.len()).min_by_key(|core| self.cores[*core].2)?;
            let Settings { min_ms, max_ms, together_percent, .. } = self.settings;
            let (random, _, from_ns) = &mut self.cores[first];
            let from_ns = *from_ns;
            // At least a nanosecond, so that each stall is one.
            let ns = ((min_ms + (max_ms - min_ms) * random.f64()) * 1e6) as u64 + 1;
            let is_together = random.f64() * 100.0 < together_percent;
            for core in 0..self.cores.len() {
                if core == first || is_together {
                    self.stop(core, from_ns, from_ns + ns, is_together);
                }
            }
        }
        self.planned.pop_front()
    }
}

/// Noise while something is measured. It is a process of its own, which ends when this is dropped, and also when this
/// process dies in whatever way.
pub struct Noise {
    process: Child,
    /// Its end is the sign for the process to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Noise {
    /// Starts it; it stops cores when this returns.
    ///
    /// # Errors
    /// Without real-time permission, with what to type.
    pub fn start(settings: &Settings) -> Result<Self, Box<dyn Error>> {
        may_stop_cores()?;
        let mut process = Command::new(std::env::current_exe()?)
            .args(["noise", "--until-input-ends", "1e6"])
            .args(settings.to_arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = process.stdin.take();
        let output = process.stdout.take().ok_or("the noise has no output")?;
        let mut noise = Self { process, input, output: BufReader::new(output) };
        let mut first_line = String::new();
        if noise.output.read_line(&mut first_line)? == 0 {
            return Err("the noise did not start".into());
        }
        println!("beside the noise of process {}: {settings}", noise.pid());
        Ok(noise)
    }

    /// Its process id, by which anybody may end it.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Noise {
    fn drop(&mut self) {
        self.input = None;
        let mut told = String::new();
        let _ = self.output.read_to_string(&mut told);
        println!("noise: {}", told.trim_end().replace('\n', "\n       "));
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_seconds(settings: &Settings, cores: usize, seconds: u64) -> Vec<Stall> {
        let end_ns = seconds * 1_000_000_000;
        Plan::new(settings, cores).take_while(|stall| stall.from_ns < end_ns).collect()
    }

    #[test]
    fn the_seed_alone_decides() {
        let settings = Settings::default();
        let stalls = first_seconds(&settings, 4, 20);
        assert_eq!(stalls, first_seconds(&settings, 4, 20));
        let other = Settings { seed: 2, ..settings };
        assert_ne!(stalls, first_seconds(&other, 4, 20));
    }

    #[test]
    fn each_core_stands_still_as_often_and_as_long_as_asked_for() {
        let settings = Settings { together_percent: 0.0, ..Settings::default() };
        let stalls = first_seconds(&settings, 2, 200);
        for core in 0..2 {
            let own: Vec<&Stall> = stalls.iter().filter(|stall| stall.core == core).collect();
            // Each stall of 4.5 ms comes after a wait of 100.
            let expected = 200.0 / 0.1045;
            assert!((own.len() as f64 / expected - 1.0).abs() < 0.05, "{}", own.len());
            let ms = |stall: &Stall| (stall.until_ns - stall.from_ns) as f64 / 1e6;
            assert!(own.iter().all(|stall| (1.0..=8.001).contains(&ms(stall))));
            let mean = own.iter().map(|stall| ms(stall)).sum::<f64>() / own.len() as f64;
            assert!((mean - 4.5).abs() < 0.2, "{mean}");
            assert!(own.windows(2).all(|pair| pair[0].until_ns < pair[1].from_ns));
        }
        assert!(stalls.iter().all(|stall| !stall.is_together));
    }

    #[test]
    fn all_cores_stand_still_together_as_often_as_asked_for() {
        let settings = Settings { together_percent: 30.0, ..Settings::default() };
        let stalls = first_seconds(&settings, 3, 200);
        let mut shared = std::collections::BTreeMap::<u64, usize>::new();
        for stall in stalls.iter().filter(|stall| stall.is_together) {
            *shared.entry(stall.until_ns).or_default() += 1;
        }
        // Who stands still for longer anyway is not stopped again.
        let by_all = shared.values().filter(|cores| **cores == 3).count();
        assert!(by_all as f64 > 0.9 * shared.len() as f64, "{by_all} of {}", shared.len());
        let decisions = stalls.iter().filter(|stall| !stall.is_together).count() + shared.len();
        let percent = shared.len() as f64 / decisions as f64 * 100.0;
        assert!((percent - 30.0).abs() < 3.0, "{percent}");
    }

    #[test]
    fn settings_are_read_and_mistakes_told() {
        let read = str::parse::<Settings>;
        assert_eq!(read(""), Ok(Settings::default()));
        let other = read("12,1,15,30").expect("four values");
        assert_eq!(
            other,
            Settings {
                stalls_per_second: 12.0,
                max_ms: 15.0,
                together_percent: 30.0,
                ..Settings::default()
            }
        );
        assert_eq!(read(&other.to_arguments().join(",")), Ok(other));
        for (wrong, because) in [
            ("12,8,1", "the shorter one first"),
            ("0", "more than 0"),
            ("ten", "no number"),
            ("100,5,20", "could not be used"),
            ("10,1,8,101", "0 to 100"),
            ("10,1,8,10,-1", "no seed"),
            ("1,2,3,4,5,6", "too many"),
            ("nan", "more than 0"),
        ] {
            let said = read(wrong).expect_err(wrong);
            assert!(said.contains(because), "{wrong}: {said}");
        }
    }
}
