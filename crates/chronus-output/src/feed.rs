//! The source in the hands of an audio thread, together with the counts that every device keeps.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use crate::{CHANNELS, DeviceStats, Source};

/// Counts of a device, shared by its audio thread and its owner. They are read for people only and
/// order nothing, so every access is relaxed.
#[derive(Default)]
pub(crate) struct Counters {
    pub xruns: AtomicU64,
    periods: AtomicU64,
    frames: AtomicU64,
    source_panicked: AtomicBool,
    lost: OnceLock<String>,
}

impl Counters {
    /// Notes why the device plays no more; the first reason stays.
    pub fn set_lost(&self, reason: impl Into<String>) {
        let _ = self.lost.set(reason.into());
    }

    pub fn stats(&self) -> DeviceStats {
        if self.source_panicked.load(Relaxed) {
            self.set_lost("the source of the sound panicked; the device plays silence");
        }
        DeviceStats {
            xruns: self.xruns.load(Relaxed),
            periods: self.periods.load(Relaxed),
            frames: self.frames.load(Relaxed),
            lost: self.lost.get().cloned(),
            recordings: Vec::new(),
        }
    }
}

/// A source that cannot take the audio thread down: once it panics, it is silence for good.
pub(crate) struct Feed {
    source: Box<dyn Source>,
    counters: Arc<Counters>,
    silent: bool,
}

impl Feed {
    pub fn new(source: Box<dyn Source>, counters: Arc<Counters>) -> Self {
        Self { source, counters, silent: false }
    }

    pub fn fill(&mut self, interleaved: &mut [f32]) {
        let frames = interleaved.len() / CHANNELS;
        if !self.guarded(|source| source.fill(interleaved)) {
            interleaved.fill(0.0);
        }
        self.counters.periods.fetch_add(1, Relaxed);
        self.counters.frames.fetch_add(frames as u64, Relaxed);
    }

    pub fn wait(&mut self, frames: usize, give_up: &AtomicBool) {
        self.guarded(|source| source.wait(frames, give_up));
    }

    pub fn slipped(&mut self) {
        self.guarded(|source| source.slipped());
    }

    pub fn consumed(&mut self) {
        self.guarded(|source| source.consumed());
    }

    /// Runs `call` unless the source is broken; false if it is or has just become so.
    fn guarded(&mut self, call: impl FnOnce(&mut dyn Source)) -> bool {
        if self.silent {
            return false;
        }
        // A source that panicked is never called again, so its broken state cannot be seen.
        let outcome = catch_unwind(AssertUnwindSafe(|| call(&mut *self.source)));
        if outcome.is_err() {
            self.silent = true;
            self.counters.source_panicked.store(true, Relaxed);
        }
        outcome.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct PanicsAtOnce;
    impl Source for PanicsAtOnce {
        fn fill(&mut self, interleaved: &mut [f32]) {
            interleaved.fill(0.5);
            panic!("on purpose");
        }
    }

    #[test]
    fn a_source_that_panics_becomes_silence_and_is_reported() {
        let counters = Arc::new(Counters::default());
        let mut feed = Feed::new(Box::new(PanicsAtOnce), counters.clone());
        for _ in 0..2 {
            let mut buffer = [1.0; 8];
            feed.fill(&mut buffer);
            assert_eq!(buffer, [0.0; 8]);
        }
        let stats = counters.stats();
        assert!(stats.lost.unwrap().contains("panicked"));
        assert_eq!((stats.periods, stats.frames), (2, 8));
    }
}
