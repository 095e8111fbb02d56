//! A module that does harm when it is told to, for trials of what becomes of that.
//!
//! Deeds that could end a process are done only where somebody has armed them, as a worker does: elsewhere,
//! in an offline rendering above all, the module lets its signal pass.

use std::sync::OnceLock;

use crate::io::Io;
use crate::module::{Module, ModuleSpec, ParamSpec, PortSpec, TextSpec};
use crate::names;

/// The kind `fault`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "fault",
    summary: "Does harm when told to, to try what becomes of it; otherwise the signal passes. Played only with \
              `--allow-chaos`; `chronus render` plays it as it is.",
    inputs: &[PortSpec::audio("in", "the signal")],
    outputs: &[PortSpec::audio("out", "the signal")],
    params: &[ParamSpec::choice(
        "deed",
        &NAMES,
        "what is done as the gate opens, while rendering; what is wrong with the signal is so until it closes",
    )],
    gate: true,
    bypass: &[(0, 0)],
    texts: &[TextSpec {
        name: "at_once",
        default: "none",
        doc: "a deed that is done while this text is being set, not while rendering",
        check: |text| {
            let names = || NAMES.iter().copied();
            let wrong =
                || format!("there is no deed `{text}`; {}", names::instead(text, "deeds", names()));
            Deed::by_name(text).map(|_| ()).ok_or_else(wrong)
        },
        shortened: None,
    }],
    ..ModuleSpec::BARE
};

const DEED: usize = 0;
/// No module may be as loud.
const RUNAWAY: f32 = 1e9;
/// Slows down arithmetic that does not take it for 0.
const DENORMAL: f32 = 1e-40;

/// What the module can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Nothing.
    None,
    /// Writes where no memory is.
    Segfault,
    /// Panics.
    Panic,
    /// Aborts.
    Abort,
    /// Computes for ever.
    Loop,
    /// Sleeps for ever.
    Sleep,
    /// Yields what is no number.
    Nan,
    /// Yields infinity.
    Infinity,
    /// Yields what is far too loud.
    Runaway,
    /// Yields numbers so small that arithmetic with them may be slow.
    Denormals,
    /// Calls itself until the stack is used up.
    StackOverflow,
    /// Allocates where nobody may.
    Allocate,
    /// Writes into the command log.
    WriteLog,
    /// Writes into the slots of other workers.
    WriteSlot,
    /// Makes a system call that nobody has permitted.
    SystemCall,
    /// Makes processes without end.
    ForkBomb,
    /// Has the slot of the worker grow over those of others.
    GrowSlot,
}

/// All deeds, as they are counted.
const DEEDS: [(&str, Deed); 17] = [
    ("none", Deed::None),
    ("segfault", Deed::Segfault),
    ("panic", Deed::Panic),
    ("abort", Deed::Abort),
    ("loop", Deed::Loop),
    ("sleep", Deed::Sleep),
    ("nan", Deed::Nan),
    ("infinity", Deed::Infinity),
    ("runaway", Deed::Runaway),
    ("denormals", Deed::Denormals),
    ("stack-overflow", Deed::StackOverflow),
    ("allocate", Deed::Allocate),
    ("write-log", Deed::WriteLog),
    ("write-slot", Deed::WriteSlot),
    ("system-call", Deed::SystemCall),
    ("fork-bomb", Deed::ForkBomb),
    ("grow-slot", Deed::GrowSlot),
];

static NAMES: [&str; DEEDS.len()] = {
    let mut names = [""; DEEDS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = DEEDS[at].0;
        at += 1;
    }
    names
};

static PERFORM: OnceLock<fn(Deed)> = OnceLock::new();

/// From here on, deeds are done in this process, by this function.
pub fn arm(perform: fn(Deed)) {
    let _ = PERFORM.set(perform);
}

impl Deed {
    fn by_name(name: &str) -> Option<Self> {
        DEEDS.iter().find(|(known, _)| *known == name).map(|(_, deed)| *deed)
    }

    /// Does it, unless it is one that is heard.
    fn perform(self) {
        match self {
            Self::None | Self::Nan | Self::Infinity | Self::Runaway | Self::Denormals => {}
            Self::Allocate => drop(std::hint::black_box(Vec::<u8>::with_capacity(4096))),
            deed => {
                if let Some(perform) = PERFORM.get() {
                    perform(deed);
                }
            }
        }
    }

    /// What is heard instead of a sample.
    fn heard(self, sample: f32) -> f32 {
        match self {
            Self::Nan => f32::NAN,
            Self::Infinity => f32::INFINITY,
            Self::Runaway => RUNAWAY,
            Self::Denormals => DENORMAL.copysign(sample),
            _ => sample,
        }
    }
}

/// See [`SPEC`].
pub struct Fault<const C: usize> {
    open: bool,
    /// The gate has opened, and nothing was rendered since.
    due: bool,
}

impl<const C: usize> Fault<C> {
    /// It has done nothing yet.
    pub fn new(_rate_hz: u32) -> Self {
        Self { open: false, due: false }
    }
}

impl<const C: usize> Module for Fault<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        (self.open, self.due) = (false, false);
    }

    fn set_gate(&mut self, open: bool) {
        (self.open, self.due) = (open, self.due || open);
    }

    fn set_text(&mut self, _text: usize, value: &str) {
        Deed::by_name(value).unwrap_or(Deed::None).perform();
    }

    fn process(&mut self, io: &mut Io<'_>) {
        let chosen = io.param::<C>(DEED).at(0)[0] as usize;
        let deed = DEEDS.get(chosen).map_or(Deed::None, |(_, deed)| *deed);
        let ([input], [out]) = io.ports::<C, 1, 1>();
        if out.is_empty() {
            return;
        }
        if self.due {
            self.due = false;
            deed.perform();
        }
        let deed = if self.open { deed } else { Deed::None };
        for (out, input) in out.iter_mut().zip(input) {
            *out = input.map(|sample| deed.heard(sample));
        }
    }
}
