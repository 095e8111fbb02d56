//! Controls as a fresh worker gets them: what decodes says the same once more, and can be played.

use chronus_engine::{Command, Controls, Note, ParamIndex, Patch};

use crate::instruments::{EVERYTHING, TEXTS, engine, render_sane};

/// The target. The first byte chooses the patch.
pub fn run(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let patch = match TEXTS.get(usize::from(*choice)) {
        Some(text) => Patch::parse(text, "a patch").expect("a good patch"),
        None => EVERYTHING.clone(),
    };
    let Ok(controls) = Controls::decode(bytes, &patch) else { return };
    let again = Controls::decode(&controls.encode(), &patch).expect("they were decoded once");
    assert_eq!(again, controls);
    let mut engine = engine(&patch, &controls);
    if render_sane(&mut engine).is_some() {
        let _ = render_sane(&mut engine);
    }
}

/// Controls as each patch has them, and as a few commands leave them.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for choice in 0..=TEXTS.len() {
        let patch = match TEXTS.get(choice) {
            Some(text) => Patch::parse(text, "a patch").expect("a good patch"),
            None => EVERYTHING.clone(),
        };
        let mut controls = Controls::of(&patch);
        let begin = [&[choice as u8], &*controls.encode()].concat();
        for module in patch.modules().iter().map(chronus_engine::patch::PatchModule::handle) {
            let note = Note { on: true, key: 60.0, velocity: 0.5, id: 1 };
            for command in [
                Command::Gate { module, on: true },
                Command::Note { module, note },
                Command::SetParam { module, param: ParamIndex(0), value: 1.0 },
            ] {
                controls.apply(&command, 100, 8_000);
            }
        }
        seeds.extend([begin, [&[choice as u8], &*controls.encode()].concat()]);
    }
    seeds
}
