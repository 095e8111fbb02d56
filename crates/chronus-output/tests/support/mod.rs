//! What the tests of the outputs share: a source whose every frame is known, and private sound servers.

#![allow(dead_code, reason = "each test file uses its part")]

mod capture;
mod servers;
mod waiting;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

#[allow(unused_imports, reason = "each test file uses its part")]
pub use capture::Capture;
use chronus_output::{CHANNELS, Device, News, Source};
#[allow(unused_imports, reason = "each test file uses its part")]
pub use servers::{JackServer, Process, PulseServer};
pub use waiting::wait_until;

/// One step of the ramp. A power of two, so that frame numbers up to 2^24 are exact samples below 1.
pub const STEP: f32 = 1.0 / 16_777_216.0;

/// A source whose frame n, counted from 1, is (n, -n) steps; any slip is a visible discontinuity.
#[derive(Clone, Default)]
pub struct Ramp {
    /// Frames handed out.
    pub frames: Arc<AtomicU64>,
    /// Calls of `consumed`.
    pub consumed: Arc<AtomicU64>,
}

impl Source for Ramp {
    fn fill(&mut self, interleaved: &mut [f32]) {
        let (frames, _) = interleaved.as_chunks_mut::<CHANNELS>();
        let first = self.frames.fetch_add(frames.len() as u64, SeqCst) + 1;
        for (frame, number) in frames.iter_mut().zip(first..) {
            let sample = number as f32 * STEP;
            *frame = [sample, -sample];
        }
    }

    fn consumed(&mut self) {
        self.consumed.fetch_add(1, SeqCst);
    }
}

/// The frame number that a frame of the ramp carries; 0 for silence. Panics if it is no frame of the ramp.
pub fn ramp_number([left, right]: [f32; CHANNELS]) -> u64 {
    assert_eq!(left, -right, "not a frame of the ramp");
    let number = left / STEP;
    assert!(number >= 0.0 && number.fract() == 0.0, "not a frame of the ramp: {number}");
    number as u64
}

/// Asserts that `frames` are the ramp from its first frame on, every frame once and in order.
pub fn assert_is_ramp(frames: &[[f32; CHANNELS]]) {
    for (&frame, number) in frames.iter().zip(1..) {
        assert_eq!(ramp_number(frame), number);
    }
}

/// All frames of a 32-bit float stereo WAV file.
pub fn read_wav(path: &Path) -> Vec<[f32; CHANNELS]> {
    let mut reader = hound::WavReader::open(path).expect("a WAV file that can be read");
    assert_eq!(reader.spec().channels, 2);
    assert_eq!(reader.spec().sample_format, hound::SampleFormat::Float);
    let samples: Vec<f32> = reader.samples().map(Result::unwrap).collect();
    samples.as_chunks().0.to_vec()
}

/// Waits for the next of the news of a device.
pub fn next_news(device: &mut dyn Device) -> News {
    let mut news = None;
    wait_until("news of the device", || {
        news = news.or_else(|| device.news());
        news.is_some()
    });
    news.unwrap()
}
