//! The tables of all modules.

pub use chronus_dsp_core::tables::Table;

use crate::catalog::CATALOG;

/// The table of this name.
pub fn find(name: &str) -> Option<&'static Table> {
    let tables = CATALOG.iter().flat_map(|entry| entry.spec.tables);
    tables.copied().find(|table| table.name == name)
}
