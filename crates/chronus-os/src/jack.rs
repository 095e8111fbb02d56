//! A thin, safe binding of the few functions of libjack that a player needs, loaded at run time.
//!
//! The library is the one of JACK 1, JACK 2 or PipeWire, whichever the system has as `libjack.so.0`; without
//! it everything else still works. It is loaded once and stays, since it keeps threads of its own. Its globals
//! are those of one server: a process can talk to one at a time.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_ulong, c_void},
    ptr::{self, NonNull},
    slice,
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicBool, AtomicI32, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

use libloading::Library;

/// What plays: called once per audio callback on libjack's own thread.
pub trait Process: Send {
    /// Fills both channels completely; they are equally long. Must not allocate or panic, nor block or make a system
    /// call unless the server [freewheels](Notices::freewheels).
    fn process(&mut self, left: &mut [f32], right: &mut [f32]);
}

/// What is told that the server is about to ask for so many frames at once, before it does.
pub type Prepare = Box<dyn Fn(u32) + Send + Sync>;

/// Why there is no JACK client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JackError {
    /// The library is missing or lacks a function.
    #[error("libjack.so.0 can't be loaded ({0})")]
    Library(String),
    /// The library is there and finds no server.
    #[error("no JACK server is running")]
    NoServer,
    /// The server answered and refused; the status bits are those of `JackStatus`.
    #[error("the JACK server refused the client (status {status:#x})")]
    Client {
        /// Bits of `JackStatus`.
        status: i32,
    },
    /// One step of starting to play failed.
    #[error("the JACK server refused to {0}")]
    Play(&'static str),
}

/// What the server tells its client, readable from any thread.
#[derive(Debug, Default)]
pub struct Notices {
    xruns: AtomicU64,
    freewheels: AtomicBool,
    shutdown: AtomicBool,
    shutdown_status: AtomicI32,
}

impl Notices {
    /// Xruns that the server reported since the client was opened.
    pub fn xruns(&self) -> u64 {
        self.xruns.load(Relaxed)
    }

    /// Whether the server asks for frames as fast as its clients give them, without a clock, for example to export
    /// a session. Then the process callback may block.
    pub fn freewheels(&self) -> bool {
        self.freewheels.load(Acquire)
    }

    /// Why the client was shut down, if it was.
    pub fn shutdown(&self) -> Option<&'static str> {
        // Pairs with the Release in `on_shutdown`, so that the status belongs to the flag.
        if !self.shutdown.load(Acquire) {
            return None;
        }
        let zombie = self.shutdown_status.load(Relaxed) & STATUS_ZOMBIE != 0;
        Some(if zombie {
            "the JACK server has thrown this client out because it answered too late"
        } else {
            "the JACK server has gone"
        })
    }
}

/// A connection to a JACK server. Dropping it closes the connection.
pub struct Client {
    api: &'static Api,
    raw: NonNull<RawClient>,
    notices: Arc<Notices>,
    /// Made by `Box::leak` in [`Client::play`], freed after the client is closed.
    player: Option<NonNull<Player>>,
    prepare: Option<NonNull<Prepare>>,
}

// SAFETY: the functions of libjack used here may be called from any thread; the client is moved, not shared.
unsafe impl Send for Client {}

impl Client {
    /// Connects to the server called `server`, or to the default one. Starts no server.
    ///
    /// # Errors
    /// When there is no library or no server, or it refuses.
    pub fn open(name: &str, server: Option<&str>) -> Result<Self, JackError> {
        let api = Api::get()?;
        let name = c_string(name);
        let server = server.map(c_string);
        let mut status: c_int = 0;
        // SAFETY: both strings are terminated and outlive the call, the status is ours to be written to, and the
        // variadic argument is there exactly when the option says so.
        let raw = unsafe {
            match &server {
                Some(server) => (api.jack_client_open)(
                    name.as_ptr(),
                    OPTION_NO_START_SERVER | OPTION_SERVER_NAME,
                    &raw mut status,
                    server.as_ptr(),
                ),
                None => {
                    (api.jack_client_open)(name.as_ptr(), OPTION_NO_START_SERVER, &raw mut status)
                }
            }
        };
        let Some(raw) = NonNull::new(raw) else {
            let no_server = status & (STATUS_SERVER_FAILED | STATUS_SERVER_ERROR) != 0;
            return Err(if no_server { JackError::NoServer } else { JackError::Client { status } });
        };
        let client = Self { api, raw, notices: Arc::default(), player: None, prepare: None };
        let notices = Arc::as_ptr(&client.notices).cast_mut().cast();
        // SAFETY: the client is open and not active; the notices live in an `Arc` that is dropped after the client
        // is closed, when no callback can run any more, and are only ever read through `&`.
        unsafe {
            (api.jack_set_xrun_callback)(raw.as_ptr(), on_xrun, notices);
            (api.jack_set_freewheel_callback)(raw.as_ptr(), on_freewheel, notices);
            (api.jack_on_info_shutdown)(raw.as_ptr(), on_shutdown, notices);
        }
        Ok(client)
    }

