//! `cargo xtask bench voices`: how many voices of sine, straight envelope and low-pass a core renders, in
//! this program, in a loop written for nothing else, and in other synthesizers; all in one run, in turns.

mod bound;
mod child;
mod chronus;
mod csound;
mod faust;
mod fundsp;
mod scsynth;

use std::error::Error;
use std::path::PathBuf;

use chronus_dsp::{Vectors, fused};
use clap::Args;
use comfy_table::{Table, presets};
use tempfile::TempDir;

use crate::{commit, machine};
use chronus::Gates;

/// Frames in a block.
const BLOCK: usize = chronus_engine::BLOCK_FRAMES;
/// Frames in a second.
const RATE_HZ: u32 = 48_000;
// The voice, the same for all.
const ATTACK_S: f32 = 0.01;
const DECAY_S: f32 = 0.1;
const SUSTAIN: f32 = 0.7;
const RELEASE_S: f32 = 0.2;
const CUTOFF_HZ: f32 = 2000.0;
const Q: f32 = 0.707;

/// The pitch of voice `index`.
fn freq_hz(index: usize) -> f32 {
    100.0 + (index * 7 % 4000) as f32
}

/// The level of each voice: all together stay below full scale.
fn gain(voices: usize) -> f32 {
    0.5 / voices as f32
}

/// The rows that others are compared with.
const HELD: &str = "Chronus, notes held";
const BARE: &str = "Chronus, held, no limiter nor DC blocker";
const BOUND: &str = "hand-written bound";
const FUSED_BOUND: &str = "hand-written bound with fused arithmetic";
const SCSYNTH: &str = "scsynth";
const SAFE_SCSYNTH: &str = "scsynth with Limiter and LeakDC";

/// What is measured.
#[expect(clippy::struct_field_names, reason = "the option is called so")]
#[derive(Args)]
pub struct Voices {
    /// How often everything is measured; the median counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Measure Chronus and the bound only
    #[arg(long)]
    alone: bool,
    /// Measure only what has one of these in its name
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Voices at once
    #[arg(long, value_delimiter = ',', default_values_t = [16, 64, 256, 1024])]
    voices: Vec<usize>,
}

/// Something that plays voices: CPU seconds for so many of them and so many seconds, start-up included
/// or not.
type Play = Box<dyn Fn(usize, f64) -> Result<f64, Box<dyn Error>>>;

/// A row of the table.
struct Player {
    name: &'static str,
    play: Play,
    /// Voice-seconds of one measurement: about half a second of CPU time.
    work: f64,
    /// Voice-seconds per CPU second in each round, for each number of voices.
    rates: Vec<Vec<f64>>,
}

impl Player {
    fn new(
        name: &'static str,
        work: f64,
        play: impl Fn(usize, f64) -> Result<f64, Box<dyn Error>> + 'static,
    ) -> Self {
        Self { name, play: Box::new(play), work, rates: Vec::new() }
    }

    /// Measures a short and a long run; what lies between them counts, so that the start does not.
    fn measure(&mut self, index: usize, voices: usize) -> Result<(), Box<dyn Error>> {
        let long_s = self.work / voices as f64;
        let short_s = long_s / 4.0;
        let (short, long) = ((self.play)(voices, short_s)?, (self.play)(voices, long_s)?);
        self.rates.resize_with(self.rates.len().max(index + 1), Vec::new);
        self.rates[index].push((long_s - short_s) * voices as f64 / (long - short));
        Ok(())
    }

    fn rate(&self, index: usize) -> f64 {
        median(self.rates[index].clone())
    }

