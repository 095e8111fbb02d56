//! The one table of all kinds of module. A new module is one file and one line here.

use crate::module::{Module, ModuleSpec};
use crate::{envelope::adsr, filter::biquad, oscillator::sine};

/// All kinds, in the order of the reference.
pub static CATALOG: &[CatalogEntry] = &[
    CatalogEntry { spec: &sine::SPEC, construct: |rate_hz| Box::new(sine::Sine::new(rate_hz)) },
    CatalogEntry { spec: &adsr::SPEC, construct: |rate_hz| Box::new(adsr::Adsr::new(rate_hz)) },
    CatalogEntry {
        spec: &biquad::SPEC,
        construct: |rate_hz| Box::new(biquad::Biquad::new(rate_hz)),
    },
];

/// A kind of module and how to make one.
#[derive(Debug)]
pub struct CatalogEntry {
    /// What it is.
    pub spec: &'static ModuleSpec,
    construct: fn(u32) -> Box<dyn Module>,
}

impl CatalogEntry {
    /// A new module at its default parameters. `rate_hz` is frames per second, at least 1.
    pub fn construct(&self, rate_hz: u32) -> Box<dyn Module> {
        (self.construct)(rate_hz)
    }
}

/// The entry of a kind, by its exact name.
pub fn find(kind: &str) -> Option<&'static CatalogEntry> {
    CATALOG.iter().find(|entry| entry.spec.kind == kind)
}
