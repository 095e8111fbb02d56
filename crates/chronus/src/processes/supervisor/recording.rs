//! Recording while it plays: what players ask for, handed to the recorder of the device. The supervisor
//! touches no file and waits for nobody here; the thread that writes the file also tells how it
//! goes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use chronus_control::{ClientId, Record, Value};
use chronus_output::{
    Ask, Moment, Recorder, Recording, RecordingHandle, RecordingState, Tell, WavFormat,
};
use chronus_shm::ledger::LedgerRegion;
use serde::Serialize;

use super::Supervisor;
use crate::control::outbox::{Outbox, Respond};
use crate::control::port::Incoming;

/// The recorder, and the last recording that it was asked for.
pub struct RecordingControl {
    recorder: Option<Recorder>,
    folder: PathBuf,
    format: WavFormat,
    last: Option<(RecordingHandle, Stopper)>,
    /// A successor can find the file of the last one.
    is_noted: bool,
}

/// A recording that another supervisor was making.
pub struct Unfinished {
    name: String,
    format: WavFormat,
}

impl Unfinished {
    /// Completes the file of the recording that `ledger` tells of, as far as it was written, and gives the name of
    /// the next, in `folder`.
    pub fn find(ledger: &LedgerRegion, folder: &Path) -> Option<Self> {
        let note = ledger.recording.read()?;
        let (format, file) = note.split_once(' ')?;
        let file = Path::new(file);
        let inside = file.strip_prefix(folder).ok()?.with_extension("");
        let mut names = chronus_files::numbering::following(&inside.display().to_string(), 2);
        let name = names.find(|name| !folder.join(format!("{name}.wav")).exists())?;
        match chronus_output::complete(file) {
            Ok(()) => tracing::info!(
                "{} ends where its supervisor died; the recording goes on in {name}.wav",
                file.display()
            ),
            Err(error) => tracing::error!("{} may lack its end: {error}", file.display()),
        }
        Some(Self { name, format: format.parse().ok()? })
    }
}

/// Who ended a recording, and shall hear when it is whole.
type Stopper = Arc<OnceLock<ClientId>>;

impl RecordingControl {
    /// Nothing recorded yet. Files go to `folder`, in `format` unless a player wants another.
    pub fn new(recorder: Option<Recorder>, folder: PathBuf, format: WavFormat) -> Self {
        Self { recorder, folder, format, last: None, is_noted: false }
    }

    /// Goes on with a recording in a new file, from this frame.
    pub fn go_on(
        &mut self,
        unfinished: Unfinished,
        from_frame: u64,
        replies: Outbox,
        rate_hz: u32,
    ) {
        let Unfinished { name, format } = unfinished;
        let stopper = Stopper::default();
        let tell = tell(None, stopper.clone(), replies, rate_hz);
        let (folder, name) = (self.folder.clone(), Some(name));
        let ask = Ask { folder, name, format, from_frame, tell };
        let take = self.recorder.as_mut().and_then(|recorder| recorder.record(ask).ok());
        self.last = take.map(|take| (take, stopper));
    }

    /// Leaves word of the recording that is being made.
    pub fn note(&mut self, ledger: &LedgerRegion) {
        let Some((take, _)) = &self.last else { return };
        if self.is_noted != take.is_done() {
            return;
        }
        if take.is_done() {
            ledger.recording.clear();
            self.is_noted = false;
            return;
        }
        let recording = take.recording();
        if !recording.path.as_os_str().is_empty() {
            ledger.recording.write(&format!("{} {}", recording.format, recording.path.display()));
            self.is_noted = true;
        }
    }

    fn start(
        &mut self,
        (name, format): (Option<String>, Option<&str>),
        from_frame: u64,
        (from, replies): (ClientId, Outbox),
        rate_hz: u32,
    ) -> Result<(), String> {
        let format = format.map_or(Ok(self.format), str::parse);
        let format = format.map_err(|error| format!("{error}"))?;
        if let Some((take, _)) = &self.last
            && !take.is_done()
        {
            return Err(match take.recording() {
                Recording { state: RecordingState::Finishing, .. } => {
                    "the last recording is still being finished; ask again in a moment".into()
                }
                recording => format!(
                    "{} is being recorded already; /record/stop ends it",
                    file_of(&recording)
                ),
            });
        }
        let stopper = Stopper::default();
        let tell = tell(Some(from), stopper.clone(), replies, rate_hz);
        let recorder = self.recorder.as_mut().ok_or("this device can't be recorded")?;
        let take =
            recorder.record(Ask { folder: self.folder.clone(), name, format, from_frame, tell });
        self.last = Some((take?, stopper));
        Ok(())
    }