    /// The name that the server gave, which differs from the wish if that was taken.
    pub fn name(&self) -> String {
        // SAFETY: the client is open; its name is a terminated string that lives as long.
        unsafe { CStr::from_ptr((self.api.jack_get_client_name)(self.raw.as_ptr())) }
            .to_string_lossy()
            .into_owned()
    }

    /// The server's sample rate, Hz.
    pub fn rate_hz(&self) -> u32 {
        // SAFETY: the client is open.
        unsafe { (self.api.jack_get_sample_rate)(self.raw.as_ptr()) }
    }

    /// The server's period, frames. It may be changed while the server runs.
    pub fn period_frames(&self) -> u32 {
        // SAFETY: the client is open.
        unsafe { (self.api.jack_get_buffer_size)(self.raw.as_ptr()) }
    }

    /// What the server has told so far.
    pub fn notices(&self) -> Arc<Notices> {
        self.notices.clone()
    }

    /// Registers the ports `left` and `right`, plays `process` on them and connects them to the first
    /// physical playback ports. Returns how many ports were connected, 0 to 2. When the server changes its period,
    /// `prepare` is called on another thread than `process`, and may take its time, but not seconds.
    ///
    /// # Errors
    /// When the server refuses, or the client plays already.
    pub fn play(
        &mut self,
        process: Box<dyn Process>,
        prepare: Prepare,
    ) -> Result<usize, JackError> {
        if self.player.is_some() {
            return Err(JackError::Play("play a second source"));
        }
        let ports = [self.register(c"left")?, self.register(c"right")?];
        let get_buffer = self.api.jack_port_get_buffer;
        let player = Box::new(Player { get_buffer, ports: ports.map(NonNull::as_ptr), process });
        let player = *self.player.insert(NonNull::from(Box::leak(player)));
        let raw = self.raw.as_ptr();
        // SAFETY: the client is not active yet; the player lives until the client is closed and from here on is
        // touched by the process callback alone.
        let set = unsafe {
            (self.api.jack_set_process_callback)(raw, on_process, player.as_ptr().cast())
        };
        if set != 0 {
            return Err(JackError::Play("take the process callback"));
        }
        let prepare = *self.prepare.insert(NonNull::from(Box::leak(Box::new(prepare))));
        // SAFETY: the client is not active yet; `prepare` lives until the client is closed, may be shared between threads,
        // and is only ever read.
        let set = unsafe {
            (self.api.jack_set_buffer_size_callback)(raw, on_buffer_size, prepare.as_ptr().cast())
        };
        if set != 0 {
            return Err(JackError::Play("tell when its period changes"));
        }
        // SAFETY: the client is open.
        if unsafe { (self.api.jack_activate)(raw) } != 0 {
            return Err(JackError::Play("activate the client"));
        }
        Ok(self.connect_playback(ports))
    }

    fn register(&self, name: &CStr) -> Result<NonNull<RawPort>, JackError> {
        // SAFETY: the client is open, both strings are terminated; a buffer size of 0 means the built-in one.
        let port = unsafe {
            (self.api.jack_port_register)(
                self.raw.as_ptr(),
                name.as_ptr(),
                AUDIO_PORT.as_ptr(),
                PORT_IS_OUTPUT,
                0,
            )
        };
        NonNull::new(port).ok_or(JackError::Play("register a port"))
    }

