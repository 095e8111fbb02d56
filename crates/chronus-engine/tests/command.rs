//! Commands and controls survive their encoding, and nothing else is taken for them.

use chronus_engine::command::COMMAND_WORDS;
use chronus_engine::{
    Command, Controls, ControlsError, DecodeError, Handle, Note, ParamIndex, Patch, TextPiece,
    TransportChange,
};
use proptest::prelude::*;

fn finite() -> impl Strategy<Value = f32> {
    any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |value| value.is_finite())
}

fn command(modules: u32) -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => (0..modules, 0..5_u16, finite()).prop_map(|(module, param, value)| {
            Command::SetParam { module: Handle(module), param: ParamIndex(param), value }
        }),
        2 => (0..modules, any::<bool>())
            .prop_map(|(module, on)| Command::Gate { module: Handle(module), on }),
        2 => (0..modules, any::<bool>(), finite(), finite(), any::<u32>()).prop_map(
            |(module, on, key, velocity, id)| {
                let note = Note { on, key, velocity, id };
                Command::Note { module: Handle(module), note }
            }
        ),
        2 => (0..modules, any::<u8>(), "[ -~]{0,70}").prop_flat_map(|(module, text, value)| {
            let pieces: Vec<_> = TextPiece::all_of(text, &value).collect();
            prop::sample::select(pieces)
                .prop_map(move |piece| Command::Text { module: Handle(module), piece })
        }),
        1 => any::<bool>().prop_map(|on| Command::Transport(TransportChange::Play(on))),
        1 => (1.0..1000.0).prop_map(|bpm| Command::Transport(TransportChange::Tempo(bpm))),
        1 => (0.0..1e9).prop_map(|beat| Command::Transport(TransportChange::Position(beat))),
        1 => (1..=64_u32)
            .prop_map(|beats| Command::Transport(TransportChange::BeatsPerBar(beats))),
        1 => any::<u32>().prop_map(|number| Command::Edit { number }),
        1 => any::<bool>().prop_map(Command::Mute),
        1 => Just(Command::Restart),
    ]
}

proptest! {
    #[test]
    fn a_command_survives_its_encoding(command in command(u32::MAX)) {
        let words = command.encode();
        let decoded = Command::decode(words).expect("it was encoded");
        prop_assert_eq!(decoded, command);
        prop_assert_eq!(decoded.encode(), words, "to the bit");
    }

    #[test]
    fn what_decodes_encodes_to_the_same_words(
        kind in prop_oneof![0..11_u64, any::<u64>()],
        words in prop::array::uniform4(prop_oneof![0..3_u64, any::<u64>(), any::<u32>().prop_map(u64::from)]),
    ) {
        let words = [kind, words[0], words[1], words[2], words[3]];
        if let Ok(command) = Command::decode(words) {
            prop_assert_eq!(command.encode(), words);
        }
    }

    #[test]
    fn no_bit_of_padding_passes(command in command(9), word in 0..COMMAND_WORDS, bit in 0..64) {
        let mut words = command.encode();
        words[word] ^= 1_u64 << bit;
        if let Ok(other) = Command::decode(words) {
            prop_assert_ne!(other.encode(), command.encode());
        }
    }

    #[test]
    fn controls_survive_their_encoding(commands in prop::collection::vec(command(4), 0..40)) {
        let patch = Patch::first();
        let mut controls = Controls::of(&patch);
        for (frame, command) in commands.iter().enumerate() {
            controls.apply(command, frame as u64, 48_000);
        }
        prop_assert_eq!(Controls::decode(&controls.encode(), &patch), Ok(controls));
    }

    #[test]
    fn bytes_of_all_kinds_are_controls_or_refused(
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let patch = Patch::first();
        let whole = Controls::of(&patch).encode();
        let mut bytes = whole.clone();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(controls) = Controls::decode(&bytes, &patch) {
            prop_assert!(controls.fits(&patch));
        }
        prop_assert!(Controls::decode(&whole[..cut.index(whole.len())], &patch).is_err());
    }
}

