//! Writes the seeds of all targets to where `cargo fuzz` looks for them: `fuzz/corpus/TARGET`.

#![forbid(unsafe_code)]

use std::io;
use std::path::Path;

use chronus_fuzz::TARGETS;

fn main() -> io::Result<()> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    for target in TARGETS {
        let folder = fuzz.join("corpus").join(target.name);
        std::fs::create_dir_all(&folder)?;
        let seeds = (target.seeds)();
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
        println!("{}: {} seeds", target.name, seeds.len());
    }
    Ok(())
}
