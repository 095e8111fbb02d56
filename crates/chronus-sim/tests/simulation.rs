//! Hundreds of seeded runs under the oracles, replay of a seed, and planted bugs that must be found.
//!
//! `CHRONUS_SIM_SEED=7` runs that seed alone; `CHRONUS_SIM_SEEDS=5000` so many in each mix, and
//! `CHRONUS_SIM_SEEDS=5000..9000` others than the first; `CHRONUS_SIM_TRACE=1` tells what happens.

use std::time::Instant;

use chronus_sim::{FAULT_NAMES, MUTATIONS, Mix, Mutation, Report, Scenario, Spacing, run};

const BLOCKS: u64 = 3000;

fn mix(spacing: Spacing, replicas: usize, mean_interval_ns: u64) -> Mix {
    Mix { replicas, mean_interval_ns, spacing, all_hang: false }
}

/// The mix of a seed: two replicas mostly, faults from rare to furious.
fn wild(seed: u64) -> Scenario {
    let replicas = [2, 2, 3, 4][(seed % 4) as usize];
    let mean_interval_ns = [60_000_000, 15_000_000, 150_000_000][(seed % 3) as usize];
    Scenario {
        seed,
        blocks: BLOCKS,
        mix: mix(Spacing::Wild, replicas, mean_interval_ns),
        mutation: None,
    }
}

fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number =
        |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("`{text}` is no number"));
    if let Ok(seed) = std::env::var("CHRONUS_SIM_SEED") {
        return number(&seed)..number(&seed) + 1;
    }
    let Ok(seeds) = std::env::var("CHRONUS_SIM_SEEDS") else { return 0..usual };
    let (first, end) = seeds.split_once("..").unwrap_or(("0", &seeds));
    number(first)..number(end)
}

/// Runs them all; every seed that fails is named.
fn run_all(name: &str, usual: u64, scenario: impl Fn(u64) -> Scenario) -> Report {
    let (begin, mut sum, mut failures) = (Instant::now(), Report::default(), Vec::new());
    for seed in seeds(usual) {
        match run(&scenario(seed)) {
            Ok(report) => sum.add(&report),
            Err(failure) => failures.push(failure),
        }
    }
    let rate = sum.blocks as f64 / begin.elapsed().as_secs_f64();
    println!("{name}: {rate:.0} blocks/s, {sum:?}");
    for (fault, count) in FAULT_NAMES.iter().zip(sum.faults_by_kind.0) {
        println!("  {fault}: {count}");
    }
    for failure in &failures {
        println!("{failure}");
    }
    assert!(failures.is_empty(), "{name}: {} seeds failed, first {}", failures.len(), failures[0]);
    sum
}

#[test]
fn wild_faults_break_no_promise() {
    let sum = run_all("wild", 240, wild);
    if seeds(240).count() >= 100 {
        let injected = &sum.faults_by_kind.0[..FAULT_NAMES.len() - 1];
        assert!(injected.iter().all(|count| *count > 0), "every fault but the last is injected");
        assert!(sum.put_off > 0 && sum.divergences > 0 && sum.fresh > 240);
    }
}

#[test]
fn faults_that_leave_a_healthy_replica_never_cause_a_gap() {
    let sum = run_all("survivable", 120, survivable);
    assert_eq!(sum.gap_blocks, 0);
}

/// Kills may strike anybody the moment that redundancy is said, even a few in one period.
#[test]
fn a_kill_whenever_redundancy_is_said_never_causes_a_gap() {
    let sum = run_all("when redundant", 120, |seed| {
        let replicas = [2, 3, 4][(seed % 3) as usize];
        let mix = mix(Spacing::WhenRedundant, replicas, 3_000_000);
        Scenario { seed, blocks: BLOCKS, mix, mutation: None }
    });
    assert_eq!(sum.gap_blocks, 0);
}

#[test]
fn when_all_run_away_they_are_replaced() {
    run_all("all run away", 60, |seed| {
        let mut scenario = wild(seed);
        scenario.mix.all_hang = true;
        scenario
    });
}

/// Seeds that some oracle once objected to, each for a reason of its own.
#[test]
fn seeds_that_once_failed_do_not_fail_again() {
    for seed in [
        20_242, 20_314, 20_625, 20_792, 20_876, 21_358, 20_095, 24_970, 26_066, 26_338, 32_578,
        33_085,
    ] {
        run(&survivable(seed)).expect("survivable");
    }
    for seed in [20_158, 20_343, 22_306, 22_450, 23_328] {
        run(&wild(seed)).expect("wild");
    }
}

#[test]
fn the_same_seed_does_the_same() {
    for seed in 0..12 {
        let first = run(&wild(seed));
        assert_eq!(first, run(&wild(seed)), "seed {seed}");
        assert_ne!(
            first.map(|report| report.trace),
            run(&wild(seed + 12)).map(|report| report.trace)
        );
    }
}

/// All in one moment, whenever a checkpoint is there that can catch up in time.
#[test]
fn all_workers_killed_at_once_never_cause_a_gap() {
    let sum = run_all("all at once", 60, all_at_once);
    assert_eq!((sum.gap_blocks, sum.thaws > 0), (0, true));
}

fn all_at_once(seed: u64) -> Scenario {
    let replicas = [2, 3, 4][(seed % 3) as usize];
    let mix = mix(Spacing::AllAtOnce, replicas, 20_000_000);
    Scenario { seed, blocks: BLOCKS, mix, mutation: None }
}

fn survivable(seed: u64) -> Scenario {
    let replicas = [2, 3, 4][(seed % 3) as usize];
    let mix = mix(Spacing::Survivable, replicas, 5_000_000);
    Scenario { seed, blocks: BLOCKS, mix, mutation: None }
}

#[test]
fn every_planted_bug_is_found() {
    let mut missed = Vec::new();
    for mutation in MUTATIONS.iter().copied() {
        let scenarios = (0..240).flat_map(|seed| {
            let others =
                [all_at_once(seed), survivable(seed)].into_iter().filter(move |_| seed < 20);
            std::iter::once(wild(seed)).chain(others)
        });
        let find = |scenario: Scenario| {
            run(&Scenario { mutation: Some(mutation), ..scenario }).err().inspect(|_| {
                run(&scenario).expect("without the bug nobody objects");
            })
        };
        match scenarios.clone().find_map(find) {
            Some(failure) => println!("{mutation:?}: {failure}"),
            None => missed.push(mutation),
        }
    }
    assert_eq!(missed, Vec::<Mutation>::new(), "nobody objected to these");
}
