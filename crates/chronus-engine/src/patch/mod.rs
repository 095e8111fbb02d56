//! The instrument's text: modules, their first parameters, the cables between them, and what is
//! heard. docs/patch-files.md is its reference.

mod error;
mod order;
mod read;

use chronus_dsp::catalog::CatalogEntry;
use chronus_dsp::{Module, ModuleSpec};

pub use error::PatchError;

/// The version of the patch file format that is read.
pub const FORMAT: i64 = 1;

/// As many modules as a patch may have.
pub const MODULES_MAX: usize = 1024;

/// A patch that was read and found right: every name leads somewhere, every value is in its range,
/// and the cables run in no circle.
#[derive(Clone, Debug)]
pub struct Patch {
    text: String,
    name: String,
    modules: Vec<PatchModule>,
    cables: Vec<Cable>,
    left: OutputPort,
    right: OutputPort,
    order: Vec<usize>,
}

/// A module of a patch.
#[derive(Clone, Debug)]
pub struct PatchModule {
    id: String,
    entry: &'static CatalogEntry,
    params: Vec<f32>,
}

/// An output of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputPort {
    /// The position of the module in the patch.
    pub module: usize,
    /// The position of the output in its spec.
    pub output: usize,
}

/// An input of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputPort {
    /// The position of the module in the patch.
    pub module: usize,
    /// The position of the input in its spec.
    pub input: usize,
}

/// A cable. Several may leave an output, and several that end at one input are summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cable {
    /// Where the signal comes from.
    pub from: OutputPort,
    /// Where it goes.
    pub to: InputPort,
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

    /// A new module of this kind, at the default parameters of the kind.
    pub(crate) fn construct(&self, rate_hz: u32) -> Box<dyn Module> {
        self.entry.construct(rate_hz)
    }
}
