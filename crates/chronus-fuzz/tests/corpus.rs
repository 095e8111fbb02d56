//! Guarantee: no target panics on its seeds, on what was once found (`fuzz/found/TARGET`), or on mutations of
//! both. `CHRONUS_FUZZ_SECONDS` mutates for longer, `CHRONUS_FUZZ_SEED` otherwise.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chronus_fuzz::mutate::mutate;
use chronus_fuzz::{TARGETS, Target, target};

/// Mutations are no longer than this.
const BYTES_MOST: usize = 4096;

fn found(target: Target) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/found").join(target.name);
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    files.map(|file| file.expect("a file").path()).collect()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a whole number"))
}

/// As many as take a second or so: the same on every machine, however busy it is.
const MUTATIONS: [(&str, u64); 8] = [
    ("osc_packet", 12_000),
    ("patch_file", 12_000),
    ("journal_file", 16_000),
    ("audio_file", 20_000),
    ("command", 300),
    ("controls", 4_000),
    ("packed_patch", 120_000),
    ("shared_regions", 500),
];

fn check(name: &str) {
    let target = target(name);
    let mut seeds = (target.seeds)();
    assert!(!seeds.is_empty());
    seeds.extend(found(target).iter().map(|path| std::fs::read(path).expect("it can be read")));
    for seed in &seeds {
        (target.run)(seed);
    }
    let seed = number("CHRONUS_FUZZ_SEED").unwrap_or(1);
    let seconds = number("CHRONUS_FUZZ_SECONDS");
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let (_, most) = MUTATIONS.into_iter().find(|(of, _)| *of == name).expect("so many");
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut count = 0_u64;
    while end.map_or(count < most, |end| Instant::now() < end) {
        let bytes = mutate(&seeds, &mut rng, BYTES_MOST);
        let attempt = std::panic::catch_unwind(|| (target.run)(&bytes));
        if let Err(panic) = attempt {
            let path = std::env::temp_dir().join(format!("chronus-{name}-{seed}-{count}"));
            std::fs::write(&path, &bytes).expect("the folder for temporary files can be written");
            eprintln!("the bytes are in {}", path.display());
            std::panic::resume_unwind(panic);
        }
        count += 1;
    }
    println!("{name}: {} seeds, {count} mutations", seeds.len());
}

#[test]
fn osc_packets() {
    check("osc_packet");
}

#[test]
fn patch_files() {
    check("patch_file");
}

#[test]
fn journal_files() {
    check("journal_file");
}

#[test]
fn audio_files() {
    check("audio_file");
}

#[test]
fn commands() {
    check("command");
}

#[test]
fn controls() {
    check("controls");
}

#[test]
fn packed_patches() {
    check("packed_patch");
}

#[test]
fn shared_regions() {
    check("shared_regions");
}

#[test]
fn every_target_is_fuzzed() {
    for target in TARGETS {
        let file = format!("../../fuzz/targets/{}.rs", target.name);
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(file).exists(), "{}", target.name);
        assert!(MUTATIONS.iter().any(|(of, _)| *of == target.name), "{}", target.name);
    }
}
