//! `cargo xtask vectors`: finds gathers and scatters in the program. They take as long as doing each channel by itself, and
//! stand where a compiler has turned a loop inside out; only look-ups in tables may have them.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;

/// What is looked at.
#[derive(Args)]
pub struct Vectors {
    /// The program; if none is named, `target/release/chronus` is built
    program: Option<PathBuf>,
}

/// Places where they are right, such as look-ups in a table: the end of a source's path, and why.
type Right<'a> = &'a [(&'a str, &'a str)];

/// There are none: look-ups go channel by channel, which takes no longer.
const RIGHT: Right<'static> = &[];

/// Sources that serve all kernels, and so say nothing of the one that they are inlined into.
const HELPERS: [&str; 6] = [
    "core/src/lanes/",
    "core/src/simd.rs",
    "core/src/math.rs",
    "core/src/io.rs",
    "core/src/smooth.rs",
    "core/src/fused.rs",
];

/// Instructions by the source that they come from, and how many of each.
type Found = BTreeMap<String, BTreeMap<String, usize>>;

/// Looks through the program, and prints what it finds. False if something stands where nothing is listed.
pub fn run(options: &Vectors) -> Result<bool, Box<dyn Error>> {
    let program = if let Some(program) = &options.program {
        program.clone()
    } else {
        crate::build()?;
        crate::engine::program()?
    };
    if !program.is_file() {
        return Err(format!("{} is no program: build it first", program.display()).into());
    }
    let text = output_of("objdump", &["--disassemble", "--no-show-raw-insn"], &program, "")?;
    let places: Vec<_> = text.lines().filter_map(gather_or_scatter).collect();
    let addresses: Vec<_> = places.iter().map(|(address, _)| *address).collect();
    let options = ["--inlines", "--addresses", "--exe"];
    let sources = output_of("addr2line", &options, &program, &addresses.join("\n"))?;
    let sources = innermost_sources(&sources);
    let mut found = Found::new();
    for (address, name) in &places {
        let source = sources.get(*address).cloned().unwrap_or_else(|| "unknown".to_owned());
        *found.entry(source).or_default().entry((*name).to_owned()).or_default() += 1;
    }
    Ok(tell(&found, RIGHT))
}

/// Prints what was found. Whether all of it is right.
fn tell(found: &Found, right: Right<'_>) -> bool {
    let mut is_right = true;
    for (source, instructions) in found {
        let what: Vec<_> = instructions.iter().map(|(name, n)| format!("{n} {name}")).collect();
        let reason = right.iter().find(|(end, _)| source.ends_with(end)).map(|(_, reason)| *reason);
        is_right &= reason.is_some();
        let reason = reason.unwrap_or(
            "NOT LISTED: write the loop with lanes, or list the place with a reason in xtask/src/vectors.rs",
        );
        println!("{source}: {}: {reason}", what.join(", "));
    }
    if found.is_empty() {
        println!("no gather and no scatter anywhere");
    }
    is_right
}

/// Address and name of such an instruction, in a line of a disassembly.
fn gather_or_scatter(line: &str) -> Option<(&str, &str)> {
    let (address, instruction) = line.split_once(":\t")?;
    let name = instruction.split_ascii_whitespace().next()?;
    let is_one = name.starts_with('v') && (name.contains("gather") || name.contains("scatter"));
    is_one.then_some((address.trim(), name))
}

/// For each address the source of this project that is nearest to it, of those inlined into each other there.
fn innermost_sources(text: &str) -> BTreeMap<String, String> {
    let mut sources = BTreeMap::new();
    let mut address = String::new();
    for line in text.lines() {
        if let Some(digits) = line.strip_prefix("0x") {
            digits.trim_start_matches('0').clone_into(&mut address);
        } else if let Some(source) = project_source(line) {
            let is_helper = HELPERS.iter().any(|helper| source.contains(helper));
            if !is_helper {
                sources.entry(address.clone()).or_insert(source);
            }
        }
    }
    sources
}

/// The path below `crates/` of a `path:line`.
fn project_source(line: &str) -> Option<String> {
    let path = line.rsplit_once(':')?.0;
    path.rsplit_once("crates/").map(|(_, path)| path.to_owned())
}

/// What a program of binutils says of `program`, given `input`.
fn output_of(
    tool: &str,
    options: &[&str],
    program: &Path,
    input: &str,
) -> Result<String, Box<dyn Error>> {
    let mut command = Command::new(tool);
    command.args(options).arg(program).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| format!("{tool} can't be run ({error}): apt-get install binutils"))?;
    let mut to = child.stdin.take().ok_or("no input")?;
    let input = input.to_owned();
    let feed = std::thread::spawn(move || to.write_all(input.as_bytes()));
    let output = child.wait_with_output()?;
    // Whoever does not read does not care.
    let _ = feed.join();
    if !output.status.success() {
        return Err(format!("{tool} {}: {}", program.display(), output.status).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathers_and_scatters_are_found_in_a_disassembly() {
        let found = |line| gather_or_scatter(line);
        let gather = "  4a1b20:\tvgatherdps (%rdi,%zmm1,4),%zmm0{%k1}";
        assert_eq!(found(gather), Some(("4a1b20", "vgatherdps")));
        let scatter = "  4a1b27:\tvpscatterqd %ymm2,(%rax,%zmm3,1){%k2}";
        assert_eq!(found(scatter), Some(("4a1b27", "vpscatterqd")));
        assert_eq!(found("  4a1b2e:\tvmulps %zmm1,%zmm0,%zmm0"), None);
        assert_eq!(found("00000000004a1b20 <gather>:"), None);
        assert_eq!(found("  4a1b30:\tcall 4a1b20 <vgather>"), None);
    }

    #[test]
    fn the_kernel_is_named_that_the_instruction_was_inlined_into() {
        let text = "0x00000000004a1b20\n/rust/core/src/slice.rs:3\n/home/x/crates/chronus-dsp/core/src/io.rs:7\n\
                    /home/x/crates/chronus-dsp/filter/src/svf.rs:88 (discriminator 2)\n\
                    /home/x/crates/chronus-dsp/core/src/simd.rs:9\n0x0000000000000010\n??:0\n";
        let sources = innermost_sources(text);
        assert_eq!(sources["4a1b20"], "chronus-dsp/filter/src/svf.rs");
        assert!(!sources.contains_key("10"), "it is nobody's");
    }

    #[test]
    fn what_is_not_listed_is_not_right() {
        let one = |source: &str| {
            let instructions = BTreeMap::from([("vgatherdps".to_owned(), 1)]);
            Found::from([(source.to_owned(), instructions)])
        };
        let right: Right<'_> = &[("oscillator/src/sample.rs", "looks up a table")];
        assert!(tell(&Found::new(), right));
        assert!(tell(&one("chronus-dsp/oscillator/src/sample.rs"), right));
        assert!(!tell(&one("chronus-dsp/oscillator/src/sine.rs"), right));
    }
}
