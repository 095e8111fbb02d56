//! The table of all kinds of module. A new module is one file in the crate of its family, and one line there.

use std::sync::LazyLock;

pub use chronus_dsp_core::entry::CatalogEntry;
use chronus_dsp_core::tables::Table;
pub use chronus_dsp_utility::TRIALS;

/// All kinds for music, in the order of the reference.
///
/// It is put together when it is first asked for, and not by the compiler: a constant made of the families' constructors
/// would have every kind compiled here once more.
pub static CATALOG: LazyLock<Vec<CatalogEntry>> = LazyLock::new(|| {
    let families = [
        ("Control", chronus_dsp_control::KINDS),
        ("Oscillators", chronus_dsp_oscillator::KINDS),
        ("Drums", chronus_dsp_drum::KINDS),
        ("Envelopes", chronus_dsp_envelope::KINDS),
        ("Filters", chronus_dsp_filter::KINDS),
        ("Effects", chronus_dsp_effect::KINDS),
        ("Small parts", chronus_dsp_utility::KINDS),
    ];
    let of = |(group, kinds): (_, &[CatalogEntry])| {
        kinds.iter().map(move |kind| kind.in_group(group)).collect::<Vec<_>>()
    };
    families.into_iter().flat_map(of).collect()
});

/// The entry of a kind, by its exact name.
pub fn find(kind: &str) -> Option<&'static CatalogEntry> {
    CATALOG.iter().chain(TRIALS).find(|entry| entry.spec.kind == kind)
}

/// The table of this name, of those that the kinds for music read.
pub fn find_table(name: &str) -> Option<&'static Table> {
    let tables = CATALOG.iter().flat_map(|entry| entry.spec.tables);
    tables.copied().find(|table| table.name == name)
}
