//! A device that does not answer when a process goes on with what another has played: lost from the beginning,
//! so that something takes its place at once, and it is tried again.

use crate::{Device, DeviceStats, OutputError, OutputSpec, Source, StopReport};

/// See the file's head.
pub(crate) struct Absent {
    name: String,
    rate_hz: u32,
    why: String,
    source: Option<Box<dyn Source>>,
}

impl Absent {
    /// The device `spec`, which was to play at this rate.
    pub fn new(spec: &OutputSpec, rate_hz: u32, why: &OutputError) -> Self {
        Self { name: spec.to_string(), rate_hz, why: why.to_string(), source: None }
    }
}

impl Device for Absent {
    fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    fn period_frames(&self) -> Option<u32> {
        None
    }

    fn describe(&self) -> String {
        self.name.clone()
    }

    fn is_real(&self) -> bool {
        true
    }

    fn self_paced(&self) -> bool {
        true
    }

    fn note(&self) -> Option<String> {
        None
    }

    fn start(&mut self, source: Box<dyn Source>) -> Result<(), OutputError> {
        self.source = Some(source);
        Ok(())
    }

    fn stats(&self) -> DeviceStats {
        DeviceStats { lost: Some(self.why.clone()), ..DeviceStats::default() }
    }

    fn stop(&mut self) -> Result<StopReport, OutputError> {
        self.source = None;
        Ok(self.stats())
    }
}
