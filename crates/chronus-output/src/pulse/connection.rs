//! The PulseAudio wire: finding the server's socket, greeting it, asking it one thing at a time, and
//! then reading its messages as they come.

use std::{
    env,
    ffi::CString,
    fs,
    io::{self, BufReader, Cursor, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use pulseaudio::protocol::{
    self as pa, AuthParams, AuthReply, Command, CommandReply, Descriptor, DescriptorFlags, Prop,
    Props, ProtocolError, PulseError, SetClientNameReply,
};

/// A server that does not answer within this time while we connect is as good as none.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Far more than any message for a player; what claims to be longer is no message.
const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// The length of a cookie. The server wants that many bytes even where it does not ask for a valid one.
const COOKIE_BYTES: usize = 256;

/// Why the server cannot be reached or spoken to.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("no server at {0}")]
    Absent(String),
    #[error("it is set to {0} (PULSE_SERVER), and only local sockets are supported")]
    NotLocal(String),
    #[error("the server refuses access; is the cookie in ~/.config/pulse/cookie the server's?")]
    Access,
    #[error("the server says: {0}")]
    Server(PulseError),
    #[error("the server can't be understood ({0})")]
    Garbled(String),
    #[error("the server has removed the stream")]
    Killed,
    #[error("the server does not answer ({0})")]
    Io(#[from] io::Error),
}

impl From<ProtocolError> for WireError {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::ServerError(PulseError::AccessDenied | PulseError::AuthKey) => {
                Self::Access
            }
            ProtocolError::ServerError(error) => Self::Server(error),
            ProtocolError::Io(error) => Self::Io(error),
            other => Self::Garbled(other.to_string()),
        }
    }
}

/// A connection that has been greeted.
pub(super) struct Connection {
    stream: BufReader<UnixStream>,
    version: u16,
    sequence: u32,
    /// The message being read, kept for its memory.
    message: Vec<u8>,
    /// Where the server listens.
    pub path: PathBuf,
}

impl Connection {
    /// Connects to the socket at `path`, or to the first one of the environment that answers.
    pub fn open(path: Option<&Path>, client_name: &str) -> Result<Self, WireError> {
        let (socket, path) = match path {
            Some(path) => try_paths([path.to_owned()])?,
            None => try_paths(paths_from_env()?)?,
        };
        socket.set_read_timeout(Some(ANSWER_WITHIN))?;
        socket.set_write_timeout(Some(ANSWER_WITHIN))?;
        let stream = BufReader::new(socket);
        let mut connection =
            Self { stream, version: pa::MAX_VERSION, sequence: 0, message: Vec::new(), path };
        let auth = AuthParams {
            version: pa::MAX_VERSION,
            supports_shm: false,
            supports_memfd: false,
            cookie: cookie(),
        };
        let reply: AuthReply = connection.ask(&Command::Auth(auth))?;
        connection.version = reply.version.min(pa::MAX_VERSION);
        let mut props = Props::new();
        props.set(Prop::ApplicationName, c_string(client_name));
        props.set(Prop::ApplicationProcessId, c_string(&std::process::id().to_string()));
        let _: SetClientNameReply = connection.ask(&Command::SetClientName(props))?;
        Ok(connection)
    }

    /// Sends a command and waits for its reply. Only before a stream is created: after that the server
    /// sends messages of its own accord.
    pub fn ask<R: CommandReply>(&mut self, command: &Command) -> Result<R, WireError> {
        let sent = self.send(command)?;
        let (answered, reply) = pa::read_reply_message(&mut self.stream, self.version)?;
        if answered == sent {
            Ok(reply)
        } else {
            Err(WireError::Garbled(format!("reply {answered} to question {sent}")))
        }
    }

    /// Sends a command; its sequence number comes back in the reply.
    pub fn send(&mut self, command: &Command) -> Result<u32, WireError> {
        self.sequence += 1;
        let mut bytes = Vec::new();
        pa::encode_command_message(&mut bytes, self.sequence, command, self.version)?;
        self.stream.get_mut().write_all(&bytes)?;
        Ok(self.sequence)
    }

