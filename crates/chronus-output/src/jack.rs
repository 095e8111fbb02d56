//! A JACK server, or PipeWire's: libjack calls back on its own thread, with the server's rate and period.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Relaxed, Release},
        },
    },
    thread,
    time::{Duration, Instant},
};

use chronus_os::jack::{Client, JackError, Notices, Process};

use crate::{
    CHANNELS, Device, DeviceStats, Options, OutputError, Source, StopReport,
    feed::{Counters, Feed},
};

/// Longest stretch that is pulled at once; larger periods are served in pieces.
const SCRATCH_FRAMES: usize = 8192;

/// When the server is about to ask for more at a time, it is held up until that is ready, but no longer.
const PREPARE_WITHIN: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(1);

/// See the file's head.
pub(crate) struct Jack {
    /// Open until [`Device::stop`].
    client: Option<Client>,
    client_name: String,
    rate_hz: u32,
    period_frames: u32,
    counters: Arc<Counters>,
    notices: Arc<Notices>,
    stop: Arc<AtomicBool>,
    note: Option<String>,
    started: bool,
}

impl Jack {
    /// Opens a client; the server's rate must be the one asked for, if any is.
    pub fn connect(options: &Options) -> Result<Self, OutputError> {
        let client = Client::open(&options.client_name, options.jack_server.as_deref())?;
        let (rate_hz, period_frames) = (client.rate_hz(), client.period_frames());
        if let Some(wanted_hz) = options.rate_hz.filter(|&wanted_hz| wanted_hz != rate_hz) {
            return Err(OutputError::Refused {
                output: "JACK",
                reason: format!(
                    "its server runs at {rate_hz} Hz, not at {wanted_hz} Hz; start the server with that \
                     rate, or the engine with --rate {rate_hz}"
                ),
            });
        }
        Ok(Self {
            client_name: client.name(),
            notices: client.notices(),
            client: Some(client),
            rate_hz,
            period_frames,
            counters: Arc::default(),
            stop: Arc::default(),
            note: None,
            started: false,
        })
    }
}

impl Device for Jack {
    fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    fn period_frames(&self) -> Option<u32> {
        Some(self.period_frames)
    }

    fn describe(&self) -> String {
        let Self { client_name, rate_hz, period_frames, .. } = self;
        format!("JACK client {client_name}: {rate_hz} Hz, {period_frames} frames per period")
    }

    fn is_real(&self) -> bool {
        true
    }

    fn self_paced(&self) -> bool {
        false
    }

    fn note(&self) -> Option<String> {
        self.note.clone()
    }

    fn start(&mut self, source: Box<dyn Source>) -> Result<(), OutputError> {
        let client = self.client.as_mut().filter(|_| !self.started);
        let client = client.ok_or(OutputError::AlreadyStarted)?;
        self.started = true;
        let (foresight, stop) = (source.foresight(), self.stop.clone());
        let prepare = move |frames: u32| {
            let Some(is_ready) = &foresight else { return };
            let give_up = Instant::now() + PREPARE_WITHIN;
            while !is_ready(frames as usize) && !stop.load(Relaxed) && Instant::now() < give_up {
                thread::sleep(LOOK);
            }
        };
        let player = Player {
            feed: Feed::new(source, self.counters.clone()),
            scratch: vec![0.0; SCRATCH_FRAMES * CHANNELS],
            notices: self.notices.clone(),
            stop: self.stop.clone(),
        };
        let connected = client.play(Box::new(player), Box::new(prepare))?;
        if connected < CHANNELS {
            self.note = Some(format!(
                "JACK has {connected} free physical playback ports for our {CHANNELS}; connect {}:left and \
                 {0}:right by hand to hear them, for example with jack_connect",
                self.client_name
            ));
        }
        Ok(())
    }

    fn stats(&self) -> DeviceStats {
        if let Some(reason) = self.notices.shutdown() {
            self.counters.set_lost(reason);
        }
        self.counters.xruns.store(self.notices.xruns(), Relaxed);
        self.counters.stats()
    }

    fn stop(&mut self) -> Result<StopReport, OutputError> {
        // The counts are taken first: a server that goes with its last client is no loss.
        let _ = self.stats();
        // A callback that waits for frames must not be waited for.
        self.stop.store(true, Release);
        drop(self.client.take());
        Ok(self.counters.stats())
    }
}

/// The source behind the process callback. While the server freewheels, the callback waits for the source, as a device
/// does that runs free: what is exported has no gaps.
struct Player {
    feed: Feed,
    scratch: Vec<f32>,
    notices: Arc<Notices>,
    stop: Arc<AtomicBool>,
}

impl Process for Player {
    fn process(&mut self, left: &mut [f32], right: &mut [f32]) {
        let pieces = left.chunks_mut(SCRATCH_FRAMES).zip(right.chunks_mut(SCRATCH_FRAMES));
        for (left, right) in pieces {
            let runs_free = self.notices.freewheels() && !self.stop.load(Relaxed);
            if runs_free {
                self.feed.wait(left.len(), &self.stop);
            }
            let interleaved = &mut self.scratch[..left.len() * CHANNELS];
            self.feed.fill(interleaved);
            if runs_free {
                self.feed.consumed();
            }
            let frames = interleaved.as_chunks::<CHANNELS>().0;
            for ((&[l, r], left), right) in frames.iter().zip(left).zip(right) {
                (*left, *right) = (l, r);
            }
        }
    }
}

impl From<JackError> for OutputError {
    fn from(error: JackError) -> Self {
        let reason = error.to_string();
        let mend = match error {
            JackError::Library(_) => {
                "install it (Debian, Ubuntu: apt install libjack-jackd2-0; with PipeWire: apt \
                 install pipewire-jack, then run under pw-jack)"
            }
            JackError::NoServer => {
                "start one, for example `jackd -d alsa`; with PipeWire run under pw-jack"
            }
            _ => return Self::Refused { output: "JACK", reason },
        };
        Self::Absent { output: "JACK", reason, mend: mend.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ramp(f32);
    impl Source for Ramp {
        fn fill(&mut self, interleaved: &mut [f32]) {
            for frame in interleaved.as_chunks_mut::<CHANNELS>().0 {
                *frame = [self.0, -self.0];
                self.0 += 1.0;
            }
        }
    }

    #[test]
    fn a_period_longer_than_the_scratch_is_played_without_a_seam() {
        let frames = SCRATCH_FRAMES * 2 + 7;
        let mut player = Player {
            feed: Feed::new(Box::new(Ramp(0.0)), Arc::default()),
            scratch: vec![0.0; SCRATCH_FRAMES * CHANNELS],
            notices: Arc::default(),
            stop: Arc::default(),
        };
        let (mut left, mut right) = (vec![9.9; frames], vec![9.9; frames]);
        player.process(&mut left, &mut right);
        let ramp = (0..frames).map(|frame| frame as f32);
        assert!(left.iter().copied().eq(ramp.clone()));
        assert!(right.iter().copied().eq(ramp.map(|sample| -sample)));
    }
}