#[test]
fn words_that_are_no_command_are_refused() {
    let nan = u64::from(f32::NAN.to_bits());
    for (words, expected) in [
        ([0; 5], DecodeError::UnknownKind(0)),
        ([11, 0, 0, 0, 0], DecodeError::UnknownKind(11)),
        ([5, 0, 2, 0, 0], DecodeError::OutOfRange(2)),
        ([5, 0, 1, nan, 0], DecodeError::NotFinite),
        ([5, 0, 1, 0, nan], DecodeError::NotFinite),
        ([1, 0, 0, nan, 0], DecodeError::NotFinite),
        ([1, 0, 0, u64::from(f32::INFINITY.to_bits()), 0], DecodeError::NotFinite),
        ([1, 1 << 32, 0, 0, 0], DecodeError::OutOfRange(1)),
        ([1, 0, 65_536, 0, 0], DecodeError::OutOfRange(2)),
        ([1, 0, 0, 1 << 32, 0], DecodeError::OutOfRange(3)),
        ([2, 0, 2, 0, 0], DecodeError::OutOfRange(2)),
        ([3, 2, 0, 0, 0], DecodeError::OutOfRange(1)),
        ([7, 4, 0, 0, 0], DecodeError::OutOfRange(1)),
        ([7, 0, 2, 0, 0], DecodeError::OutOfRange(2)),
        ([7, 1, f64::NAN.to_bits(), 0, 0], DecodeError::OutOfRange(2)),
        ([7, 2, (-1.0_f64).to_bits(), 0, 0], DecodeError::OutOfRange(2)),
        ([7, 3, 0, 0, 0], DecodeError::OutOfRange(2)),
        ([8, 1 << 32, 0, 0, 0], DecodeError::OutOfRange(1)),
        // A text of 24 bytes has no second piece; no text is as long as 2000; a piece begins at 0, 24, ...
        ([6 | 24 << 16 | 24 << 32, 0, 0, 0, 0], DecodeError::OutOfRange(0)),
        ([6 | 2000 << 16, 0, 0, 0, 0], DecodeError::OutOfRange(0)),
        ([6 | 24 << 16 | 8 << 32, 0, 0, 0, 0], DecodeError::OutOfRange(0)),
        ([6 | 1 << 16, 0, 0x4141, 0, 0], DecodeError::Padding(4)),
        ([1, 0, 0, 0, 1], DecodeError::Padding(4)),
        ([2, 0, 1, 1, 0], DecodeError::Padding(3)),
        ([3, 1, 0, 0, 9], DecodeError::Padding(4)),
        ([4, 1, 0, 0, 0], DecodeError::Padding(1)),
    ] {
        assert_eq!(Command::decode(words), Err(expected), "{words:?}");
    }
}

#[test]
fn controls_of_another_patch_are_refused() {
    let patch = Patch::first();
    let bytes = Controls::of(&patch).encode();
    let decode = |bytes: &[u8]| Controls::decode(bytes, &patch).unwrap_err();
    assert_eq!(decode(&[]), ControlsError::NotControls);
    assert_eq!(decode(&[&bytes[..], &[0]].concat()), ControlsError::NotControls);
    let text = "format = 1\n[[module]]\nid = \"s\"\nkind = \"saw\"\n[output]\nleft = \"s.out\"\n\
                right = \"s.out\"\n";
    let other = Patch::parse(text, "p.toml").expect("a patch");
    assert_eq!(decode(&Controls::of(&other).encode()), ControlsError::OtherPatch);
    let quiet = patch.text().replace("gain = 0.5", "gain = 0.25");
    let mut controls = Controls::of(&Patch::parse(&quiet, "p.toml").expect("a patch"));
    let quarter = 0.25_f32.to_le_bytes();
    let mut loud = controls.encode();
    let place = loud.windows(4).position(|bytes| bytes == quarter).expect("the gain");
    loud[place..place + 4].copy_from_slice(&2.0_f32.to_le_bytes());
    assert_eq!(decode(&loud), ControlsError::Value(0));
    assert!(controls.apply(&Command::Edit { number: 1 }, 0, 48_000).is_none());
}