    /// How many times as fast as another: both are compared within each round, because the machine may be at
    /// another speed in the next.
    fn times(&self, other: &Self, index: usize) -> f64 {
        let pairs = self.rates[index].iter().zip(&other.rates[index]);
        median(pairs.map(|(own, other)| own / other).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = |at: usize| values.get(at).copied().unwrap_or(f64::NAN);
    f64::midpoint(middle(values.len() / 2), middle(values.len().saturating_sub(1) / 2))
}

/// Measures all, and prints the table.
pub fn bench(options: &Voices) -> Result<(), Box<dyn Error>> {
    chronus_os::float::flush_denormals();
    let folder = TempDir::new()?;
    let mut players = vec![
        Player::new(HELD, 10_000.0, |voices, seconds| {
            chronus::cpu_seconds(voices, seconds, Gates::Open)
        }),
        Player::new(BARE, 10_000.0, |voices, seconds| {
            chronus::cpu_seconds(voices, seconds, Gates::OpenBare)
        }),
        Player::new("Chronus, envelopes moving", 10_000.0, |voices, seconds| {
            chronus::cpu_seconds(voices, seconds, Gates::Attack)
        }),
        Player::new("Chronus, gates closed", 40_000.0, |voices, seconds| {
            chronus::cpu_seconds(voices, seconds, Gates::Closed)
        }),
        Player::new("Chronus, notes of `voices`", 10_000.0, |voices, seconds| {
            chronus::cpu_seconds(voices, seconds, Gates::Notes)
        }),
        Player::new("Chronus, their notes over", 40_000.0, |voices, seconds| {
            chronus::cpu_seconds(voices, seconds, Gates::NotesOver)
        }),
        Player::new(BOUND, 20_000.0, |voices, seconds| {
            Ok(bound::cpu_seconds::<false>(voices, seconds))
        }),
    ];
    if fused::is_in_hardware(Vectors::chosen().arch()) {
        players.push(Player::new(FUSED_BOUND, 20_000.0, |voices, seconds| {
            Ok(bound::cpu_seconds::<true>(voices, seconds))
        }));
    }
    let mut missing = Vec::new();
    if !options.alone {
        peers(&folder, &mut players, &mut missing);
    }
    let is_wanted = |name: &str| options.only.iter().any(|part| name.contains(part));
    players.retain(|player| options.only.is_empty() || is_wanted(player.name));
    for round in 0..options.rounds.max(1) {
        eprint!("\rround {} of {}", round + 1, options.rounds.max(1));
        for (index, &voices) in options.voices.iter().enumerate() {
            for player in &mut players {
                let name = player.name;
                player.measure(index, voices).map_err(|error| format!("{name}: {error}"))?;
            }
        }
    }
    eprintln!("\r                ");
    println!("{}, commit {}\n", machine(), commit());
    let rounds = options.rounds.max(1);
    println!(
        "Voice-seconds per CPU second at {RATE_HZ} Hz, start-up not counted; medians of {rounds} rounds\n"
    );
    println!("{}\n", table(&players, &options.voices));
    for line in missing {
        println!("{line}");
    }
    Ok(())
}

/// Adds what is installed; says what is not.
fn peers(folder: &TempDir, players: &mut Vec<Player>, missing: &mut Vec<String>) {
    let path = || folder.path().to_path_buf();
    let mut lacks = |name: &str, programs: &[&str], packages: &str| {
        let lacks = programs.iter().any(|program| !child::is_installed(program));
        if lacks {
            missing.push(format!("{name} is not installed: apt-get install {packages}"));
        }
        lacks
    };
    if !lacks("scsynth", &["scsynth"], "supercollider-server") {
        for (name, safe) in [(SCSYNTH, false), (SAFE_SCSYNTH, true)] {
            let folder = path();
            players.push(Player::new(name, 2500.0, move |voices, seconds| {
                scsynth::cpu_seconds(voices, seconds, safe, &folder)
            }));
        }
    }
    if !lacks("Csound", &["csound"], "csound") {
        let folder = path();
        players.push(Player::new("Csound", 1000.0, move |voices, seconds| {
            csound::cpu_seconds(voices, seconds, &folder)
        }));
    }
    let has_faust = !lacks("Faust", &["faust", "g++"], "faust g++");
    let mut built =
        |name: &'static str, program: Result<PathBuf, Box<dyn Error>>, play: Built| match program {
            Ok(program) => players.push(Player::new(name, 4000.0, move |voices, seconds| {
                play(&program, voices, seconds)
            })),
            Err(error) => missing.push(format!("{name} is left out: {error}")),
        };
    if has_faust {
        built("Faust, as C++", faust::build(folder.path()), faust::cpu_seconds);
    }
    built("fundsp", fundsp::build(), fundsp::cpu_seconds);
}

/// How a program that was built plays.
type Built = fn(&std::path::Path, usize, f64) -> Result<f64, Box<dyn Error>>;

fn table(players: &[Player], voices: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    let heads = voices.iter().map(|voices| format!("{voices} voices"));
    table.set_header([String::new()].into_iter().chain(heads));
    let mut row = |name: String, figure: &dyn Fn(usize) -> String| {
        table.add_row([name].into_iter().chain((0..voices.len()).map(figure)));
    };
    for player in players {
        row(player.name.into(), &|index| format!("{:.0}", player.rate(index)));
    }
    let find = |wanted| players.iter().find(|player| player.name == wanted);
    let Some(chronus) = find(HELD) else { return table };
    let pairs = [
        ("Chronus over the bound", HELD, BOUND),
        ("Chronus over the fused bound", HELD, FUSED_BOUND),
        ("Chronus over the fused bound, neither with a limiter", BARE, FUSED_BOUND),
        ("Chronus over scsynth", HELD, SCSYNTH),
        ("Chronus over scsynth, both with a limiter", HELD, SAFE_SCSYNTH),
        ("Chronus over scsynth, neither with a limiter", BARE, SCSYNTH),
    ];
    for (name, own, other) in pairs {
        let (Some(own), Some(other)) = (find(own), find(other)) else { continue };
        row(name.into(), &|index| format!("{:.2}", own.times(other, index)));
    }
    row("Chronus, µs of CPU a voice and second".into(), &|index| {
        format!("{:.1}", 1e6 / chronus.rate(index))
    });
    table
}
