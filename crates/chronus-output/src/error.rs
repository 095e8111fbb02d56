//! Why a device cannot be had: one sentence that says what to do.

use std::{io, path::PathBuf};

/// Why a device could not be connected, started or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// No such server or library on this machine.
    #[error("{output} does not answer: {reason}; {mend}")]
    Absent {
        /// Its name, for example `JACK`.
        output: &'static str,
        /// What was tried and seen.
        reason: String,
        /// What a person can do.
        mend: String,
    },
    /// None of those that `auto` tries.
    #[error(
        "no sound server answers; start PipeWire, PulseAudio or JACK, or choose an output with --output; \
         `chronus doctor` tells what was tried"
    )]
    Nobody,
    /// The server is there but does not give what was asked for.
    #[error("{output} refuses: {reason}")]
    Refused {
        /// Its name, for example `JACK`.
        output: &'static str,
        /// Why, and what would be right.
        reason: String,
    },
    /// An option out of range.
    #[error("{0}")]
    BadOption(String),
    /// A back end that this program was built without.
    #[error(
        "{output} is not built in; build with `cargo build --release --features \
         cpal`, which needs libasound2-dev"
    )]
    NotBuiltIn {
        /// The output.
        output: &'static str,
    },
    /// A WAV file that cannot be written.
    #[error("can't write {}: {source}; choose a file in a folder that exists and is writable", path.display())]
    Wav {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Free running asked of a device that has a clock of its own.
    #[error("{0} has its own clock and can't run free; use the output `null` or `wav:FILE`")]
    NotFree(String),
    /// A device plays one source in its life.
    #[error("this device was started already; connect another one")]
    AlreadyStarted,
    /// The system gave no thread.
    #[error("can't start the {what} thread: {source}")]
    Thread {
        /// Its task.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl OutputError {
    /// Whether it may be otherwise later, though nothing else is asked for.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Absent { .. } | Self::Nobody | Self::Refused { .. })
    }

    /// Whether somebody is there, who refuses.
    pub(crate) fn is_refusal(&self) -> bool {
        !matches!(self, Self::Absent { .. } | Self::Nobody)
    }
}