    fn connect_playback(&self, ports: [NonNull<RawPort>; 2]) -> usize {
        let raw = self.raw.as_ptr();
        // SAFETY: the client is open, the type is a terminated string and a null name pattern means any name.
        let names = unsafe {
            (self.api.jack_get_ports)(
                raw,
                ptr::null(),
                AUDIO_PORT.as_ptr(),
                PORT_IS_INPUT | PORT_IS_PHYSICAL,
            )
        };
        if names.is_null() {
            return 0;
        }
        let mut connected = 0;
        for (index, port) in ports.into_iter().enumerate() {
            // SAFETY: the array is ended by a null pointer, and the loop does not read past it: the second entry
            // is read only if the first was there. All names are terminated strings.
            unsafe {
                let playback = *names.add(index);
                if playback.is_null() {
                    break;
                }
                let own = (self.api.jack_port_name)(port.as_ptr());
                connected += usize::from((self.api.jack_connect)(raw, own, playback) == 0);
            }
        }
        // SAFETY: the array came from `jack_get_ports` and is not used any more.
        unsafe { (self.api.jack_free)(names.cast()) };
        connected
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let raw = self.raw.as_ptr();
        // SAFETY: the client is open and closed only here; after that no callback runs.
        unsafe {
            if self.player.is_some() {
                (self.api.jack_deactivate)(raw);
            }
            (self.api.jack_client_close)(raw);
        }
        if let Some(player) = self.player.take() {
            // SAFETY: made by `Box::leak` in `play`, and the only other user, the process callback, is gone.
            drop(unsafe { Box::from_raw(player.as_ptr()) });
        }
        if let Some(prepare) = self.prepare.take() {
            // SAFETY: made by `Box::leak` in `play`, and the only other user, the callback, is gone.
            drop(unsafe { Box::from_raw(prepare.as_ptr()) });
        }
    }
}

/// What the process callback works with.
struct Player {
    get_buffer: unsafe extern "C" fn(*mut RawPort, u32) -> *mut c_void,
    ports: [*mut RawPort; 2],
    process: Box<dyn Process>,
}

unsafe extern "C" fn on_process(frames: u32, arg: *mut c_void) -> c_int {
    // SAFETY: `arg` is the player given in `Client::play`, alive until the client is closed, and libjack calls from
    // one thread at a time.
    let player = unsafe { &mut *arg.cast::<Player>() };
    // SAFETY: the ports belong to the active client that calls.
    let [left, right] =
        player.ports.map(|port| unsafe { (player.get_buffer)(port, frames) }.cast::<f32>());
    if left.is_null() || right.is_null() {
        return 0;
    }
    // SAFETY: an output port's buffer is aligned, holds `frames` floats during this callback, and each port has its
    // own.
    let (left, right) = unsafe {
        (
            slice::from_raw_parts_mut(left, frames as usize),
            slice::from_raw_parts_mut(right, frames as usize),
        )
    };
    player.process.process(left, right);
    0
}

unsafe extern "C" fn on_xrun(arg: *mut c_void) -> c_int {
    // SAFETY: `arg` is the notices given in `Client::open`, alive until the client is closed.
    let notices = unsafe { &*arg.cast::<Notices>() };
    notices.xruns.fetch_add(1, Relaxed);
    0
}

unsafe extern "C" fn on_buffer_size(frames: u32, arg: *mut c_void) -> c_int {
    // SAFETY: `arg` is what was given in `Client::play`, alive until the client is closed and shared by reference only.
    let prepare = unsafe { &*arg.cast::<Prepare>() };
    // A panic must not go through libjack; what it was about to prepare is then not ready in time, and no more.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| prepare(frames)));
    0
}

unsafe extern "C" fn on_freewheel(starting: c_int, arg: *mut c_void) {
    // SAFETY: `arg` is the notices given in `Client::open`, alive until the client is closed.
    let notices = unsafe { &*arg.cast::<Notices>() };
    notices.freewheels.store(starting != 0, Release);
}

/// Does only what a signal handler may do, as libjack demands.
unsafe extern "C" fn on_shutdown(status: c_int, _reason: *const c_char, arg: *mut c_void) {
    // SAFETY: `arg` is the notices given in `Client::open`, alive until the client is closed.
    let notices = unsafe { &*arg.cast::<Notices>() };
    notices.shutdown_status.store(status, Relaxed);
    // Pairs with the Acquire in `Notices::shutdown`.
    notices.shutdown.store(true, Release);
}

unsafe extern "C" fn ignore_message(_: *const c_char) {}

fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "")).unwrap_or_default()
}

// Constants and types as in jack/types.h.
const AUDIO_PORT: &CStr = c"32 bit float mono audio";
const OPTION_NO_START_SERVER: c_int = 0x01;
const OPTION_SERVER_NAME: c_int = 0x04;
const PORT_IS_INPUT: c_ulong = 0x1;
const PORT_IS_OUTPUT: c_ulong = 0x2;
const PORT_IS_PHYSICAL: c_ulong = 0x4;
const STATUS_SERVER_FAILED: c_int = 0x10;
const STATUS_SERVER_ERROR: c_int = 0x20;
const STATUS_ZOMBIE: c_int = 0x1000;

