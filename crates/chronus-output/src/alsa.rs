//! A sound card through ALSA, by the crate `cpal`, which calls back on a thread of its own. Opt-in (feature
//! `cpal`), since it needs ALSA's headers to build.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use cpal::{
    BufferSize, ErrorKind, FromSample, SampleFormat, SizedSample, Stream, StreamConfig,
    traits::{DeviceTrait, HostTrait, StreamTrait},
};

use crate::{
    CHANNELS, Device, DeviceStats, Options, OutputError, Source, StopReport,
    feed::{Counters, Feed},
};

const DEFAULT_RATE_HZ: u32 = 48_000;
const DEFAULT_PERIOD_FRAMES: u32 = 256;
/// Longest stretch that is pulled at once; longer callbacks are served in pieces.
const SCRATCH_FRAMES: usize = 8192;
/// The formats we can deliver, the best first.
const FORMATS: [SampleFormat; 3] = [SampleFormat::F32, SampleFormat::I32, SampleFormat::I16];

/// See the file's head.
pub(crate) struct Alsa {
    device: cpal::Device,
    title: String,
    config: StreamConfig,
    format: SampleFormat,
    counters: Arc<Counters>,
    started: bool,
    stream: Option<Stream>,
}

impl Alsa {
    /// Finds the device called `name` in ALSA (`hw:CARD=PCH,DEV=0`), or the default one, and a format that both
    /// sides understand.
    pub fn connect(name: Option<&str>, options: &Options) -> Result<Self, OutputError> {
        let device = find(name)?;
        let title = name.unwrap_or("default").to_owned();
        let ranges = device.supported_output_configs().map_err(|error| OutputError::Absent {
            output: "ALSA",
            reason: format!("{title}: {}", error.to_string().trim_end_matches('.')),
            mend: "`aplay -L` lists the devices".into(),
        })?;
        let ranges: Vec<_> =
            ranges.filter(|range| usize::from(range.channels()) == CHANNELS).collect();
        let offers = |rate_hz: u32, format: SampleFormat| {
            ranges.iter().any(|range| {
                let rates_hz = range.min_sample_rate()..=range.max_sample_rate();
                range.sample_format() == format && rates_hz.contains(&rate_hz)
            })
        };
        let rates_hz =
            options.rate_hz.map_or(vec![DEFAULT_RATE_HZ, 44_100], |rate_hz| vec![rate_hz]);
        let choices = rates_hz.iter().flat_map(|&rate_hz| FORMATS.map(|format| (rate_hz, format)));
        let choice = choices.into_iter().find(|&(rate_hz, format)| offers(rate_hz, format));
        let (sample_rate, format) = choice.ok_or_else(|| OutputError::Refused {
            output: "ALSA",
            reason: format!(
                "{title} has no stereo at {} Hz in a format we know; try the device `plug{title}` or \
                 another rate",
                rates_hz[0]
            ),
        })?;
        let period_frames = options.period_frames.unwrap_or(DEFAULT_PERIOD_FRAMES);
        let config = StreamConfig {
            channels: CHANNELS as u16,
            sample_rate,
            buffer_size: BufferSize::Fixed(period_frames),
        };
        let counters = Arc::default();
        Ok(Self { device, title, config, format, counters, started: false, stream: None })
    }

    fn build(&self, source: Box<dyn Source>) -> Result<Stream, cpal::Error> {
        let feed = Feed::new(source, self.counters.clone());
        match self.format {
            SampleFormat::I16 => self.build_as::<i16>(feed),
            SampleFormat::I32 => self.build_as::<i32>(feed),
            _ => self.build_as::<f32>(feed),
        }
    }

    fn build_as<T: SizedSample + FromSample<f32>>(
        &self,
        mut feed: Feed,
    ) -> Result<Stream, cpal::Error> {
        let mut scratch = vec![0.0; SCRATCH_FRAMES * CHANNELS];
        let fill = move |samples: &mut [T], _: &cpal::OutputCallbackInfo| {
            for samples in samples.chunks_mut(SCRATCH_FRAMES * CHANNELS) {
                let scratch = &mut scratch[..samples.len()];
                feed.fill(scratch);
                for (sample, &value) in samples.iter_mut().zip(&*scratch) {
                    *sample = T::from_sample_(value);
                }
            }
        };
        let counters = self.counters.clone();
        let report = move |error: cpal::Error| match error.kind() {
            ErrorKind::Xrun => {
                counters.xruns.fetch_add(1, Relaxed);
            }
            ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => tracing::warn!("ALSA: {error}"),
            _ => counters.set_lost(format!("the ALSA stream has ended: {error}")),
        };
        self.device.build_output_stream(self.config, fill, report, None)
    }
}

impl Device for Alsa {
    fn rate_hz(&self) -> u32 {
        self.config.sample_rate
    }

    fn period_frames(&self) -> Option<u32> {
        match self.config.buffer_size {
            BufferSize::Fixed(frames) => Some(frames),
            BufferSize::Default => None,
        }
    }

    fn describe(&self) -> String {
        let period = self.period_frames().map_or("its own".into(), |frames| frames.to_string());
        let Self { title, format, .. } = self;
        let rate_hz = self.rate_hz();
        format!("ALSA device {title}: {rate_hz} Hz, {format}, {period} frames per period")
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

    fn start(&mut self, source: Box<dyn Source>) -> Result<(), OutputError> {
        if self.started {
            return Err(OutputError::AlreadyStarted);
        }
        self.started = true;
        let playing = self.build(source).and_then(|stream| stream.play().map(|()| stream));
        self.stream = Some(playing.map_err(|error| OutputError::Refused {
            output: "ALSA",
            reason: format!("{}: {error}", self.title),
        })?);
        Ok(())
    }

    fn stats(&self) -> DeviceStats {
        self.counters.stats()
    }

    fn stop(&mut self) -> Result<StopReport, OutputError> {
        self.started = true;
        // Dropping the stream joins its thread.
        drop(self.stream.take());
        Ok(self.counters.stats())
    }
}

fn find(name: Option<&str>) -> Result<cpal::Device, OutputError> {
    let host = cpal::default_host();
    let found = match name {
        None => host.default_output_device(),
        Some(name) => {
            let id = format!("alsa:{name}").parse();
            id.ok().and_then(|id| host.device_by_id(&id))
        }
    };
    found.ok_or_else(|| OutputError::Absent {
        output: "ALSA",
        reason: format!("there is no device {}", name.unwrap_or("default")),
        mend: "`aplay -L` lists the devices".into(),
    })
}
