//! The table of all kinds of module. A new module is one file in the crate of its family, and one line there.

pub use chronus_dsp_core::entry::CatalogEntry;
pub use chronus_dsp_utility::TRIALS;

/// The kinds of all families.
const FAMILIES: [(&str, &[CatalogEntry]); 7] = [
    ("Control", chronus_dsp_control::KINDS),
    ("Oscillators", chronus_dsp_oscillator::KINDS),
    ("Drums", chronus_dsp_drum::KINDS),
    ("Envelopes", chronus_dsp_envelope::KINDS),
    ("Filters", chronus_dsp_filter::KINDS),
    ("Effects", chronus_dsp_effect::KINDS),
    ("Small parts", chronus_dsp_utility::KINDS),
];

const COUNT: usize = {
    let (mut count, mut family) = (0, 0);
    while family < FAMILIES.len() {
        count += FAMILIES[family].1.len();
        family += 1;
    }
    count
};

const ALL: [CatalogEntry; COUNT] = {
    let mut all = [TRIALS[0]; COUNT];
    let (mut count, mut family) = (0, 0);
    while family < FAMILIES.len() {
        let (group, kinds) = FAMILIES[family];
        let mut kind = 0;
        while kind < kinds.len() {
            all[count] = kinds[kind].in_group(group);
            (count, kind) = (count + 1, kind + 1);
        }
        family += 1;
    }
    all
};

/// All kinds for music, in the order of the reference.
pub static CATALOG: &[CatalogEntry] = &ALL;

/// The entry of a kind, by its exact name.
pub fn find(kind: &str) -> Option<&'static CatalogEntry> {
    CATALOG.iter().chain(TRIALS).find(|entry| entry.spec.kind == kind)
}
