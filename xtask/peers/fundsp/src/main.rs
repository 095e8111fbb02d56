//! The benchmark's voice, as fundsp plays it: instances of one graph, rendered in blocks and added up.
//!
//! Arguments: a file for the sound (or `-`), rate, blocks, gain, attack, decay, sustain, release (s), cutoff (Hz), q, and a frequency for
//! each voice.

#![forbid(unsafe_code)]

use std::io::Write;

use fundsp::prelude32::*;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let output = arguments.next().expect("a file");
    let mut file = (output != "-").then(|| std::fs::File::create(output).expect("a file to write"));
    let numbers: Vec<f32> =
        arguments.map(|argument| argument.parse().expect("a number")).collect();
    let [rate, blocks, gain, attack, decay, sustain, release, cutoff, q] =
        *numbers.first_chunk().expect("nine numbers and frequencies");
    let gate = shared(0.0);
    let mut voices: Vec<Box<dyn AudioUnit>> = numbers[9..]
        .iter()
        .map(|&freq| {
            let envelope = var(&gate) >> adsr_live(attack, decay, sustain, release);
            let voice = (sine_hz(freq) * envelope * gain) >> lowpass_hz(cutoff, q);
            let mut voice: Box<dyn AudioUnit> = Box::new(voice);
            voice.set_sample_rate(f64::from(rate));
            voice.allocate();
            voice
        })
        .collect();
    let (mut one, mut sum) = (BufferVec::new(1), [0.0; MAX_BUFFER_SIZE]);
    let mut heard = 0.0;
    for block in 0..blocks as u64 {
        // The envelope waits for a gate that opens, and must have seen it closed.
        gate.set_value(if block < 8 { 0.0 } else { 1.0 });
        sum.fill(0.0);
        for voice in &mut voices {
            voice.process(MAX_BUFFER_SIZE, &BufferRef::empty(), &mut one.buffer_mut());
            for (sum, sample) in sum.iter_mut().zip(one.channel_f32(0)) {
                *sum += sample;
            }
        }
        heard += sum[0].abs();
        if let Some(file) = &mut file {
            let bytes: Vec<u8> = sum.iter().flat_map(|sample: &f32| sample.to_ne_bytes()).collect();
            file.write_all(&bytes).expect("room for the sound");
        }
    }
    println!("{heard}");
}
