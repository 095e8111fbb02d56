//! Words of the command log: whatever decodes can be applied, at any frame, to an engine with a module of
//! each kind or to one of the patches that come with the program; no module yields NaN.

use chronus_engine::TransportChange::{BeatsPerBar, Play, Position, Tempo};
use chronus_engine::{BLOCK_FRAMES, Command, Controls, Note, ParamIndex, Patch, TextPiece};

use crate::instruments::{EVERYTHING, TEXTS, engine, play_everything, render_sane};

/// At most so many commands are applied.
const COMMANDS_MOST: usize = 96;

/// The target. The first byte chooses the patch; each command is a byte that says at which frame, or that a
/// block ends, and five words.
pub fn run(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let patch = match TEXTS.get(usize::from(*choice)) {
        Some(text) => Patch::parse(text, "a patch").expect("a good patch"),
        None => EVERYTHING.clone(),
    };
    let mut engine = engine(&patch, &Controls::of(&patch));
    play_everything(&mut engine);
    for record in rest.chunks(41).take(COMMANDS_MOST) {
        let frame = usize::from(record[0]);
        let mut words = [0_u64; 5];
        for (word, bytes) in words.iter_mut().zip(record[1..].chunks(8)) {
            let mut padded = [0; 8];
            padded[..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_le_bytes(padded);
        }
        if let Ok(command) = Command::decode(words) {
            assert_eq!(command.encode(), words, "{command:?} has two forms");
            engine.apply(frame % (BLOCK_FRAMES + 1), &command);
        }
        if frame >= 2 * BLOCK_FRAMES && render_sane(&mut engine).is_none() {
            return;
        }
    }
    if render_sane(&mut engine).is_some() {
        let _ = render_sane(&mut engine);
    }
}

/// A few commands of each kind for each patch.
pub fn seeds() -> Vec<Vec<u8>> {
    let patches: Vec<_> = TEXTS
        .iter()
        .map(|text| Patch::parse(text, "a patch").expect("a good patch"))
        .chain([EVERYTHING.clone()])
        .collect();
    let one = |(choice, patch): (usize, &Patch)| {
        let mut seed = vec![choice as u8];
        for (at, command) in commands_for(patch).iter().enumerate() {
            seed.push((at * 11) as u8);
            seed.extend(command.encode().iter().flat_map(|word| word.to_le_bytes()));
        }
        seed
    };
    patches.iter().enumerate().map(one).collect()
}

fn commands_for(patch: &Patch) -> Vec<Command> {
    let mut commands = Vec::new();
    for module in patch.modules() {
        let (handle, spec) = (module.handle(), module.spec());
        for (param, spec) in spec.params.iter().enumerate().take(3) {
            let param = ParamIndex(param as u16);
            commands.push(Command::SetParam { module: handle, param, value: spec.max });
            commands.push(Command::SetParam { module: handle, param, value: spec.min });
        }
        commands.push(Command::Gate { module: handle, on: commands.len().is_multiple_of(2) });
        let note = Note { on: true, key: 127.0, velocity: 1.0, id: 3 };
        commands.push(Command::Note { module: handle, note });
        for (text, value) in module.texts().iter().enumerate() {
            let pieces = TextPiece::all_of(text as u8, value);
            commands.extend(pieces.map(|piece| Command::Text { module: handle, piece }));
        }
        commands.push(Command::Bypass { module: handle });
        commands.push(Command::Enable { module: handle });
    }
    for change in [Play(false), Play(true), Tempo(999.0), Position(1e9), BeatsPerBar(64)] {
        commands.push(Command::Transport(change));
    }
    commands.extend([Command::Mute(true), Command::Restart, Command::Mute(false)]);
    commands
}