#[repr(C)]
struct RawClient {
    _opaque: [u8; 0],
}

#[repr(C)]
struct RawPort {
    _opaque: [u8; 0],
}

type OnProcess = unsafe extern "C" fn(u32, *mut c_void) -> c_int;
type OnXrun = unsafe extern "C" fn(*mut c_void) -> c_int;
type OnBufferSize = unsafe extern "C" fn(u32, *mut c_void) -> c_int;
type OnFreewheel = unsafe extern "C" fn(c_int, *mut c_void);
type OnShutdown = unsafe extern "C" fn(c_int, *const c_char, *mut c_void);
type OnMessage = unsafe extern "C" fn(*const c_char);

/// Declares the table of functions and how it is loaded.
macro_rules! api {
    ($($name:ident: unsafe extern "C" fn($($arg:tt)*) $(-> $ret:ty)?;)*) => {
        struct Api {
            $($name: unsafe extern "C" fn($($arg)*) $(-> $ret)?,)*
            /// Holds the library in memory while the functions are in use.
            _library: Library,
        }

        impl Api {
            fn load() -> Result<Self, libloading::Error> {
                // SAFETY: libjack's initialisers only set up its own globals.
                let library = unsafe { Library::new("libjack.so.0") }?;
                // SAFETY: the types are those of jack/jack.h, jack/types.h and jack/statistics.h.
                unsafe {
                    $(let $name = *library.get(concat!(stringify!($name), "\0").as_bytes())?;)*
                    Ok(Self { $($name,)* _library: library })
                }
            }
        }
    };
}

api! {
    jack_client_open:
        unsafe extern "C" fn(*const c_char, c_int, *mut c_int, ...) -> *mut RawClient;
    jack_client_close: unsafe extern "C" fn(*mut RawClient) -> c_int;
    jack_get_client_name: unsafe extern "C" fn(*mut RawClient) -> *const c_char;
    jack_get_sample_rate: unsafe extern "C" fn(*mut RawClient) -> u32;
    jack_get_buffer_size: unsafe extern "C" fn(*mut RawClient) -> u32;
    jack_set_process_callback:
        unsafe extern "C" fn(*mut RawClient, OnProcess, *mut c_void) -> c_int;
    jack_set_buffer_size_callback:
        unsafe extern "C" fn(*mut RawClient, OnBufferSize, *mut c_void) -> c_int;
    jack_set_xrun_callback: unsafe extern "C" fn(*mut RawClient, OnXrun, *mut c_void) -> c_int;
    jack_set_freewheel_callback:
        unsafe extern "C" fn(*mut RawClient, OnFreewheel, *mut c_void) -> c_int;
    jack_on_info_shutdown: unsafe extern "C" fn(*mut RawClient, OnShutdown, *mut c_void);
    jack_port_register: unsafe extern "C" fn(
        *mut RawClient, *const c_char, *const c_char, c_ulong, c_ulong
    ) -> *mut RawPort;
    jack_port_get_buffer: unsafe extern "C" fn(*mut RawPort, u32) -> *mut c_void;
    jack_port_name: unsafe extern "C" fn(*const RawPort) -> *const c_char;
    jack_get_ports: unsafe extern "C" fn(
        *mut RawClient, *const c_char, *const c_char, c_ulong
    ) -> *mut *const c_char;
    jack_connect: unsafe extern "C" fn(*mut RawClient, *const c_char, *const c_char) -> c_int;
    jack_free: unsafe extern "C" fn(*mut c_void);
    jack_activate: unsafe extern "C" fn(*mut RawClient) -> c_int;
    jack_deactivate: unsafe extern "C" fn(*mut RawClient) -> c_int;
    jack_set_error_function: unsafe extern "C" fn(OnMessage);
    jack_set_info_function: unsafe extern "C" fn(OnMessage);
}

impl Api {
    /// The library, loaded at the first call that finds it, with its own messages to the terminal silenced.
    fn get() -> Result<&'static Self, JackError> {
        static API: OnceLock<Api> = OnceLock::new();
        if let Some(api) = API.get() {
            return Ok(api);
        }
        // One that is missing may be installed while this program waits for a server.
        let api = Self::load().map_err(|error| JackError::Library(error.to_string()))?;
        Ok(API.get_or_init(|| {
            // SAFETY: the function ignores its argument and lives as long as the program.
            unsafe {
                (api.jack_set_error_function)(ignore_message);
                (api.jack_set_info_function)(ignore_message);
            }
            api
        }))
    }
}
