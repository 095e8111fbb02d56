//! SuperCollider's server without real time: a synth definition and a score, both written here.

use std::error::Error;
use std::path::Path;
use std::process::Command;

use super::{ATTACK_S, CUTOFF_HZ, DECAY_S, Q, RATE_HZ, RELEASE_S, SUSTAIN, child, freq_hz, gain};

const CONTROL_RATE: u8 = 1;
const AUDIO_RATE: u8 = 2;
// A last stage as that of Chronus.
const DC_COEFFICIENT: f32 = 0.9996;
const CEILING: f32 = 0.966;
const LOOK_AHEAD_S: f32 = 0.00066;
/// In [`Ugen::inputs`]: the input is a constant.
const CONSTANT: i32 = -1;

/// A unit generator of a definition.
struct Ugen {
    class: &'static str,
    rate: u8,
    outputs: usize,
    special: i16,
    /// Which unit and which of its outputs; or [`CONSTANT`] and which constant.
    inputs: Vec<(i32, i32)>,
}

/// A definition under way.
#[derive(Default)]
struct Definition {
    constants: Vec<f32>,
    ugens: Vec<Ugen>,
}

impl Definition {
    fn constant(&mut self, value: f32) -> (i32, i32) {
        let known = self.constants.iter().position(|constant| *constant == value);
        let index = known.unwrap_or_else(|| {
            self.constants.push(value);
            self.constants.len() - 1
        });
        (CONSTANT, index as i32)
    }

    /// Adds a unit with one output; returns it as an input of others.
    fn unit(&mut self, class: &'static str, special: i16, inputs: Vec<(i32, i32)>) -> (i32, i32) {
        self.ugens.push(Ugen { class, rate: AUDIO_RATE, outputs: 1, special, inputs });
        (self.ugens.len() as i32 - 1, 0)
    }

    /// Adds what plays its inputs, the first of which is a bus.
    fn out(&mut self, class: &'static str, inputs: Vec<(i32, i32)>) {
        self.ugens.push(Ugen { class, rate: AUDIO_RATE, outputs: 0, special: 0, inputs });
    }

    /// The file format, version 2, of one definition with the controls `freq`, `gain`, `gate`.
    fn encode(&self, name: &str) -> Vec<u8> {
        let mut bytes = b"SCgf\0\0\0\x02\0\x01".to_vec();
        let text = |bytes: &mut Vec<u8>, text: &str| {
            bytes.push(text.len() as u8);
            bytes.extend(text.as_bytes());
        };
        let int = |bytes: &mut Vec<u8>, value: i32| bytes.extend(value.to_be_bytes());
        text(&mut bytes, name);
        int(&mut bytes, self.constants.len() as i32);
        bytes.extend(self.constants.iter().flat_map(|constant| constant.to_be_bytes()));
        let controls = [("freq", 440.0_f32), ("gain", 0.1), ("gate", 1.0)];
        int(&mut bytes, controls.len() as i32);
        bytes.extend(controls.iter().flat_map(|(_, value)| value.to_be_bytes()));
        int(&mut bytes, controls.len() as i32);
        for (index, (name, _)) in controls.iter().enumerate() {
            text(&mut bytes, name);
            int(&mut bytes, index as i32);
        }
        int(&mut bytes, self.ugens.len() as i32);
        for ugen in &self.ugens {
            text(&mut bytes, ugen.class);
            bytes.push(ugen.rate);
            int(&mut bytes, ugen.inputs.len() as i32);
            int(&mut bytes, ugen.outputs as i32);
            bytes.extend(ugen.special.to_be_bytes());
            for (unit, output) in &ugen.inputs {
                int(&mut bytes, *unit);
                int(&mut bytes, *output);
            }
            bytes.extend(std::iter::repeat_n(ugen.rate, ugen.outputs));
        }
        bytes.extend(0_i16.to_be_bytes());
        bytes
    }
}

