//! A PulseAudio server, or PipeWire's, spoken to in its native protocol on a thread of ours.
//!
//! The server asks for bytes whenever its buffer for us has room, sometimes for several periods at once. A
//! source has only a little ready, so a request is served in small slices, at most twice as fast as real
//! time, while the server plays from the rest of its buffer; and the first filling of that buffer is
//! silence, so that the source is never asked for a burst.

mod connection;

use std::{
    env,
    ffi::{CStr, CString},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Relaxed, Release},
        },
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use chronus_os::clock::monotonic_ns;
use chronus_units::BLOCK_FRAMES;
use pulseaudio::protocol::{
    self as pa, ChannelMap, Command, CreatePlaybackStreamReply, GetSinkInfo, PlaybackStreamParams,
    Prop, Props, PulseError, SampleFormat, SampleSpec, SinkInfo,
    stream::{BufferAttr, StreamFlags},
};

use self::connection::{Connection, WireError, c_string};
use crate::{
    AudioThreadHook, CHANNELS, Device, DeviceStats, Options, OutputError, Source, StopReport,
    feed::{Counters, Feed},
    paced::sleep_until_ns,
};

const DEFAULT_PERIOD_FRAMES: u32 = 256;
/// Periods that the server's buffer holds: one being asked for, the others being played meanwhile.
const BUFFER_PERIODS: u32 = 3;
/// How much is pulled at once.
const SLICE_FRAMES: usize = BLOCK_FRAMES;
/// How much faster than real time a request is served.
const SERVE_SPEED: u64 = 2;
const FRAME_BYTES: usize = CHANNELS * size_of::<f32>();
/// How long the rest in the server's buffer may take to be played out when we stop.
const DRAIN_WITHIN: Duration = Duration::from_millis(500);

/// See the file's head.
pub(crate) struct Pulse {
    /// Until it is handed to the audio thread.
    connection: Option<Connection>,
    description: String,
    client_name: String,
    sink_name: CString,
    rate_hz: u32,
    period_frames: u32,
    on_audio_thread: Option<AudioThreadHook>,
    counters: Arc<Counters>,
    stop: Arc<AtomicBool>,
    running: Option<Running>,
}

struct Running {
    thread: JoinHandle<()>,
    /// Closed when the thread has ended.
    ended: Receiver<()>,
    socket: UnixStream,
}

impl Pulse {
    /// Connects to the server and learns the rate of its default sink (or of `PULSE_SINK`).
    pub fn connect(options: &Options) -> Result<Self, OutputError> {
        let mut connection =
            Connection::open(options.pulse_socket.as_deref(), &options.client_name)?;
        let sink_name = match env::var("PULSE_SINK") {
            Ok(name) if !name.is_empty() => c_string(&name),
            _ => pa::DEFAULT_SINK.to_owned(),
        };
        let question = GetSinkInfo { index: None, name: Some(sink_name.clone()) };
        let sink: SinkInfo =
            connection.ask(&Command::GetSinkInfo(question)).map_err(|error| match error {
                WireError::Server(PulseError::NoEntity) => no_sink(&sink_name),
                error => error.into(),
            })?;
        let rate_hz = options.rate_hz.unwrap_or(sink.sample_spec.sample_rate);
        let period_frames = options.period_frames.unwrap_or(DEFAULT_PERIOD_FRAMES);
        let sink_title = sink.description.as_ref().unwrap_or(&sink.name).to_string_lossy();
        let path = connection.path.display();
        Ok(Self {
            description: format!("PulseAudio sink {sink_title} at {path}: {rate_hz} Hz"),
            connection: Some(connection),
            client_name: options.client_name.clone(),
            sink_name,
            rate_hz,
            period_frames,
            on_audio_thread: options.on_audio_thread.clone(),
            counters: Arc::default(),
            stop: Arc::default(),
            running: None,
        })
    }

