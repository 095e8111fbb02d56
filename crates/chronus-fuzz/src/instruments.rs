//! Instruments to be mistreated.

use std::fmt::Write as _;
use std::sync::LazyLock;

use chronus_dsp::catalog::CATALOG;
use chronus_engine::{
    BLOCK_FRAMES, Block, CHANNELS, Command, Controls, Directory, Engine, NoRecordings, Note, Patch,
    Unsound,
};

/// The lowest rate that an engine takes, so that its memory is small.
pub const RATE_HZ: u32 = 8_000;

/// The patches that come with the program.
pub const TEXTS: [&str; 8] = [
    include_str!("../../../patches/first.toml"),
    include_str!("../../../patches/acid.toml"),
    include_str!("../../../patches/bass.toml"),
    include_str!("../../../patches/drone.toml"),
    include_str!("../../../patches/dub.toml"),
    include_str!("../../../patches/groove.toml"),
    include_str!("../../../patches/keys.toml"),
    include_str!("../../../patches/organ.toml"),
];

/// One module of each kind, all of which are heard; each hears a saw at its first input.
pub static EVERYTHING: LazyLock<Patch> = LazyLock::new(|| {
    let mut text = "format = 1\n".to_owned();
    for kind in CATALOG.iter().map(|entry| entry.spec.kind) {
        let _ = writeln!(text, "[[module]]\nid = \"{kind}\"\nkind = \"{kind}\"");
    }
    text += "[output]\nleft = \"mix.out\"\nright = \"mix.out\"\n";
    let bare = Patch::parse(&text.replace("mix.out", "saw.out"), "bare").expect("all kinds");
    let mut cables = String::new();
    for module in bare.modules() {
        let (id, spec) = (module.id(), module.spec());
        if let Some(input) = spec.inputs.first().filter(|_| id != "saw") {
            let _ = writeln!(cables, "[[cable]]\nfrom = \"saw.out\"\nto = \"{id}.{}\"", input.name);
        }
        for output in spec.outputs.iter().filter(|_| !["gain", "saw"].contains(&id)) {
            let name = output.name;
            let _ = writeln!(cables, "[[cable]]\nfrom = \"{id}.{name}\"\nto = \"gain.in\"");
        }
    }
    let text = text.replace("mix.out", "gain.out") + &cables;
    Patch::parse(&text, "everything").unwrap_or_else(|error| panic!("{error}\n{text}"))
});

/// An engine that plays a patch from its beginning.
pub fn engine(patch: &Patch, controls: &Controls) -> Engine {
    Engine::new(patch.clone(), RATE_HZ, controls.clone(), 0, &NoRecordings).expect("they fit")
}

/// Opens all gates and begins a note in every module that takes notes.
pub fn play_everything(engine: &mut Engine) {
    for entry in Directory::of(&engine.patch().clone()).modules() {
        let module = entry.handle;
        if entry.has_gate() {
            engine.apply(0, &Command::Gate { module, on: true });
        }
        if entry.takes_notes() {
            let note = Note { on: true, key: 60.0, velocity: 0.8, id: 0 };
            engine.apply(0, &Command::Note { module, note });
        }
    }
}

/// Renders a block, as a worker does: `None` if a module yielded what nobody should hear, and then a worker
/// would end here. Otherwise what is heard is finite.
pub fn render(engine: &mut Engine) -> Option<Block> {
    let mut block = [f32::NAN; BLOCK_FRAMES * CHANNELS];
    engine.render(&mut block);
    if engine.unsound().is_some() {
        return None;
    }
    assert!(block.iter().all(|sample| sample.is_finite()), "a sample is not finite");
    Some(block)
}

/// The same for patches that can't run away to infinity: no module may yield NaN there.
pub fn render_sane(engine: &mut Engine) -> Option<Block> {
    let block = render(engine);
    if let Some((module, Unsound::NotFinite)) = engine.unsound() {
        let patch = engine.patch();
        let name = patch
            .modules()
            .iter()
            .find(|it| it.handle() == module)
            .map(chronus_engine::patch::PatchModule::id);
        panic!("module {name:?} yielded NaN or infinity");
    }
    block
}

/// Whether an engine of this patch is made and played in about a millisecond.
pub fn is_small(patch: &Patch) -> bool {
    let channels: usize =
        patch.modules().iter().map(chronus_engine::patch::PatchModule::channels).sum();
    channels <= 96 && patch.cables().len() <= 200
}