    fn stop(&self, at_frame: u64, from: ClientId) -> Result<(), String> {
        match &self.last {
            Some((take, stopper)) if !take.is_done() => {
                // Before the end, so that whoever comes to the end knows whom to tell.
                stopper
                    .set(from)
                    .map_err(|_| "the recording is being finished already; wait for it")?;
                take.stop_at(at_frame);
                Ok(())
            }
            _ => Err("nothing is being recorded; /record/start begins a recording".into()),
        }
    }

    /// How the recording is, or the last one was.
    pub fn status(&self, rate_hz: u32) -> RecordStatus {
        let last = self.last.as_ref();
        last.map_or_else(RecordStatus::idle, |(take, _)| {
            RecordStatus::of(&take.recording(), rate_hz)
        })
    }
}

impl Supervisor {
    /// Does what a player asks of the recorder.
    pub(super) fn take_record(&mut self, incoming: &Incoming, record: &Record) {
        // Beginning and end are at the frames that notes sent at the same time would get.
        let frame = self.frame_of(incoming);
        let post = &self.inputs.post;
        let done = match record {
            Record::Start { file, format } => self.recorder.start(
                (file.clone(), format.as_deref()),
                frame,
                (incoming.from, post.outbox().clone()),
                self.rate_hz,
            ),
            Record::Stop => self.recorder.stop(frame, incoming.from),
            Record::Status => {
                post.record(self.recorder.status(self.rate_hz).fields(), incoming.from);
                Ok(())
            }
        };
        if let Err(reason) = done {
            post.fail(&incoming.about, &reason, incoming.from);
        }
    }
}

/// Tells who began a recording, and who ended it, and whoever reads the log.
fn tell(starter: Option<ClientId>, stopper: Stopper, replies: Outbox, rate_hz: u32) -> Tell {
    Box::new(move |moment, recording| {
        let status = RecordStatus::of(recording, rate_hz);
        let file = file_of(recording);
        match moment {
            Moment::Begun => {
                tracing::info!("recording to {file}");
                if let Some(starter) = starter {
                    replies.record(status.fields(), starter);
                }
            }
            Moment::Complete => {
                let (frames, seconds) = (status.frames, status.seconds);
                tracing::info!("{file} is complete: {frames} frames, {seconds:.1} s");
                if let Some(stopper) = stopper.get() {
                    replies.record(status.fields(), *stopper);
                }
            }
            Moment::Failed => {
                let reason = status.error.as_deref().unwrap_or("the recording failed");
                if let Some(starter) = starter {
                    replies.fail("/record/start", reason, starter);
                }
                if let Some(stopper) = stopper.get() {
                    replies.fail("/record/stop", reason, *stopper);
                }
            }
        }
    })
}

fn file_of(recording: &Recording) -> String {
    recording.path.display().to_string()
}

/// A recording, as the player sees it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RecordStatus {
    /// idle, waiting, recording, finishing, complete or failed.
    pub state: &'static str,
    /// The file.
    pub file: String,
    /// `f32` or `24`.
    pub format: String,
    /// The sample rate.
    pub rate_hz: u32,
    /// The frame of the performance that is the first in the file.
    pub start_frame: Option<u64>,
    /// How long it is.
    pub frames: u64,
    /// How long that is.
    pub seconds: f64,
    /// Frames that were played but are not in the file.
    pub lost_frames: u64,
    /// Samples that were clipped.
    pub clipped: u64,
    /// Why it failed, as a sentence.
    pub error: Option<String>,
}

impl RecordStatus {
    fn idle() -> Self {
        Self {
            state: "idle",
            file: String::new(),
            format: String::new(),
            rate_hz: 0,
            start_frame: None,
            frames: 0,
            seconds: 0.0,
            lost_frames: 0,
            clipped: 0,
            error: None,
        }
    }

    /// A recording at this rate.
    pub fn of(recording: &Recording, rate_hz: u32) -> Self {
        let frames = recording.frames_written;
        Self {
            state: recording.state.word(),
            file: file_of(recording),
            format: recording.format.to_string(),
            rate_hz,
            start_frame: recording.start_frame,
            frames,
            seconds: frames as f64 / f64::from(rate_hz),
            lost_frames: recording.frames_lost,
            clipped: recording.clipped,
            error: recording.error.clone(),
        }
    }

    /// Names and values for the OSC reply, what matters most first.
    fn fields(&self) -> Vec<(String, Value)> {
        let text = |text: &str| Value::Text(text.to_owned());
        let fields = [
            ("state", Some(text(self.state))),
            ("file", Some(text(&self.file))),
            ("format", Some(text(&self.format))),
            ("rate_hz", Some(Value::Count(u64::from(self.rate_hz)))),
            ("start_frame", self.start_frame.map(Value::Count)),
            ("frames", Some(Value::Count(self.frames))),
            ("seconds", Some(Value::Figure(self.seconds))),
            ("lost_frames", Some(Value::Count(self.lost_frames))),
            ("clipped", Some(Value::Count(self.clipped))),
            ("error", self.error.as_deref().map(text)),
        ];
        let known = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        known.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