    fn stream_params(&self) -> PlaybackStreamParams {
        let bytes = |frames: u32| frames * FRAME_BYTES as u32;
        // Less than 10 ms is more than most servers can keep up with.
        let buffer_frames = (self.period_frames * BUFFER_PERIODS).max(self.rate_hz / 100);
        let mut props = Props::new();
        props.set(Prop::MediaName, c_string(&self.client_name));
        PlaybackStreamParams {
            sample_spec: SampleSpec {
                format: SampleFormat::Float32Le,
                channels: CHANNELS as u8,
                sample_rate: self.rate_hz,
            },
            channel_map: ChannelMap::stereo(),
            sink_name: Some(self.sink_name.clone()),
            buffer_attr: BufferAttr {
                target_length: bytes(buffer_frames),
                minimum_request_length: bytes(self.period_frames),
                ..BufferAttr::default()
            },
            props,
            flags: StreamFlags { adjust_latency: true, ..StreamFlags::default() },
            ..PlaybackStreamParams::default()
        }
    }

    fn create_stream(
        &self,
        connection: &mut Connection,
    ) -> Result<(CreatePlaybackStreamReply, UnixStream), WireError> {
        let params = self.stream_params();
        let stream: CreatePlaybackStreamReply =
            connection.ask(&Command::CreatePlaybackStream(params))?;
        connection.wait_forever()?;
        Ok((stream, connection.handle()?))
    }
}

impl Device for Pulse {
    fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    fn period_frames(&self) -> Option<u32> {
        Some(self.period_frames)
    }

    fn describe(&self) -> String {
        format!("{}, {} frames per period", self.description, self.period_frames)
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
        let mut connection = self.connection.take().ok_or(OutputError::AlreadyStarted)?;
        let (stream, socket) = self.create_stream(&mut connection)?;
        self.period_frames =
            (stream.buffer_attr.minimum_request_length / FRAME_BYTES as u32).max(1);
        tracing::debug!(
            "PulseAudio stream: {:?}, {} bytes asked for at once",
            stream.buffer_attr,
            stream.requested_bytes
        );
        let mut audio = AudioThread {
            connection,
            channel: stream.channel,
            owed_bytes: 0,
            next_slice_ns: 0,
            slice_ns: SLICE_FRAMES as u64 * 1_000_000_000 / u64::from(self.rate_hz) / SERVE_SPEED,
            slice: vec![0.0; SLICE_FRAMES * CHANNELS],
            block: Vec::with_capacity(
                pa::DESCRIPTOR_SIZE + stream.buffer_attr.target_length as usize,
            ),
            feed: Feed::new(source, self.counters.clone()),
            counters: self.counters.clone(),
            stop: self.stop.clone(),
        };
        let hook = self.on_audio_thread.clone();
        let (end, ended): (Sender<()>, _) = mpsc::channel();
        let body = move || {
            let _end = end;
            if let Some(hook) = hook {
                hook();
            }
            if let Err(reason) = audio.run(stream.requested_bytes as usize)
                && !audio.stop.load(Relaxed)
            {
                audio.counters.set_lost(format!("the PulseAudio stream has ended: {reason}"));
            }
        };
        let spawned = thread::Builder::new().name("chronus-audio".into()).spawn(body);
        let thread = spawned.map_err(|source| OutputError::Thread { what: "audio", source })?;
        self.running = Some(Running { thread, ended, socket });
        Ok(())
    }

    fn stats(&self) -> DeviceStats {
        self.counters.stats()
    }

