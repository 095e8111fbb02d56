//! JACK, not yet connected.
use crate::{Device, DeviceStats, Options, OutputError, Source, StopReport};

pub(crate) struct Jack;

impl Jack {
    pub fn connect(_: &Options) -> Result<Self, OutputError> {
        Err(OutputError::Absent {
            output: "JACK",
            reason: "not built in yet; use wav:FILE or null".into(),
            mend: String::new(),
        })
    }
}

impl Device for Jack {
    fn rate_hz(&self) -> u32 {
        0
    }
    fn period_frames(&self) -> Option<u32> {
        None
    }
    fn describe(&self) -> String {
        String::new()
    }
    fn is_real(&self) -> bool {
        true
    }
    fn self_paced(&self) -> bool {
        false
    }
    fn note(&self) -> Option<String> {
        None
    }
    fn start(&mut self, _: Box<dyn Source>) -> Result<(), OutputError> {
        Err(OutputError::AlreadyStarted)
    }
    fn stats(&self) -> DeviceStats {
        DeviceStats::default()
    }
    fn stop(&mut self) -> Result<StopReport, OutputError> {
        Ok(self.stats())
    }
}
