//! Commands and controls survive their encoding, and nothing else is taken for them.

use chronus_engine::command::COMMAND_WORDS;
use chronus_engine::{
    Command, Controls, ControlsError, DecodeError, ModuleIndex, Note, ParamIndex, Patch,
};
use proptest::prelude::*;

fn finite() -> impl Strategy<Value = f32> {
    any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |value| value.is_finite())
}

fn command(modules: u16) -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => (0..modules, 0..5_u16, finite()).prop_map(|(module, param, value)| {
            Command::SetParam { module: ModuleIndex(module), param: ParamIndex(param), value }
        }),
        2 => (0..modules, any::<bool>())
            .prop_map(|(module, on)| Command::Gate { module: ModuleIndex(module), on }),
        2 => (0..modules, any::<bool>(), finite(), finite(), any::<u32>()).prop_map(
            |(module, on, key, velocity, id)| {
                let note = Note { on, key, velocity, id };
                Command::Note { module: ModuleIndex(module), note }
            }
        ),
        1 => any::<bool>().prop_map(Command::Mute),
        1 => Just(Command::Restart),
    ]
}

proptest! {
    #[test]
    fn a_command_survives_its_encoding(command in command(u16::MAX)) {
        let words = command.encode();
        let decoded = Command::decode(words).expect("it was encoded");
        prop_assert_eq!(decoded, command);
        prop_assert_eq!(decoded.encode(), words, "to the bit");
    }

    #[test]
    fn what_decodes_encodes_to_the_same_words(
        kind in 0..6_u64,
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
        for command in &commands {
            controls.apply(command);
        }
        prop_assert_eq!(Controls::decode(&controls.encode(), &patch), Ok(controls));
    }

    #[test]
    fn bytes_of_all_kinds_are_controls_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let patch = Patch::first();
        let whole = Controls::of(&patch).encode();
        if bytes.len() >= 4 {
            bytes[..4].copy_from_slice(&whole[..4]);
        }
        if let Ok(controls) = Controls::decode(&bytes, &patch) {
            prop_assert_eq!(controls.encode(), bytes);
        }
    }
}

#[test]
fn words_that_are_no_command_are_refused() {
    let nan = u64::from(f32::NAN.to_bits());
    for (words, expected) in [
        ([0; 5], DecodeError::UnknownKind(0)),
        ([6, 0, 0, 0, 0], DecodeError::UnknownKind(6)),
        ([5, 0, 2, 0, 0], DecodeError::OutOfRange(2)),
        ([5, 0, 1, nan, 0], DecodeError::NotFinite),
        ([5, 0, 1, 0, nan], DecodeError::NotFinite),
        ([1, 0, 0, nan, 0], DecodeError::NotFinite),
        ([1, 0, 0, u64::from(f32::INFINITY.to_bits()), 0], DecodeError::NotFinite),
        ([1, 65_536, 0, 0, 0], DecodeError::OutOfRange(1)),
        ([1, 0, 65_536, 0, 0], DecodeError::OutOfRange(2)),
        ([1, 0, 0, 1 << 32, 0], DecodeError::OutOfRange(3)),
        ([2, 0, 2, 0, 0], DecodeError::OutOfRange(2)),
        ([3, 2, 0, 0, 0], DecodeError::OutOfRange(1)),
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
    assert_eq!(decode(b"CTL\x03"), ControlsError::NotControls);
    let expected = bytes.len();
    let short = ControlsError::Length { found: expected - 1, expected };
    assert_eq!(decode(&bytes[..expected - 1]), short);
    let long = [&bytes[..], &[0]].concat();
    assert_eq!(decode(&long), ControlsError::Length { found: expected + 1, expected });
    let mut loud = bytes.clone();
    loud[8..12].copy_from_slice(&2.0_f32.to_le_bytes());
    assert_eq!(decode(&loud), ControlsError::Value { module: 0, param: 1, value: 2.0 });
    let mut gated = bytes.clone();
    gated[12] = 1;
    assert_eq!(decode(&gated), ControlsError::Switch(1), "a sine has no gate");
    let mut half_muted = bytes;
    half_muted[expected - 1] = 2;
    assert_eq!(decode(&half_muted), ControlsError::Switch(2));
}
