//! The patches with which Chronus plays the voices: 16 of them in each module, as its users write them.
#![allow(clippy::format_push_string)] // Nothing here is timed.

use std::error::Error;

use chronus_engine::Patch;

use super::chronus::Gates;
use super::voice::{
    ATTACK_S, CUTOFF_HZ, DECAY_S, MIDDLE_C_HZ, Q, RELEASE_S, SUSTAIN, Voice, fm, gain, pulse, saw,
    wavetable,
};

/// The most voices that one module plays.
pub const GROUP: usize = 16;

/// A patch as text, under way.
#[derive(Default)]
struct Text {
    modules: String,
    cables: String,
}

impl Text {
    fn module(&mut self, id: &str, kind: &str, params: &str) {
        self.modules += &format!("[[module]]\nid = \"{id}\"\nkind = \"{kind}\"\n{params}\n");
    }

    fn cable(&mut self, from: &str, to: &str) {
        self.deep_cable(from, to, 1.0);
    }

    fn deep_cable(&mut self, from: &str, to: &str, depth: f32) {
        self.cables += &format!("[[cable]]\nfrom = \"{from}\"\nto = \"{to}\"\ndepth = {depth:?}\n");
    }
}

/// The parameters of an envelope.
fn envelope(attack_s: f32) -> String {
    let [attack, decay, release] = [attack_s, DECAY_S, RELEASE_S].map(|s| s * 1000.0);
    format!("attack = {attack:?}\ndecay = {decay:?}\nsustain = {SUSTAIN:?}\nrelease = {release:?}")
}

/// The patch for so many voices.
pub fn patch(voice: Voice, voices: usize, gates: Gates) -> Result<Patch, Box<dyn Error>> {
    let mut text = Text::default();
    let groups = voices.div_ceil(GROUP);
    let mut heard = Vec::new();
    for group in 0..groups {
        heard.extend(match voice {
            Voice::Held => held(&mut text, group, voices, gates),
            Voice::Saw => saw(&mut text, group, voices),
            Voice::Fm => fm(&mut text, group, voices),
            Voice::Pulse => pulse(&mut text, group, voices),
            Voice::Wavetable => wavetable(&mut text, group, voices),
        });
    }
    let sum = if let [one] = &heard[..] {
        one.clone()
    } else {
        text.module("out", "merge", "channels = 1");
        heard.iter().for_each(|from| text.cable(from, "out.in_1"));
        "out.out".into()
    };
    let mut text = format!(
        "format = 1\n{}{}[output]\nleft = \"{sum}\"\nright = \"{sum}\"\n",
        text.modules, text.cables
    );
    if gates == Gates::OpenBare {
        text += "limiter = false\ndc_blocker = false\n";
    }
    Ok(Patch::parse(&text, "voices")?)
}

/// The module that takes the notes of a group.
fn notes(text: &mut Text, group: usize) {
    text.module(&format!("n{group}"), "voices", &format!("channels = {GROUP}"));
}

/// An oscillator that follows the notes, at so many times their frequency.
fn oscillator(text: &mut Text, (id, group): (&str, usize), kind: &str, times: f32, params: &str) {
    let freq = MIDDLE_C_HZ * times;
    let params = format!("channels = {GROUP}\nfreq = {freq:?}\n{params}");
    text.module(&format!("{id}{group}"), kind, &params);
    text.cable(&format!("n{group}.pitch"), &format!("{id}{group}.freq"));
}

/// An envelope of the notes, through which a signal goes. Returns what leaves it.
fn shaped(text: &mut Text, (id, group): (&str, usize), from: &str) -> String {
    text.module(&format!("{id}{group}"), "adsr", &envelope(ATTACK_S));
    text.cable(&format!("n{group}.gate"), &format!("{id}{group}.gate"));
    text.cable(from, &format!("{id}{group}.in"));
    format!("{id}{group}.out")
}

