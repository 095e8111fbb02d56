//! The instrument's text: modules, their first parameters, the cables between them, and what is
//! heard. docs/patch-files.md is its reference.

mod document;
mod error;
mod former;
mod joining;
pub(crate) mod order;
mod rack;
mod read;
mod recordings;
mod section;
mod succession;
mod syntax;

use chronus_dsp::catalog::{self, CatalogEntry};
use chronus_dsp::tables::Table;
use chronus_dsp::{Instance, ModuleSpec};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::command::Handle;

pub use document::{Document, Setting, module_of};
pub use error::{Mistakes, NamedFile, PatchError, TOLD_MAX};
pub use former::with_former_defaults;
pub use recordings::{ContentDigest, NoDigest, NoRecordings, Recordings};
pub use section::choice_meant;

/// The version of the patch file format that is read.
pub const FORMAT: i64 = 1;

/// As many modules as a patch may have.
pub const MODULES_MAX: usize = 1024;

/// As many cables as may end at the parameters of one module.
pub const DRIVES_MAX: usize = 32;

/// As many cables as a patch may have.
pub const CABLES_MAX: usize = 8192;

/// As many buses as a patch may have.
pub const BUSES_MAX: usize = 64;

/// What [`is_name`] asks for.
pub const NAME_RULE: &str = "write 1 to 64 letters a-z, digits, `_` and `-`";

/// Whether a module or a bus may be called so.
pub fn is_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !name.is_empty() && name.len() <= 64 && name.chars().all(is_allowed)
}

/// A patch that was read and found right: every name leads somewhere, every value is one that can be had,
/// and every cable fits where it ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Patch {
    /// Not sent to workers, who have no use for it.
    #[serde(skip)]
    text: String,
    /// The numbers of the text that were clamped. Only whoever reads it is told.
    #[serde(skip)]
    clamped: Vec<PatchError>,
    name: String,
    modules: Vec<PatchModule>,
    cables: Vec<Cable>,
    left: OutputPort,
    right: OutputPort,
    buses: Vec<Bus>,
    safety: Safety,
    transport: PatchTransport,
    order: Vec<usize>,
    /// The first handle that no module of this performance has had.
    next_handle: u32,
}

/// What stands between the patch and the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Safety {
    /// Whether what is constant is taken out.
    pub dc_blocker: bool,
    /// Whether what is too loud is turned down.
    pub limiter: bool,
}

/// Where musical time stands when the patch begins.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PatchTransport {
    /// Whether it runs.
    pub playing: bool,
    /// Beats per minute.
    pub tempo_bpm: f64,
    /// Beats in a bar.
    pub beats_per_bar: u32,
}

/// Two outputs by a name, of which `chronus render --stems` makes a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bus {
    /// Its name.
    pub name: String,
    /// What is heard of it on the left.
    pub left: OutputPort,
    /// What is heard of it on the right.
    pub right: OutputPort,
}

/// A module of a patch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PatchModule {
    id: String,
    handle: Handle,
    #[serde(serialize_with = "write_kind", deserialize_with = "read_kind")]
    entry: &'static CatalogEntry,
    params: Vec<f32>,
    texts: Vec<String>,
    file: Option<String>,
    /// What the file held when it was read for this module.
    content: Option<ContentDigest>,
    channels: usize,
}

/// An output of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OutputPort {
    /// The position of the module in the patch.
    pub module: usize,
    /// The position of the output in its spec.
    pub output: usize,
}

/// Where a cable may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    /// The position of the module in the patch.
    pub module: usize,
    /// Its input or parameter.
    pub port: TargetPort,
}

/// An input or a parameter of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TargetPort {
    /// The input at this position of the spec.
    Input(usize),
    /// The parameter at this position of the spec.
    Param(usize),
}

/// A cable. Several may leave an output, and several that end at one place are summed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
        Self::parse_all(text, file_name).map_err(Mistakes::into_first)
    }

    /// Reads the text of a patch file as [`Patch::parse`] does, and finds all mistakes of it.
    ///
    /// # Errors
    /// If the text is not TOML or not a patch: every mistake that does not follow from another.
    pub fn parse_all(text: &str, file_name: &str) -> Result<Self, Mistakes> {
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

    /// What was read otherwise than it is written: a sentence for each number that was out of range, with its place.
    pub fn remarks(&self) -> Vec<String> {
        let what = ["number out of range", "numbers out of range"];
        error::sentences(&self.clamped, what, ToString::to_string)
    }

    /// Its name; "untitled" if the text gives none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where in the text a key of a module is set: line and character, both from 1. Modules count in the order of the
    /// text.
    pub fn place_of(&self, module: usize, key: &str) -> Option<(usize, usize)> {
        let document = toml::de::DeTable::parse(&self.text).ok()?;
        let modules = document.get_ref().get("module")?.get_ref().as_array()?;
        let value = modules.get(module)?.get_ref().as_table()?.get(key)?;
        Some(error::place(&self.text, value.span().start))
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

    /// The buses in the order of the text.
    pub fn buses(&self) -> &[Bus] {
        &self.buses
    }

    /// What stands before the output.
    pub fn safety(&self) -> Safety {
        self.safety
    }

    /// Where musical time begins.
    pub fn transport(&self) -> PatchTransport {
        self.transport
    }

    /// A module of a kind that is not for music but for trials, if there is one.
    pub fn trial(&self) -> Option<&PatchModule> {
        self.modules.iter().find(|module| module.entry.is_for_trials())
    }

    /// The tables that its modules read, each once.
    pub fn tables(&self) -> Vec<&'static Table> {
        let mut tables: Vec<&'static Table> = Vec::new();
        for table in self.modules.iter().flat_map(|module| module.spec().tables) {
            if !tables.contains(table) {
                tables.push(table);
            }
        }
        tables
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

    /// What commands call it.
    pub fn handle(&self) -> Handle {
        self.handle
    }

    /// What it is.
    pub fn spec(&self) -> &'static ModuleSpec {
        self.entry.spec
    }

    /// Its first parameters, as many as its spec has.
    pub fn params(&self) -> &[f32] {
        &self.params
    }

    /// Its first texts, as many as its spec has.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The file of the recording that it plays, as the patch names it.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// How many channels its ports have.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// A new module like this one, without its recording, for whoever wants to know what it takes.
    pub fn specimen(&self, rate_hz: u32) -> Instance {
        self.construct(rate_hz, &NoRecordings)
    }

    /// A new module of this kind with its texts and its recording, at the default parameters of the kind.
    pub(crate) fn construct(&self, rate_hz: u32, recordings: &dyn Recordings) -> Instance {
        let mut instance = Instance::new(self.entry, rate_hz, self.channels);
        for (text, value) in self.texts.iter().enumerate() {
            instance.set_text(text, value);
        }
        if self.plays_a_file()
            && let Some(recording) = recordings.get(self)
        {
            instance.set_recording(recording);
        }
        instance
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn write_kind<S: Serializer>(entry: &&CatalogEntry, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(entry.spec.kind)
}

fn read_kind<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<&'static CatalogEntry, D::Error> {
    let kind = String::deserialize(deserializer)?;
    let unknown = || serde::de::Error::custom(format!("there is no kind of module `{kind}`"));
    catalog::find(&kind).ok_or_else(unknown)
}
