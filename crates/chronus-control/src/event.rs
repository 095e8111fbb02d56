//! What happens, told to everybody who listens.

use serde::{Deserialize, Serialize};

use crate::Value;

/// What happened to the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClockChange {
    /// The machine was suspended.
    Suspended,
    /// The wall clock was set.
    Set,
}

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// Nobody was run.
    Stall {
        /// For so long.
        ms: f64,
        /// On which core; -1 for the machine as a whole.
        core: f64,
        /// Up to this frame of the performance.
        frame: u64,
    },
    /// Blocks were not there in time.
    Gap {
        /// How many.
        blocks: u64,
        /// How many of them because the machine stood still.
        stalled: u64,
        /// For how long it did at most.
        ms: f64,
    },
    /// The journal is written, waits, or has ended.
    Journal {
        /// Which of these.
        state: String,
        /// Why.
        reason: String,
    },
    /// The clock jumped.
    Clock {
        /// How.
        change: ClockChange,
        /// By so much.
        seconds: f64,
    },
    /// Something is amiss with the processes, or is well again.
    Alarm {
        /// What it is called.
        name: String,
        /// A sentence.
        text: String,
    },
    /// A module was bypassed.
    Bypass {
        /// Which.
        module: String,
        /// Why.
        reason: String,
    },
    /// A command was withheld.
    Withheld {
        /// Its number in the log.
        sequence: u64,
        /// Why.
        reason: String,
    },
    /// An edit was withdrawn before anybody played it.
    Withdrawn {
        /// Its number.
        edit: u32,
        /// Why.
        reason: String,
    },
    /// Somebody has set something. Told to those who asked for changes, not with the other events.
    Changed {
        /// The module; `transport` and `output` for what belongs to none.
        module: String,
        /// Its parameter, its text, or `gate`, `note` or the like.
        what: String,
        /// What it was set to.
        value: Value,
        /// The frame at which that takes effect.
        frame: u64,
        /// Who has done it.
        by: String,
    },
    /// Another edition of the patch is in order.
    Edit {
        /// Its number.
        number: u32,
        /// Who made it.
        author: String,
        /// Why.
        reason: String,
    },
    /// A module that was bypassed tries again.
    Enable {
        /// Which.
        module: String,
    },
    /// The output is there, away, or another.
    Device {
        /// Which of these.
        what: String,
        /// What it is, or why.
        text: String,
    },
}

impl Event {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stall { .. } => "stall",
            Self::Gap { .. } => "gap",
            Self::Journal { .. } => "journal",
            Self::Clock { .. } => "clock",
            Self::Alarm { .. } => "alarm",
            Self::Bypass { .. } => "bypass",
            Self::Withheld { .. } => "withheld",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Changed { .. } => "changed",
            Self::Edit { .. } => "edit",
            Self::Enable { .. } => "enable",
            Self::Device { .. } => "device",
        }
    }

    /// What there is to say about it, in the order of its fields.
    pub fn values(&self) -> Vec<Value> {
        let text = |text: &str| Value::Text(text.to_owned());
        match self {
            Self::Stall { ms, core, frame } => {
                vec![Value::Figure(*ms), Value::Figure(*core), Value::Count(*frame)]
            }
            Self::Gap { blocks, stalled, ms } => {
                vec![Value::Count(*blocks), Value::Count(*stalled), Value::Figure(*ms)]
            }
            Self::Clock { change, seconds } => {
                let change = match change {
                    ClockChange::Suspended => "suspended",
                    ClockChange::Set => "set",
                };
                vec![text(change), Value::Figure(*seconds)]
            }
            Self::Withheld { sequence, reason } => vec![Value::Count(*sequence), text(reason)],
            Self::Withdrawn { edit, reason } => {
                vec![Value::Count(u64::from(*edit)), text(reason)]
            }
            Self::Changed { module, what, value, frame, by } => {
                vec![text(module), text(what), value.clone(), Value::Count(*frame), text(by)]
            }
            Self::Edit { number, author, reason } => {
                vec![Value::Count(u64::from(*number)), text(author), text(reason)]
            }
            Self::Enable { module } => vec![text(module)],
            Self::Journal { state: first, reason: second }
            | Self::Alarm { name: first, text: second }
            | Self::Bypass { module: first, reason: second }
            | Self::Device { what: first, text: second } => vec![text(first), text(second)],
        }
    }
}