    fn stop(&mut self) -> Result<StopReport, OutputError> {
        self.connection = None;
        if let Some(running) = self.running.take() {
            self.stop.store(true, Release);
            // The thread has the server play out what it was given; if that takes too long, or the sink is
            // suspended and asks for nothing, the connection is cut, which ends the thread for certain.
            let _ = running.ended.recv_timeout(DRAIN_WITHIN);
            let _ = running.socket.shutdown(Shutdown::Both);
            if running.thread.join().is_err() {
                self.counters.set_lost("the audio thread has ended unexpectedly");
            }
        }
        Ok(self.counters.stats())
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

fn no_sink(name: &CStr) -> OutputError {
    OutputError::Absent {
        output: "PulseAudio",
        reason: format!("its server has no sink {}", name.to_string_lossy()),
        mend: "`pactl list short sinks` lists those that it has, and PULSE_SINK chooses one".into(),
    }
}

struct AudioThread {
    connection: Connection,
    channel: u32,
    /// What the server has asked for and not got.
    owed_bytes: usize,
    next_slice_ns: u64,
    slice_ns: u64,
    slice: Vec<f32>,
    block: Vec<u8>,
    feed: Feed,
    counters: Arc<Counters>,
    stop: Arc<AtomicBool>,
}

impl AudioThread {
    /// Serves the stream until it is stopped and played out (`Ok`) or lost.
    fn run(&mut self, first_bytes: usize) -> Result<(), WireError> {
        self.send_silence(first_bytes)?;
        let mut drain = None;
        loop {
            let (sequence, message) = self.connection.read()?;
            // Pairs with the Release in `stop`; nothing but the flag itself is carried over.
            if drain.is_none() && self.stop.load(Acquire) {
                drain = Some(self.connection.send(&Command::DrainPlaybackStream(self.channel))?);
            }
            match message {
                Command::Request(request) if request.channel == self.channel => {
                    self.owed_bytes += request.length as usize;
                    if drain.is_none() {
                        self.serve()?;
                    }
                }
                Command::Underflow(underflow) if underflow.channel == self.channel => {
                    if drain.is_none() {
                        self.counters.xruns.fetch_add(1, Relaxed);
                    }
                }
                Command::PlaybackStreamKilled(channel) if channel == self.channel => {
                    return Err(WireError::Killed);
                }
                Command::Reply | Command::Error(_) if drain == Some(sequence) => return Ok(()),
                other => tracing::debug!("PulseAudio: {other:?}"),
            }
        }
    }

    /// Pulls and sends all frames that are owed, in slices and not faster than twice real time.
    fn serve(&mut self) -> Result<(), WireError> {
        let frames = self.owed_bytes / FRAME_BYTES;
        self.owed_bytes %= FRAME_BYTES;
        self.begin_block();
        let mut left = frames;
        while left > 0 {
            sleep_until_ns(self.next_slice_ns);
            let count = left.min(SLICE_FRAMES);
            let slice = &mut self.slice[..count * CHANNELS];
            self.feed.fill(slice);
            self.feed.consumed();
            self.block.extend(slice.iter().flat_map(|sample| sample.to_le_bytes()));
            self.next_slice_ns = self.next_slice_ns.max(monotonic_ns()) + self.slice_ns;
            left -= count;
        }
        self.connection.send_block(self.channel, &mut self.block)
    }

    fn send_silence(&mut self, bytes: usize) -> Result<(), WireError> {
        self.owed_bytes = bytes % FRAME_BYTES;
        self.begin_block();
        self.block.resize(pa::DESCRIPTOR_SIZE + bytes - self.owed_bytes, 0);
        self.connection.send_block(self.channel, &mut self.block)
    }

    fn begin_block(&mut self) {
        self.block.clear();
        self.block.resize(pa::DESCRIPTOR_SIZE, 0);
    }
}

impl From<WireError> for OutputError {
    fn from(error: WireError) -> Self {
        let output = "PulseAudio";
        let reason = error.to_string();
        match error {
            WireError::Absent(_) | WireError::NotLocal(_) | WireError::Io(_) => Self::Absent {
                output,
                reason,
                mend:
                    "start it with `pulseaudio --start`, or with PipeWire `systemctl --user start \
                       pipewire-pulse`"
                        .into(),
            },
            _ => Self::Refused { output, reason },
        }
    }
}
