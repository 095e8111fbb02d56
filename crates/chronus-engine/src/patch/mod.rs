//! The instrument's text: modules, their first parameters, the cables between them, and what is
//! heard. docs/patch-files.md is its reference.

mod error;
mod order;
mod read;

use chronus_dsp::catalog::CatalogEntry;
use chronus_dsp::{Instance, ModuleSpec};

pub use error::PatchError;

/// The version of the patch file format that is read.
pub const FORMAT: i64 = 1;

/// As many modules as a patch may have.
pub const MODULES_MAX: usize = 1024;

/// As many cables as may end at the parameters of one module.
pub const DRIVES_MAX: usize = 32;

/// A patch that was read and found right: every name leads somewhere, every value is in its range,
/// and every cable fits where it ends.
#[derive(Clone, Debug)]
pub struct Patch {
    text: String,
    name: String,
    modules: Vec<PatchModule>,
    cables: Vec<Cable>,
    left: OutputPort,
    right: OutputPort,
    safety: Safety,
    order: Vec<usize>,
}

/// What stands between the patch and the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Safety {
    /// Whether what is constant is taken out.
    pub dc_blocker: bool,
    /// Whether what is too loud is turned down.
    pub limiter: bool,
}

/// A module of a patch.
#[derive(Clone, Debug)]
pub struct PatchModule {
    id: String,
    entry: &'static CatalogEntry,
    params: Vec<f32>,
    channels: usize,
}

/// An output of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputPort {
    /// The position of the module in the patch.
    pub module: usize,
    /// The position of the output in its spec.
    pub output: usize,
}

/// Where a cable may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The position of the module in the patch.
    pub module: usize,
    /// Its input or parameter.
    pub port: TargetPort,
}

/// An input or a parameter of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetPort {
    /// The input at this position of the spec.
    Input(usize),
    /// The parameter at this position of the spec.
    Param(usize),
}

/// A cable. Several may leave an output, and several that end at one place are summed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cable {
    /// Where the signal comes from.
    pub from: OutputPort,
    /// Where it goes.
    pub to: Target,
    /// What the signal is multiplied by. At a parameter in its unit, or in octaves if its curve is
    /// exponential.
    pub depth: f32,
}

impl Patch {
    /// Reads the text of a patch file. `file_name` only appears in errors.
    ///
    /// # Errors
    /// If the text is not TOML or not a patch. The error says where, what was found, and what would
    /// be right.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, PatchError> {
        read::read(text, file_name)
    }

    /// The patch that is played where none is given: `patches/first.toml`.
    ///
    /// # Panics
    /// Never: a test reads it.
    pub fn first() -> Self {
        let text = include_str!("../../../../patches/first.toml");
        Self::parse(text, "patches/first.toml").expect("the patch that comes with the program")
    }

    /// The text that it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its name; "untitled" if the text gives none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The modules in the order of the text.
    pub fn modules(&self) -> &[PatchModule] {
        &self.modules
    }

    /// The cables in the order of the text.
    pub fn cables(&self) -> &[Cable] {
        &self.cables
    }

    /// What is heard on the left.
    pub fn left(&self) -> OutputPort {
        self.left
    }

    /// What stands before the output.
    pub fn safety(&self) -> Safety {
        self.safety
    }

    /// What is heard on the right.
    pub fn right(&self) -> OutputPort {
        self.right
    }

    /// The positions of all modules, each after those whose cables lead to it; otherwise in the
    /// order of the text.
    pub fn order(&self) -> &[usize] {
        &self.order
    }
}

impl PatchModule {
    /// Its name in this patch.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is.
    pub fn spec(&self) -> &'static ModuleSpec {
        self.entry.spec
    }

    /// Its first parameters, as many as its spec has.
    pub fn params(&self) -> &[f32] {
        &self.params
    }

    /// How many channels its ports have.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// A new module of this kind, at the default parameters of the kind.
    pub(crate) fn construct(&self, rate_hz: u32) -> Instance {
        Instance::new(self.entry, rate_hz, self.channels)
    }
}