    /// From now on reading waits as long as it takes.
    pub fn wait_forever(&mut self) -> Result<(), WireError> {
        Ok(self.stream.get_ref().set_read_timeout(None)?)
    }

    /// A handle by which another thread can cut the connection.
    pub fn handle(&self) -> Result<UnixStream, WireError> {
        Ok(self.stream.get_ref().try_clone()?)
    }

    /// Waits for the next message. What is no command, or one that this library does not know, is skipped.
    pub fn read(&mut self) -> Result<(u32, Command), WireError> {
        loop {
            let descriptor = pa::read_descriptor(&mut self.stream)?;
            let length = descriptor.length as usize;
            if length > MAX_MESSAGE_BYTES {
                return Err(WireError::Garbled(format!("a message of {length} bytes")));
            }
            self.message.resize(length, 0);
            self.stream.read_exact(&mut self.message)?;
            if descriptor.channel != u32::MAX {
                continue;
            }
            match Command::read_tag_prefixed(&mut Cursor::new(&self.message), self.version) {
                Ok(message) => return Ok(message),
                Err(error) => tracing::debug!("PulseAudio: skipped a message: {error}"),
            }
        }
    }

    /// Sends samples to the stream on `channel`. `block` is room for the header, then the samples.
    pub fn send_block(&mut self, channel: u32, block: &mut [u8]) -> Result<(), WireError> {
        let (header, samples) = block.split_first_chunk_mut().ok_or_else(|| {
            WireError::Garbled("a block of samples without room for its header".into())
        })?;
        let length = samples.len() as u32;
        let flags = DescriptorFlags::empty();
        pa::encode_descriptor(header, &Descriptor { length, channel, offset: 0, flags });
        Ok(self.stream.get_mut().write_all(block)?)
    }
}

/// Where libpulse would look: `PULSE_SERVER` decides if it is set, else the usual places in turn.
fn paths_from_env() -> Result<Vec<PathBuf>, WireError> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
    if let Some(server) = variable("PULSE_SERVER") {
        let server = server.to_string_lossy();
        let path = server.strip_prefix("unix:").unwrap_or(&server);
        return if path.starts_with('/') {
            Ok(vec![path.into()])
        } else {
            Err(WireError::NotLocal(server.into_owned()))
        };
    }
    let mut paths = Vec::new();
    if let Some(folder) = variable("PULSE_RUNTIME_PATH") {
        paths.push(PathBuf::from(folder).join("native"));
    }
    if let Some(folder) = variable("XDG_RUNTIME_DIR") {
        paths.push(PathBuf::from(folder).join("pulse/native"));
    } else {
        let user = rustix::process::getuid().as_raw();
        paths.push(format!("/run/user/{user}/pulse/native").into());
    }
    paths.push("/run/pulse/native".into());
    Ok(paths)
}

fn try_paths(paths: impl IntoIterator<Item = PathBuf>) -> Result<(UnixStream, PathBuf), WireError> {
    let mut tried = Vec::new();
    for path in paths {
        match UnixStream::connect(&path) {
            Ok(socket) => {
                // The server knows its user by the credentials that the kernel adds to our messages,
                // once either side has asked for them. If only the server asks, just after accepting,
                // a message that came before goes without, and the server refuses access.
                rustix::net::sockopt::set_socket_passcred(&socket, true)
                    .map_err(io::Error::from)?;
                return Ok((socket, path));
            }
            Err(error) => tried.push(format!("{} ({error})", path.display())),
        }
    }
    Err(WireError::Absent(tried.join(" or ")))
}

fn cookie() -> Vec<u8> {
    let read = pulseaudio::cookie_path_from_env().and_then(|path| fs::read(path).ok());
    let mut cookie = read.unwrap_or_default();
    cookie.resize(COOKIE_BYTES, 0);
    cookie
}

/// Text for the server; a zero byte inside cannot be sent.
pub(super) fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "")).unwrap_or_default()
}