/// The voice: sine, straight envelope, low-pass after the cookbook, all at audio rate.
fn voice() -> Vec<u8> {
    const TIMES: i16 = 2;
    let mut voice = Definition::default();
    let control =
        Ugen { class: "Control", rate: CONTROL_RATE, outputs: 3, special: 0, inputs: vec![] };
    voice.ugens.push(control);
    let [freq, gain, gate] = [(0, 0), (0, 1), (0, 2)];
    let zero = voice.constant(0.0);
    let one = voice.constant(1.0);
    let sine = voice.unit("SinOsc", 0, vec![freq, zero]);
    // Level, segments, where it waits, where it loops (nowhere); then level, time and straight line.
    let segments =
        [(1.0, ATTACK_S), (SUSTAIN, DECAY_S), (0.0, RELEASE_S)].map(|(to, s)| [to, s, 1.0, 0.0]);
    let mut envelope = vec![gate, one, zero, one, zero];
    for value in [0.0, 3.0, 2.0, -99.0].iter().chain(segments.as_flattened()) {
        let value = voice.constant(*value);
        envelope.push(value);
    }
    let envelope = voice.unit("EnvGen", 0, envelope);
    let shaped = voice.unit("BinaryOpUGen", TIMES, vec![sine, envelope]);
    let shaped = voice.unit("BinaryOpUGen", TIMES, vec![shaped, gain]);
    let cutoff = voice.constant(CUTOFF_HZ);
    let reciprocal_q = voice.constant(1.0 / Q);
    let filtered = voice.unit("BLowPass", 0, vec![shaped, cutoff, reciprocal_q]);
    voice.out("Out", vec![zero, filtered]);
    voice.encode("voice")
}

/// What Chronus does to both sides before anybody hears them: a DC blocker and a limiter with a look-ahead. Here
/// there is one side.
fn safety() -> Vec<u8> {
    let mut safety = Definition::default();
    let [bus, coefficient] = [0.0, DC_COEFFICIENT].map(|value| safety.constant(value));
    let [ceiling, look_ahead_s] = [CEILING, LOOK_AHEAD_S].map(|value| safety.constant(value));
    let sum = safety.unit("In", 0, vec![bus]);
    let blocked = safety.unit("LeakDC", 0, vec![sum, coefficient]);
    let limited = safety.unit("Limiter", 0, vec![blocked, ceiling, look_ahead_s]);
    safety.out("ReplaceOut", vec![bus, limited]);
    safety.encode("safety")
}

/// An OSC message of a score.
struct Message {
    types: String,
    address: &'static str,
    arguments: Vec<u8>,
}

impl Message {
    fn new(address: &'static str) -> Self {
        Self { types: ",".into(), address, arguments: Vec::new() }
    }

    fn int(mut self, value: i32) -> Self {
        self.types.push('i');
        self.arguments.extend(value.to_be_bytes());
        self
    }

    fn float(mut self, value: f32) -> Self {
        self.types.push('f');
        self.arguments.extend(value.to_be_bytes());
        self
    }

    fn text(mut self, value: &str) -> Self {
        self.types.push('s');
        self.arguments.extend(padded(value));
        self
    }

    fn blob(mut self, value: &[u8]) -> Self {
        self.types.push('b');
        self.arguments.extend((value.len() as i32).to_be_bytes());
        self.arguments.extend(value);
        self.arguments.resize(self.arguments.len().next_multiple_of(4), 0);
        self
    }

    /// As an entry of a score: length, bundle, time, and the message with its own length.
    fn at(self, seconds: f64) -> Vec<u8> {
        let message = [padded(self.address), padded(&self.types), self.arguments].concat();
        let mut bundle = b"#bundle\0".to_vec();
        bundle.extend(((seconds * 4_294_967_296.0) as u64).to_be_bytes());
        bundle.extend((message.len() as i32).to_be_bytes());
        bundle.extend(message);
        [&(bundle.len() as i32).to_be_bytes()[..], &bundle].concat()
    }
}

fn padded(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize((bytes.len() + 1).next_multiple_of(4), 0);
    bytes
}

/// CPU seconds of rendering so many seconds, start-up included; with a DC blocker and a limiter, if it is `safe`.
pub fn cpu_seconds(
    voices: usize,
    seconds: f64,
    safe: bool,
    folder: &Path,
) -> Result<f64, Box<dyn Error>> {
    let mut score = Message::new("/d_recv").blob(&voice()).at(0.0);
    for index in 0..voices {
        let note = Message::new("/s_new").text("voice").int(1000 + index as i32).int(1).int(0);
        let note = note.text("freq").float(freq_hz(index)).text("gain").float(gain(voices));
        score.extend(note.at(0.0));
    }
    if safe {
        score.extend(Message::new("/d_recv").blob(&safety()).at(0.0));
        score.extend(Message::new("/s_new").text("safety").int(999).int(1).int(0).at(0.0));
    }
    score.extend(Message::new("/c_set").int(0).float(0.0).at(seconds));
    let path = folder.join("score.osc");
    std::fs::write(&path, score)?;
    let mut command = Command::new("scsynth");
    command.arg("-N").arg(path).args(["_", "/dev/null"]).arg(RATE_HZ.to_string());
    // What is written costs nothing, as with the others.
    command.args(["WAV", "float", "-o", "1", "-n", "4096", "-m", "65536"]);
    child::cpu_seconds(&mut command)
}
