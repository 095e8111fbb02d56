//! `cargo xtask bench voices`: how many voices a core renders, in this program with each set of vectors, in a loop
//! written for nothing else, and in other synthesizers; all in one run, in turns.

mod bound;
mod child;
mod chronus;
mod csound;
mod faust;
mod fundsp;
mod patch;
mod player;
mod report;
mod scsynth;
mod sound;
mod turns;
mod voice;

use std::error::Error;
use std::path::Path;

use chronus_dsp::{Vectors, fused};
use clap::{Args, ValueEnum};
use tempfile::TempDir;

use crate::{commit, machine};
use bound::Bound;
use chronus::{Chronus, Gates};
use player::{Player, Reference, Who};
use scsynth::{Program, Server};
use voice::{RATE_HZ, Voice};

/// What is measured.
#[expect(clippy::struct_field_names, reason = "the option is called so")]
#[derive(Args)]
pub struct Voices {
    /// The voices that are played; all without this
    #[arg(long = "voice", value_enum, value_delimiter = ',')]
    kinds: Vec<Voice>,
    /// Sets of vectors that Chronus and the bound play with: those of avx512, avx2, neon, sse2 and scalar that the
    /// machine has; all of them without this
    #[arg(long, value_delimiter = ',')]
    vectors: Vec<String>,
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

/// Measures all, and prints the tables.
pub fn bench(options: &Voices) -> Result<(), Box<dyn Error>> {
    if options.voices.contains(&0) {
        return Err("--voices takes numbers from 1 on".into());
    }
    chronus_os::float::flush_denormals();
    let sets = sets(&options.vectors)?;
    let kinds =
        if options.kinds.is_empty() { Voice::value_variants() } else { options.kinds.as_slice() };
    let folder = TempDir::new()?;
    println!("{}, commit {}\n", machine(), commit());
    let rounds = options.rounds.max(1);
    println!(
        "Voice-seconds per CPU second at {RATE_HZ} Hz, start-up not counted; medians of {rounds} rounds. Ratios are \
         compared within each round.\n"
    );
    let mut missing = Vec::new();
    for &kind in kinds {
        let mut players = own(kind, &sets);
        if !options.alone {
            peers(kind, folder.path(), &mut players, &mut missing);
        }
        let is_wanted = |who: Who| options.only.iter().any(|part| who.name().contains(part));
        players.retain(|player| options.only.is_empty() || is_wanted(player.who));
        measure(kind, &mut players, options)?;
        println!("## {}\n\n{}\n", kind.title(), kind.remark());
        println!("{}\n", report::table(kind, &players, &options.voices, &sets));
    }
    missing.dedup();
    for line in missing {
        println!("{line}");
    }
    Ok(())
}

/// The sets of these names, or all that the machine has.
fn sets(names: &[String]) -> Result<Vec<Vectors>, Box<dyn Error>> {
    if names.is_empty() {
        return Ok(Vectors::available());
    }
    Ok(names.iter().map(|name| Vectors::named(name)).collect::<Result<_, _>>()?)
}

/// Listens to all, then measures them in turns.
fn measure(kind: Voice, players: &mut [Player], options: &Voices) -> Result<(), Box<dyn Error>> {
    let reference = Reference::of(kind, &options.voices)?;
    for player in &*players {
        eprint!("\r\x1b[K{kind:?}: listening to {}", player.who.name());
        player.listen(&reference)?;
    }
    let rounds = options.rounds.max(1);
    for round in 0..rounds {
        eprint!("\r\x1b[K{kind:?}: round {} of {rounds}", round + 1);
        for (index, &voices) in options.voices.iter().enumerate() {
            for player in &mut *players {
                let name = player.who.name();
                player.measure(index, voices).map_err(|error| format!("{name}: {error}"))?;
            }
        }
    }
    eprint!("\r\x1b[K");
    Ok(())
}

/// Chronus and the bounds, with all sets.
fn own(voice: Voice, sets: &[Vectors]) -> Vec<Player> {
    let mut players = Vec::new();
    let gates: &[Gates] = match voice {
        Voice::Held => &[
            Gates::Open,
            Gates::OpenBare,
            Gates::Attack,
            Gates::Closed,
            Gates::Notes,
            Gates::NotesOver,
        ],
        _ => &[Gates::Notes],
    };
    for &set in sets {
        for &gates in gates {
            players.push(Player::new(Who::Chronus(gates, set), Chronus { voice, set, gates }));
        }
        let plain = Bound { voice, set, fused: false, turned: false };
        players.push(Player::new(Who::Bound(set), plain));
        let fused = fused::is_in_hardware(set.arch());
        if fused {
            players.push(Player::new(Who::FusedBound(set), Bound { fused, ..plain }));
        }
        if voice == Voice::Held {
            let fastest = Bound { fused, turned: true, ..plain };
            players.push(Player::new(Who::TurnedBound(set), fastest));
        }
    }
    players
}

/// Adds what is installed; says what is not.
fn peers(voice: Voice, folder: &Path, players: &mut Vec<Player>, missing: &mut Vec<String>) {
    let mut lacks = |name: &str, programs: &[&str], packages: &str| {
        let lacks = programs.iter().any(|program| !child::is_installed(program));
        let line = format!("{name} is not installed: apt-get install {packages}");
        if lacks && !missing.contains(&line) {
            missing.push(line);
        }
        lacks
    };
    let mut server = |who, program, safe| {
        let folder = folder.to_path_buf();
        players.push(Player::new(who, Server { program, voice, safe, folder }));
    };
    if !lacks("scsynth", &["scsynth"], "supercollider-server") {
        server(Who::Scsynth, Program::Scsynth, false);
        if voice == Voice::Held {
            server(Who::SafeScsynth, Program::Scsynth, true);
        }
    }
    if !lacks("supernova", &["supernova"], "supercollider-supernova") {
        server(Who::Supernova, Program::Supernova, false);
    }
    if voice != Voice::Held {
        return;
    }
    if !lacks("Csound", &["csound"], "csound") {
        players.push(Player::new(Who::Csound, csound::Csound::new(folder)));
    }
    if !lacks("Faust", &["faust", "g++"], "faust g++") {
        match faust::Faust::build(folder) {
            Ok(faust) => players.push(Player::new(Who::Faust, faust)),
            Err(error) => missing.push(format!("Faust is left out: {error}")),
        }
    }
    match fundsp::Fundsp::build(folder) {
        Ok(fundsp) => players.push(Player::new(Who::Fundsp, fundsp)),
        Err(error) => missing.push(format!("fundsp is left out: {error}")),
    }
}
