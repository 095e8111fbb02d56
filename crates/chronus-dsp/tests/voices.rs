//! Notes find voices: free ones first, then the one held longest; a note that follows another in the
//! same voice is heard as a new one.

use chronus_dsp::{BLOCK_FRAMES, Instance, Note, Transport, catalog, silent_buffer};

const RATE_HZ: u32 = 48_000;
const C: usize = 4;

struct Stage {
    voices: Instance,
    outputs: [chronus_dsp::Buffer; 3],
}

impl Stage {
    fn new() -> Self {
        let entry = catalog::find("voices").expect("a kind");
        let outputs = std::array::from_fn(|_| silent_buffer(C));
        Self { voices: Instance::new(entry, RATE_HZ, C), outputs }
    }

    fn note(&mut self, on: bool, key: f32, id: u32) {
        self.voices.note(Note { on, key, velocity: 0.5, id });
    }

    fn render(&mut self) {
        let transport = Transport::stopped(RATE_HZ);
        self.voices.process(&[], &[], &mut self.outputs, 0..BLOCK_FRAMES, transport);
    }

    /// Output `index` of all channels in a frame.
    fn at(&self, index: usize, frame: usize) -> [f32; C] {
        self.outputs[index].as_chunks().0[frame]
    }

    fn keys(&self) -> [f32; C] {
        let (pitch, gate) = (self.at(0, 63), self.at(1, 63));
        std::array::from_fn(|c| if gate[c] > 0.5 { 60.0 + 12.0 * pitch[c] } else { 0.0 })
    }
}

#[test]
fn each_note_gets_a_voice_and_leaves_it() {
    let mut stage = Stage::new();
    for key in [60.0, 64.0, 67.0] {
        stage.note(true, key, 0);
    }
    stage.render();
    assert_eq!(stage.keys(), [60.0, 64.0, 67.0, 0.0]);
    assert_eq!(stage.at(2, 0)[..3], [0.5; 3]);
    stage.note(false, 64.0, 0);
    stage.note(true, 72.0, 0);
    stage.render();
    assert_eq!(
        stage.keys(),
        [60.0, 0.0, 67.0, 72.0],
        "the voice that rests longest is taken first"
    );
    stage.note(true, 48.0, 0);
    stage.render();
    assert_eq!(stage.keys(), [60.0, 48.0, 67.0, 72.0]);
}

#[test]
fn the_note_held_longest_makes_way_with_a_new_attack() {
    let mut stage = Stage::new();
    for key in [60.0, 61.0, 62.0, 63.0] {
        stage.note(true, key, 0);
    }
    stage.render();
    stage.note(true, 70.0, 0);
    stage.render();
    assert_eq!(stage.keys(), [70.0, 61.0, 62.0, 63.0]);
    assert_eq!((stage.at(1, 0)[0], stage.at(1, 1)[0]), (0.0, 1.0), "the gate closes for one frame");
    // The end of a note that has lost its voice ends no other.
    stage.note(false, 60.0, 0);
    stage.render();
    assert_eq!(stage.keys(), [70.0, 61.0, 62.0, 63.0]);
}

#[test]
fn notes_of_one_pitch_are_told_apart_by_their_ids() {
    let mut stage = Stage::new();
    stage.note(true, 60.0, 7);
    stage.note(true, 60.0, 8);
    stage.note(true, 60.5, 7);
    stage.render();
    assert_eq!(stage.keys(), [60.5, 60.0, 0.0, 0.0]);
    stage.note(false, 0.0, 8);
    stage.render();
    assert_eq!(stage.keys(), [60.5, 0.0, 0.0, 0.0]);
}

#[test]
fn glide_takes_its_time_from_the_last_note_of_the_voice() {
    let mut stage = Stage::new();
    stage.voices.set_param(0, 1.0);
    stage.note(true, 60.0, 1);
    stage.render();
    assert_eq!(stage.at(0, 0)[0], 0.0, "the first note does not glide");
    stage.note(true, 72.0, 1);
    stage.render();
    assert!((stage.at(0, 23)[0] - 0.5).abs() < 1e-6, "half an octave after half a millisecond");
    assert_eq!(stage.at(0, 47)[0], 1.0);
}
