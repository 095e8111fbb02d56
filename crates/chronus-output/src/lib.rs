//! Audio devices behind one trait: JACK, PulseAudio and PipeWire, ALSA (feature `cpal`), WAV files and
//! `null`.
//!
//! The caller gives a [`Source`] and the device pulls frames out of it, as many as it likes per audio
//! callback. No device waits for the source in real time: what the source cannot deliver is the
//! source's to conceal. Whatever else goes wrong (a full disk, a server that dies, a clock that slips)
//! is counted and reported and never ends the program. In the place of a device that is lost, or not there yet,
//! frames are taken without a sound, until it is there.

#![forbid(unsafe_code)]

#[cfg(feature = "cpal")]
mod alsa;
mod connect;
mod connector;
mod device_monitor;
mod error;
mod fallback;
mod feed;
mod folder;
mod jack;
mod news;
mod pace;
mod paced;
mod probe;
mod pulse;
mod recorder;
mod recording;
mod relay;
mod spec;
mod tap;
mod wav;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

pub use chronus_units::CHANNELS;
pub use connect::{check, connect};
pub use error::OutputError;
pub use news::{News, Sentence};
pub use probe::{Probe, probe};
pub use recorder::{Ask, Recorder, RecordingHandle};
pub use recording::{Moment, Recording, RecordingState, Tell};
pub use spec::{OutputSpec, ParseOutputError};
pub use wav::{Medium, UnknownFormat, WavFormat, WavWriter, complete};

/// Where a device gets its frames from.
pub trait Source: Send {
    /// Fills `interleaved` (left, right, left, …; any number of frames; full scale ±1) completely.
    ///
    /// Called on the audio thread: it must not block, allocate or make a system call.
    fn fill(&mut self, interleaved: &mut [f32]);

    /// Returns when `frames` frames can be had without a gap, or `give_up` is set.
    ///
    /// Only a device that runs free calls it, be it for a while, right before [`Source::fill`]; here blocking is welcome.
    fn wait(&mut self, frames: usize, give_up: &AtomicBool) {
        let _ = (frames, give_up);
    }

    /// Says that the device's clock has slipped: the frames that it asks for next begin a new count of time.
    ///
    /// Called by devices that know, right before [`Source::fill`], whose rules hold here too.
    fn slipped(&mut self) {}

    /// Says that the frames of the last [`Source::fill`] are taken.
    ///
    /// Called by devices whose audio thread is ours ([`Device::self_paced`]), so that it may make system
    /// calls, for example to wake another thread; a foreign audio callback calls it only while it runs free.
    fn consumed(&mut self) {}

    /// Whether `frames` frames can be had now without a gap; if not, the source should see to it that they
    /// soon can.
    ///
    /// Called on the audio thread of a device that is about to take over from another one, right before
    /// [`Source::fill`], whose rules hold here too.
    fn is_ready(&mut self, frames: usize) -> bool {
        let _ = frames;
        true
    }

    /// What asks, on any thread, as [`Source::is_ready`] does; for devices that know beforehand that they will ask for
    /// more at a time. `None` if the source has only one hand to be asked with.
    fn foresight(&self) -> Option<Foresight> {
        None
    }

    /// Frames of the performance that have been handed out, if the source counts them itself; a
    /// device may have asked for frames before the performance began.
    fn position(&self) -> Option<u64> {
        None
    }
}

/// Whether so many frames can be had at once; see [`Source::foresight`].
pub type Foresight = Box<dyn Fn(usize) -> bool + Send + Sync>;

/// What runs once at the start of every audio thread that is ours, on that thread.
pub type AudioThreadHook = Arc<dyn Fn() + Send + Sync>;

/// What runs when there are [`News`] of a device, or the device that plays has changed.
pub type NewsHook = Arc<dyn Fn() + Send + Sync>;

