//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use chronus_os::peer::Peer;
use chronus_output::{OutputSpec, WavFormat};
use clap::{Parser, Subcommand};

use crate::content::MEMORY_MIB;
use crate::osc::address as osc_address;
use crate::processes::adapters::AdapterSpec;
use crate::processes::lead::LeadSpec;
use crate::processes::worker::WorkerArgs;

/// A headless modular synthesizer that cannot be stopped, played over OSC.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Action,
}

/// The command line without what `help` can't read: who types `help --help` wants help.
pub fn readable(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<_> = words.collect();
    if words.get(1).is_some_and(|word| word == "help") {
        words.retain(|word| word != "--help" && word != "-h");
    }
    words
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Play, until SIGTERM or Ctrl-C
    Run(RunArgs),
    /// Play a phrase while its workers are killed, and prove that not a sample differs
    Demo(DemoArgs),
    /// Render a journal or a patch to a WAV file, offline, bit for bit what was heard
    Render(RenderArgs),
    /// Look after journals
    #[command(subcommand)]
    Journal(JournalAction),
    /// Read patch files and tell where they are wrong, without playing them
    Check(CheckArgs),
    /// Draw a patch as an SVG picture
    Graph(GraphArgs),
    /// The reference of all kinds of module
    Modules(ModulesArgs),
    /// Ask a running engine how it is
    Status(StatusArgs),
    /// Print what happens in a running engine: bypassed modules, lost devices and the like
    Events(StatusArgs),
    /// Send an OSC message to a running engine
    Send(SendArgs),
    /// Kill a worker of a running engine that was started with --allow-chaos
    Kill(KillArgs),
    /// Find out what this machine lacks and how late it is, and what to type to mend it
    Doctor(DoctorArgs),
    /// Owns the device and watches the workers; started by `chronus run`
    #[command(hide = true)]
    Supervisor(SupervisorArgs),
    /// A worker process; started by the supervisor
    #[command(hide = true)]
    Worker(WorkerArgs),
}

/// How to play.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    /// The patch file; without it the built-in patch `first`
    #[arg(long, value_name = "FILE")]
    pub patch: Option<PathBuf>,
    /// Play what the patch file says each time that it is saved
    #[arg(long)]
    pub watch: bool,
    /// Where /patch/load and /patch/save find patches, and patches their recordings; without it the folder of the
    /// patch file
    #[arg(long, value_name = "DIR")]
    pub patches: Option<PathBuf>,
    /// auto, jack, pulse (`PipeWire` too), null, wav:FILE (replaces a file of that name), or alsa where built in
    #[arg(long, default_value = "auto")]
    pub output: OutputSpec,
    /// The sample rate; without it that of the device
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u32).range(8_000..=384_000))]
    pub rate: Option<u32>,
    /// Frames per audio callback, where the device lets itself be asked
    #[arg(long, value_name = "FRAMES", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub period: Option<u32>,
    /// How far the workers are ahead of the device, which is how long a stall of the machine is borne: auto (what
    /// the machine needs, measured before the sound begins), blocks of 64 frames such as 4, or a time such as 12ms
    #[arg(long, value_name = "LEAD", default_value_t, allow_hyphen_values = true)]
    pub lead: LeadSpec,
    /// How many replicas render the sound
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=4))]
    pub replicas: u8,
    /// Where to listen for OSC, if not on 127.0.0.1:5005 or where `CHRONUS_OSC_HOST` and
    /// `CHRONUS_OSC_PORT` say: a UDP port, a unix socket for this user alone, or one of each if given twice
    #[arg(long, value_name = "ADDR:PORT|unix:PATH", value_parser = osc_address::parse)]
    pub osc: Vec<Peer>,
    /// Write the performance journal to this file; one that is there is kept as NAME-1.journal and so on
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// Also write what is played to this WAV file, with any output; replaces a file of that name
    #[arg(long, value_name = "FILE")]
    pub capture: Option<PathBuf>,
    /// The folder for what /record/start records; created when it is needed
    #[arg(long, value_name = "DIR", default_value = "recordings")]
    pub recordings: PathBuf,
    /// How much memory the recordings that patches play may take in all, in MiB
    #[arg(long, value_name = "MIB", default_value_t = MEMORY_MIB, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub sample_memory: u64,
    /// How recordings are written: f32 (32-bit float) or 24 (24-bit integer)
    #[arg(long, value_name = "FORMAT", default_value_t)]
    pub record_format: WavFormat,
    /// Pull as fast as the replicas deliver instead of in real time (null and wav only)
    #[arg(long)]
    pub free_run: bool,
    /// End by itself after so many seconds of sound
    #[arg(long, value_parser = seconds, allow_negative_numbers = true)]
    pub seconds: Option<f64>,
    /// Start this program, and start it again when it ends: it speaks the control socket on its standard input. Its
    /// clients may do what is granted: play, edit, chaos or none
    #[arg(long, hide = true, value_name = "GRANTS:PROGRAM")]
    pub adapter: Vec<AdapterSpec>,
    /// End when this process does, which must have started it
    #[arg(long, hide = true, value_name = "PID")]
    pub end_with: Option<u32>,
    /// Obey /chaos/… messages, which kill workers, and play patches with the module `fault`, which crashes them
    #[arg(long)]
    pub allow_chaos: bool,
}

