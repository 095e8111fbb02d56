//! OSC packets to requests, and answers to OSC packets. Pure functions over bytes: no socket in here,
//! and no bytes that can make it panic.

#![forbid(unsafe_code)]

pub mod address;
mod arguments;
mod chaos;
mod decode;
mod edits;
mod notes;
mod pattern;
mod reading;
mod record;
mod reply;
mod shortened;

pub use arguments::{encode_arguments, message};
pub use decode::{Decoded, Failure, Timed, decode};
pub use edits::PatchRequest;
pub use reply::{
    MOST_DATAGRAM_BYTES, Reply, Value, done, event, fail, meter_reply, parse_reply, pong,
    record_reply, status_reply, version_reply, wait,
};
pub use shortened::shortened;

use chronus_engine::{Command, Handle};
pub use rosc::OscType;

/// What a sender asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Something for the command log.
    Command(Command),
    /// A text for a module, found right.
    Text {
        /// Whose.
        module: Handle,
        /// Which one, by its position in the spec.
        text: u8,
        /// The text.
        value: String,
    },
    /// What a module tells, under these names.
    Meter {
        /// Which module.
        module: Handle,
        /// Its id.
        id: String,
        /// The names of its values.
        names: Vec<&'static str>,
    },
    /// Something about the patch itself.
    Patch(PatchRequest),
    /// The state of the engine.
    Status,
    /// To be told of events from now on, or not any more.
    Events(bool),
    /// A fault, on purpose.
    Chaos(Chaos),
    /// A sign of life; the arguments come back.
    Ping(Vec<OscType>),
    /// Name and version.
    Version,
    /// Something for the recorder.
    Record(Record),
}

/// What the recorder shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Begin a recording.
    Start {
        /// The file within the folder of recordings; without it the date and the time.
        file: Option<String>,
        /// The format of the samples, as a word; without it that of the engine.
        format: Option<String>,
    },
    /// End it.
    Stop,
    /// Tell how it is.
    Status,
}

/// A fault to cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chaos {
    /// Send a signal to a worker.
    Kill {
        /// Whom.
        target: Target,
        /// Which signal, by its Linux number.
        signal: i32,
    },
    /// Have a worker crash by itself.
    Crash {
        /// Who.
        target: Target,
        /// How.
        how: Crash,
    },
}

/// Which worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The one that goes first.
    Primary,
    /// One that does not.
    Standby,
    /// The one in this slot.
    Slot(u8),
    /// All of them in the same moment.
    Workers,
    /// The checkpoints.
    Checkpoints,
    /// Workers and checkpoints.
    Everybody,
    /// The supervisor itself.
    Supervisor,
}

/// How a worker crashes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// A write to an address that is not mapped.
    Segfault,
    /// A panic.
    Panic,
    /// An abort.
    Abort,
    /// An endless loop.
    Loop,
    /// An endless sleep.
    Sleep,
    /// Not a crash, but a bit of its state that flips.
    Flip,
}
