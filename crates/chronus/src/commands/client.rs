//! A client of a running engine, over OSC like anybody else.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use chronus_os::peer::{Peer, UnixName};
use chronus_osc::{OscType, Reply, message, parse_reply};

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A connection to an engine.
pub struct Client {
    socket: Socket,
    engine: Peer,
}

enum Socket {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

/// Why there is no way to an engine, as a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct NoWay {
    sentence: String,
    /// An engine may be there, but not for this user.
    pub is_forbidden: bool,
}

impl Client {
    /// Opens a socket to the engine at this address.
    ///
    /// # Errors
    /// A sentence, if there is no way to it.
    pub fn connect(engine: Peer) -> Result<Self, NoWay> {
        let socket = match engine {
            Peer::Ip(address) => {
                let local = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                UdpSocket::bind(local).and_then(|socket| {
                    socket.connect(address)?;
                    Ok(Socket::Udp(socket))
                })
            }
            Peer::Unix(name) => unix_socket(&name).map(Socket::Unix),
        };
        let socket = socket.map_err(|error| no_way(engine, &error))?;
        Ok(Self { socket, engine })
    }

    /// What to say if nobody answers.
    pub fn nobody(&self) -> String {
        nobody(self.engine)
    }

    /// Sends a message.
    ///
    /// # Errors
    /// A sentence about the address, or as the system says.
    pub fn send(&self, address: &str, args: Vec<OscType>) -> Result<(), Box<dyn Error>> {
        let packet = message(address, args)?;
        match &self.socket {
            Socket::Udp(socket) => {
                socket.send(&packet)?;
            }
            Socket::Unix(socket) => self.send_by(socket, &packet)?,
        }
        Ok(())
    }

    /// A unix socket is that of one engine; of another that has begun since then, it knows only when it is connected anew.
    fn send_by(&self, socket: &UnixDatagram, packet: &[u8]) -> Result<(), Box<dyn Error>> {
        let sent =
            socket.send(packet).or_else(|error| match (error.kind(), path_of(&self.engine)) {
                (ErrorKind::ConnectionRefused | ErrorKind::NotConnected, Some(path)) => {
                    socket.connect(path)?;
                    socket.send(packet)
                }
                _ => Err(error),
            });
        match sent {
            Ok(_) => Ok(()),
            Err(error) if is_timeout(&error) => {
                Err(format!("the engine at {} takes nothing; is it stopped?", self.engine).into())
            }
            Err(error) => Err(no_way(self.engine, &error).into()),
        }
    }

    /// Waits for an answer; `None` if none comes in time.
    ///
    /// # Errors
    /// If nobody listens there.
    pub fn answer(&self, within: Duration) -> io::Result<Option<Reply>> {
        let mut packet = vec![0; chronus_osc::MOST_DATAGRAM_BYTES];
        let received = match &self.socket {
            Socket::Udp(socket) => {
                socket.set_read_timeout(Some(within))?;
                socket.recv(&mut packet)
            }
            Socket::Unix(socket) => {
                socket.set_read_timeout(Some(within))?;
                socket.recv(&mut packet)
            }
        };
        match received {
            Ok(length) => Ok(parse_reply(&packet[..length])),
            Err(error) if is_timeout(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks for the status.
    ///
    /// # Errors
    /// If no engine answers.
    pub fn status(&self) -> Result<serde_json::Value, Box<dyn Error>> {
        self.send("/status", Vec::new()).map_err(|_| self.nobody())?;
        for _ in 0..8 {
            let reply = self.answer(ANSWER_WITHIN).ok().flatten();
            let reply = reply.ok_or_else(|| self.nobody())?;
            if let Some(json) = reply.text_after("json") {
                return Ok(serde_json::from_str(json)?);
            }
        }
        Err(self.nobody().into())
    }
}

/// A socket with a name that the kernel chooses, by which it can be answered. It is connected, so that nobody but the engine
/// can send there: names of this kind belong to no user.
fn unix_socket(engine: &UnixName) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::bind("")?;
    socket.connect(engine.path().unwrap_or(Path::new("")))?;
    // Where messages to an engine that is stopped find no more room, the sender would wait for ever.
    socket.set_write_timeout(Some(ANSWER_WITHIN))?;
    Ok(socket)
}

fn path_of(engine: &Peer) -> Option<&Path> {
    match engine {
        Peer::Ip(_) => None,
        Peer::Unix(name) => name.path(),
    }
}

fn nobody(engine: Peer) -> String {
    let begin = if path_of(&engine).is_some() {
        format!("`chronus run --osc {engine}`")
    } else {
        "`chronus run`".into()
    };
    format!("no engine answers at {engine}; start one with {begin}, or say where it is with --osc")
}

fn no_way(engine: Peer, error: &io::Error) -> NoWay {
    let is_unix = path_of(&engine).is_some();
    let is_forbidden = is_unix && error.kind() == ErrorKind::PermissionDenied;
    let is_nobody = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused);
    let sentence = if is_forbidden {
        format!(
            "you may not send to {engine}: only the user that runs the engine there may, and root"
        )
    } else if is_unix && is_nobody {
        nobody(engine)
    } else {
        format!("there is no way to {engine}: {error}")
    };
    NoWay { sentence, is_forbidden }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// An argument of a reply, as a word.
pub fn word(arg: &OscType) -> String {
    match arg {
        OscType::Int(value) => value.to_string(),
        OscType::Long(value) => value.to_string(),
        OscType::Float(value) => value.to_string(),
        OscType::Double(value) => value.to_string(),
        OscType::Bool(value) => value.to_string(),
        // What others have made up moves no terminal.
        OscType::String(value) => value.replace(char::is_control, "\u{fffd}"),
        other => format!("{other:?}"),
    }
}