/// How to play, and for whom.
#[derive(Clone, Debug, clap::Args)]
pub struct SupervisorArgs {
    /// The keeper's process id
    #[arg(long)]
    pub keeper: u32,
    #[command(flatten)]
    pub run: RunArgs,
}

/// How to demonstrate.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// How long to play
    #[arg(long, default_value_t = 15.0, value_parser = up_to_an_hour, allow_negative_numbers = true)]
    pub seconds: f64,
    /// The folder for demo.wav, demo.journal and demo.svg
    #[arg(long, value_name = "DIR", default_value = "demo")]
    pub out: PathBuf,
    /// How far the workers are ahead of the device: as for `run`
    #[arg(long, value_name = "LEAD", default_value_t, allow_hyphen_values = true)]
    pub lead: LeadSpec,
    /// The seed of the kills
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where it is to be heard; `auto` falls back to `null`, and the WAV file is written in any case
    #[arg(long, default_value = "auto")]
    pub output: OutputSpec,
}

/// How to examine.
#[derive(Clone, Debug, clap::Args)]
pub struct DoctorArgs {
    /// How long to measure
    #[arg(long, default_value_t = 5.0, value_parser = seconds, allow_negative_numbers = true)]
    pub seconds: f64,
    /// Where an engine that runs listens, if not on 127.0.0.1:5005 or where `CHRONUS_OSC_HOST` and
    /// `CHRONUS_OSC_PORT` say
    #[arg(long, value_name = "ADDR:PORT|unix:PATH", value_parser = osc_address::parse)]
    pub osc: Option<Peer>,
}

/// What to render.
#[derive(Clone, Debug, clap::Args)]
pub struct RenderArgs {
    /// A journal or a patch file
    pub input: PathBuf,
    /// The WAV file to write
    #[arg(short, long, value_name = "FILE.wav", required_unless_present = "stems")]
    pub output: Option<PathBuf>,
    /// Write a WAV file for each bus of the patch into this folder
    #[arg(long, value_name = "DIR")]
    pub stems: Option<PathBuf>,
    /// How much to render; a journal has its own length, a patch without it 10 seconds
    #[arg(long, value_parser = seconds, allow_negative_numbers = true)]
    pub seconds: Option<f64>,
    /// The sample rate; without it that of the journal, or 48000 for a patch
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u32).range(8_000..=384_000))]
    pub rate: Option<u32>,
}

/// What to do with journals.
#[derive(Clone, Debug, Subcommand)]
pub enum JournalAction {
    /// Remove kept recordings that no journal beside them names any more, and say which
    Prune {
        /// A journal, such as night.journal; what is kept for it lies in night.recordings
        #[arg(value_name = "NAME")]
        name: PathBuf,
    },
}

/// What to check.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// The patch files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// What to draw.
#[derive(Clone, Debug, clap::Args)]
pub struct GraphArgs {
    /// The patch file
    #[arg(value_name = "FILE")]
    pub input: PathBuf,
    /// The picture to write; without it one in the current folder, called like the patch file
    #[arg(short, long, value_name = "FILE.svg")]
    pub output: Option<PathBuf>,
}

/// What to look up.
#[derive(Clone, Debug, clap::Args)]
pub struct ModulesArgs {
    /// The kind of module to tell all about; without it, a line for each kind
    #[arg(value_name = "KIND")]
    pub name: Option<String>,
    /// The whole reference, as in docs/modules.md
    #[arg(long, conflicts_with = "name")]
    pub markdown: bool,
}

/// Which engine, and in which form.
#[derive(Clone, Debug, clap::Args)]
pub struct StatusArgs {
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// Where the engine listens, if not on 127.0.0.1:5005 or where `CHRONUS_OSC_HOST` and
    /// `CHRONUS_OSC_PORT` say
    #[arg(long, value_name = "ADDR:PORT|unix:PATH", value_parser = osc_address::parse)]
    pub osc: Option<Peer>,
}

/// What to send.
#[derive(Clone, Debug, clap::Args)]
pub struct SendArgs {
    /// An address, such as /mod/sine/freq
    pub address: String,
    /// Numbers, true, false, text; i: h: f: d: s: in front forces a type
    #[arg(allow_hyphen_values = true)]
    pub arguments: Vec<String>,
    /// Where the engine listens, if not on 127.0.0.1:5005 or where `CHRONUS_OSC_HOST` and
    /// `CHRONUS_OSC_PORT` say
    #[arg(long, value_name = "ADDR:PORT|unix:PATH", value_parser = osc_address::parse)]
    pub osc: Option<Peer>,
}

