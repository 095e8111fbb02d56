//! The modules of a patch file while it is read.

use super::PatchModule;

/// The modules that could be read, and what is known of those that could not.
#[derive(Default)]
pub(super) struct Rack {
    pub modules: Vec<PatchModule>,
    /// The channels that the text asks for.
    pub asked: Vec<Option<usize>>,
    /// The ids of modules that are wrong as a whole: what is said about their ports would be noise.
    pub broken: Vec<String>,
    /// Whether a module has no id, so that any name may be meant for it.
    pub has_nameless: bool,
}
