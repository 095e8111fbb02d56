//! Packed patches as workers find them among the shared assets: what decodes says the same once more, and nothing that it says
//! of the shared assets leads beyond them.

use std::path::Path;
use std::sync::Arc;

use chronus::persistence::shared_assets::{PackedPatch, SharedAssets, Stock};
use chronus_engine::Patch;
use chronus_os::memfd::Memfd;

use crate::instruments::TEXTS;

/// The target.
pub fn run(bytes: &[u8]) {
    let Ok(packed) = PackedPatch::from_bytes(bytes) else { return };
    let again = packed.to_bytes();
    let twice = PackedPatch::from_bytes(&again).expect("it was decoded once").to_bytes();
    assert_eq!(again, twice);
}

/// The packed patches that come with the program.
pub fn seeds() -> Vec<Vec<u8>> {
    let packed = |text: &str| {
        let memory = Arc::new(Memfd::create("fuzz-assets", 1 << 30).expect("sparse memory"));
        let patch = Patch::parse(text, "a patch").expect("a good patch");
        SharedAssets::new(memory, Stock::default())
            .pack(patch, Path::new(""))
            .expect("no recordings")
            .to_bytes()
    };
    TEXTS.iter().filter(|text| !text.contains("file =")).map(|text| packed(text)).collect()
}