impl SendArgs {
    /// The arguments, and where to send them. Texts may begin with `-`, so behind the first argument everything
    /// is one; `--osc` is meant for this program all the same.
    ///
    /// # Errors
    /// A sentence, if `--osc` names no address.
    pub fn parted(&self) -> Result<(Vec<String>, Option<Peer>), String> {
        let (mut words, mut osc) = (Vec::new(), self.osc);
        let mut rest = self.arguments.iter();
        while let Some(word) = rest.next() {
            let place = match word.strip_prefix("--osc") {
                Some("") => rest.next().ok_or("--osc lacks an address, such as 127.0.0.1:5005")?,
                Some(place) if place.starts_with('=') => &place[1..],
                _ => {
                    words.push(word.clone());
                    continue;
                }
            };
            osc =
                Some(osc_address::parse(place).map_err(|error| format!("--osc {place}: {error}"))?);
        }
        Ok((words, osc))
    }
}

/// Whom to kill.
#[derive(Clone, Debug, clap::Args)]
pub struct KillArgs {
    /// primary, standby, a slot number, workers, checkpoints, everybody or supervisor
    pub target: String,
    /// KILL, STOP, CONT, TERM, SEGV, BUS, ILL, FPE or ABRT
    #[arg(long, default_value = "KILL")]
    pub signal: String,
    /// Where the engine listens, if not on 127.0.0.1:5005 or where `CHRONUS_OSC_HOST` and
    /// `CHRONUS_OSC_PORT` say
    #[arg(long, value_name = "ADDR:PORT|unix:PATH", value_parser = osc_address::parse)]
    pub osc: Option<Peer>,
}

/// How long something shall last.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds > 0.0 => Ok(seconds),
        _ => Err("give a number of seconds greater than 0, such as 10 or 0.5".into()),
    }
}

/// What is compared afterwards is held in memory.
fn up_to_an_hour(text: &str) -> Result<f64, String> {
    const HOUR_S: f64 = 3600.0;
    seconds(text).ok().filter(|seconds| *seconds <= HOUR_S).ok_or_else(|| {
        format!(
            "give a number of seconds greater than 0 and at most {HOUR_S:.0}, such as 10 or 0.5"
        )
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn sent(line: &[&str]) -> Result<(Vec<String>, Option<Peer>), String> {
        let line = ["chronus", "send", "/x"].iter().chain(line);
        match Cli::try_parse_from(line).map_err(|error| error.to_string())?.command {
            Action::Send(args) => args.parted(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_in_order() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_about_help_is_help() {
        let kind = |words: &[&str]| {
            let words = ["chronus"].iter().chain(words).map(OsString::from);
            Cli::try_parse_from(readable(words)).expect_err("help").kind()
        };
        for words in [&["help"][..], &["help", "--help"], &["help", "-h", "send"], &["--help"]] {
            assert_eq!(kind(words), clap::error::ErrorKind::DisplayHelp, "{words:?}");
        }
    }

    #[test]
    fn texts_may_begin_with_a_hyphen() {
        let here = "127.0.0.1:5006";
        let osc = || osc_address::parse(here).ok();
        let words = |words: &[&str]| words.iter().copied().map(String::from).collect::<Vec<_>>();
        for texts in [&["-5 0"][..], &["-x.-"], &["-7", "-"], &["x", "-5", "--"]] {
            assert_eq!(sent(texts), Ok((words(texts), None)), "{texts:?}");
            let behind = [texts, &["--osc", here]].concat();
            assert_eq!(sent(&behind), Ok((words(texts), osc())), "{behind:?}");
            let before = [&["--osc", here], texts].concat();
            assert_eq!(sent(&before), Ok((words(texts), osc())), "{before:?}");
        }
        assert_eq!(sent(&["1", "--osc=127.0.0.1:5006"]), Ok((words(&["1"]), osc())));
        let unix = osc_address::parse("unix:/run/osc").ok();
        assert_eq!(sent(&["1", "--osc", "unix:/run/osc"]), Ok((words(&["1"]), unix)));
        assert!(sent(&["1", "--osc"]).is_err_and(|error| error.contains("lacks an address")));
        assert!(sent(&["1", "--osc", "7"]).is_err_and(|error| error.contains("127.0.0.1:7")));
        assert!(sent(&["--osc", "7"]).is_err_and(|error| error.contains("127.0.0.1:7")));
    }

    #[test]
    fn a_length_that_is_none_is_refused_with_a_sentence() {
        for command in [&["run"][..], &["render", "a.journal", "-o", "a.wav"]] {
            let parse = |seconds| {
                let words = [&["chronus"], command, &["--seconds", seconds]].concat();
                Cli::try_parse_from(words)
            };
            for wrong in ["nan", "inf", "0", "-1", "-0.5", "ten"] {
                let error = parse(wrong).expect_err(wrong).to_string();
                assert!(error.contains("greater than 0"), "{wrong}: {error}");
            }
            parse("0.5").expect("half a second");
        }
    }
}