fn held(text: &mut Text, group: usize, voices: usize, gates: Gates) -> Vec<String> {
    let (mut freq, gain) = (Voice::Held.freq_hz(group * GROUP), gain(voices));
    let attack_s = if gates == Gates::Attack { 20.0 } else { ATTACK_S };
    if gates.has_notes() {
        freq = MIDDLE_C_HZ;
        notes(text, group);
        text.cable(&format!("n{group}.pitch"), &format!("s{group}.freq"));
        text.cable(&format!("n{group}.gate"), &format!("e{group}.gate"));
    }
    let sine = format!("channels = {GROUP}\nfreq = {freq:?}\ngain = {gain:?}");
    text.module(&format!("s{group}"), "sine", &sine);
    text.module(&format!("e{group}"), "adsr", &envelope(attack_s));
    text.module(&format!("f{group}"), "biquad", &format!("cutoff = {CUTOFF_HZ:?}\nq = {Q:?}"));
    text.cable(&format!("s{group}.out"), &format!("e{group}.in"));
    text.cable(&format!("e{group}.out"), &format!("f{group}.in"));
    vec![format!("f{group}.out")]
}

fn saw(text: &mut Text, group: usize, voices: usize) -> Vec<String> {
    notes(text, group);
    let gain = format!("gain = {:?}", gain(voices) / 2.0);
    oscillator(text, ("a", group), "saw", 1.0, &gain);
    oscillator(text, ("b", group), "saw", saw::DETUNE, &gain);
    let params = format!("cutoff = {:?}\nresonance = {:?}", saw::CUTOFF_HZ, saw::RESONANCE);
    text.module(&format!("f{group}"), "ladder", &params);
    text.module(&format!("o{group}"), "adsr", &envelope(ATTACK_S));
    text.cable(&format!("n{group}.gate"), &format!("o{group}.gate"));
    let cutoff = format!("f{group}.cutoff");
    text.deep_cable(&format!("o{group}.env"), &cutoff, saw::OPENING_OCTAVES);
    for id in ["a", "b"] {
        text.cable(&format!("{id}{group}.out"), &format!("f{group}.in"));
    }
    vec![shaped(text, ("e", group), &format!("f{group}.out"))]
}

fn fm(text: &mut Text, group: usize, voices: usize) -> Vec<String> {
    notes(text, group);
    let mut heard = Vec::new();
    let ids = [["m1", "i1", "c1", "e1"], ["m2", "i2", "c2", "e2"]];
    for (stack, [upper, depth, lower, loudness]) in fm::STACKS.iter().zip(ids) {
        let [upper, depth, lower, loudness] = [upper, depth, lower, loudness].map(|id| (id, group));
        oscillator(text, upper, "sine", stack.ratio, "gain = 1.0");
        let moved = shaped(text, depth, &format!("{}{group}.out", upper.0));
        // The depth of fm counts in frequencies of the lower operator, the index in those of the upper.
        let gain = gain(voices) * stack.share;
        let params = format!("gain = {gain:?}\nindex = {:?}", stack.index * stack.ratio);
        oscillator(text, lower, "sine", 1.0, &params);
        text.cable(&moved, &format!("{}{group}.fm", lower.0));
        heard.push(shaped(text, loudness, &format!("{}{group}.out", lower.0)));
    }
    heard
}

/// A slow oscillator for each voice of a group.
fn swing(text: &mut Text, group: usize, freq_hz: f32, more: &str) {
    let params = format!("channels = {GROUP}\nfreq = {freq_hz:?}\nspread = 1.0\n{more}");
    text.module(&format!("l{group}"), "lfo", &params);
}

fn pulse(text: &mut Text, group: usize, voices: usize) -> Vec<String> {
    notes(text, group);
    let params = format!("gain = {:?}\nwidth = {:?}", gain(voices), pulse::WIDTH);
    oscillator(text, ("p", group), "pulse", 1.0, &params);
    swing(text, group, pulse::SWING_HZ, "");
    text.deep_cable(&format!("l{group}.out"), &format!("p{group}.width"), pulse::SWING);
    let params = format!("cutoff = {:?}\nq = {:?}", pulse::CUTOFF_HZ, pulse::Q);
    text.module(&format!("f{group}"), "svf", &params);
    text.cable(&format!("p{group}.out"), &format!("f{group}.in"));
    vec![shaped(text, ("e", group), &format!("f{group}.low"))]
}

fn wavetable(text: &mut Text, group: usize, voices: usize) -> Vec<String> {
    notes(text, group);
    let params = format!("gain = {:?}\ntable = {:?}", gain(voices), wavetable::TABLE);
    oscillator(text, ("w", group), "wavetable", 1.0, &params);
    swing(text, group, wavetable::SWING_HZ, "polarity = \"unipolar\"");
    text.cable(&format!("l{group}.out"), &format!("w{group}.position"));
    vec![shaped(text, ("e", group), &format!("w{group}.out"))]
}