/// How to open a device. `Options::default()` leaves every choice to the device.
#[derive(Clone)]
pub struct Options {
    /// Sample rate to ask for; without it the rate of the server, else 48000. It stays what it is at the start.
    pub rate_hz: Option<u32>,
    /// Frames per audio callback to ask for; a JACK server does not let itself be asked.
    pub period_frames: Option<u32>,
    /// Pull as fast as the source delivers, without a clock; only with `null` and `wav:FILE`.
    pub free_run: bool,
    /// Write what is played to this WAV file too, with any device.
    pub capture: Option<PathBuf>,
    /// Goes on with what another process has played which died: WAV files of the same names are completed as far
    /// as they were written, and the sound goes on in new ones beside them.
    pub goes_on: bool,
    /// The name that the server shows.
    pub client_name: String,
    /// Called at the start of every audio thread that is ours, for example to raise its priority.
    pub on_audio_thread: Option<AudioThreadHook>,
    /// Called when there are news, on a thread without any priority.
    pub on_news: Option<NewsHook>,
    /// Name of the JACK server; without it the default one (`JACK_DEFAULT_SERVER`).
    pub jack_server: Option<String>,
    /// Socket of the PulseAudio server; without it as PulseAudio's environment says.
    pub pulse_socket: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rate_hz: None,
            period_frames: None,
            free_run: false,
            capture: None,
            goes_on: false,
            client_name: "chronus".into(),
            on_audio_thread: None,
            on_news: None,
            jack_server: None,
            pulse_socket: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("rate_hz", &self.rate_hz)
            .field("period_frames", &self.period_frames)
            .field("free_run", &self.free_run)
            .field("capture", &self.capture)
            .field("goes_on", &self.goes_on)
            .field("client_name", &self.client_name)
            .field("on_audio_thread", &self.on_audio_thread.is_some())
            .field("on_news", &self.on_news.is_some())
            .field("jack_server", &self.jack_server)
            .field("pulse_socket", &self.pulse_socket)
            .finish()
    }
}

/// A connected audio device. Dropping it stops it.
pub trait Device: Send {
    /// The sample rate at which frames are pulled, Hz; never changes.
    fn rate_hz(&self) -> u32;

    /// Frames that an audio callback usually asks for, where it is known; single callbacks may differ.
    fn period_frames(&self) -> Option<u32>;

    /// One line for a person: what this is and how it runs.
    fn describe(&self) -> String;

    /// True for a device that can be heard, false for `null` and `wav:FILE`.
    fn is_real(&self) -> bool;

    /// True when the audio thread is ours, so that [`Source::consumed`] is called after each fill. May
    /// change when the device is lost or back.
    fn self_paced(&self) -> bool;

    /// Something the person should know although it is no error, in a sentence.
    fn note(&self) -> Option<String>;

    /// What has become of the device since it was last asked, bit by bit. Wait-free.
    fn news(&mut self) -> Option<News> {
        None
    }

    /// What records on demand, for whoever asks first; every device that [`connect()`] gives has one.
    fn recorder(&mut self) -> Option<Recorder> {
        None
    }

    /// Says, before the start, that the source keeps so many frames ready beyond what is asked for at once. A device
    /// without hardware catches up with as much after a stall, and slips after a longer one; others have a clock of
    /// their own.
    fn bear(&mut self, ready_frames: u32) {
        let _ = ready_frames;
    }

    /// Says that the performance ends before this frame: files that record the whole of it hold no
    /// more, however much the device takes until it is stopped.
    fn end_at(&mut self, frame: u64) {
        let _ = frame;
    }

    /// Begins to play `source`.
    ///
    /// # Errors
    /// When the device was started before, or refuses the stream.
    fn start(&mut self, source: Box<dyn Source>) -> Result<(), OutputError>;

    /// The counts so far; cheap enough to be asked several times a second.
    fn stats(&self) -> DeviceStats;

    /// Stops the sound, joins all threads, drops the source and finishes all WAV files. Idempotent.
    ///
    /// # Errors
    /// When the device could not be closed in order; its threads are gone all the same.
    fn stop(&mut self) -> Result<StopReport, OutputError>;
}

/// What a device has counted since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceStats {
    /// Times that the device starved or its clock slipped. Gaps of the source are not among them.
    pub xruns: u64,
    /// Times that the source was asked for frames.
    pub periods: u64,
    /// Frames taken from the source.
    pub frames: u64,
    /// Why nothing will take frames any more, in a sentence; set once, for good.
    pub lost: Option<String>,
    /// The WAV files being written: first that of `wav:FILE`, then `capture`.
    pub recordings: Vec<Recording>,
}

/// The final counts of a stopped device.
pub type StopReport = DeviceStats;
