//! The clients of a running engine: `chronus status`, `events`, `send` and `kill`, over OSC like anybody else.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use chronus_os::peer::{Peer, UnixName};
use chronus_osc::{OscType, Reply, encode_arguments, message, parse_reply};

use crate::cli::{KillArgs, SendArgs, StatusArgs};
use crate::osc_address::osc_address;

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long a complaint about a command may take; there is no answer to one that is well.
const COMPLAINT_WITHIN: Duration = Duration::from_millis(100);
/// How long the answer to something that may take its time, such as completing a file, may take.
const WORK_WITHIN: Duration = Duration::from_secs(10);

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
    fn nobody(&self) -> String {
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

/// `chronus status`.
///
/// # Errors
/// If no engine answers.
pub fn status(args: &StatusArgs) -> Result<ExitCode, Box<dyn Error>> {
    let status = Client::connect(osc_address(args.osc)?)?.status()?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
        return Ok(ExitCode::SUCCESS);
    }
    let Some(object) = status.as_object() else { return Err("the answer makes no sense".into()) };
    for (name, value) in object {
        match value {
            serde_json::Value::Array(lines) => {
                for line in lines {
                    println!("{name:>20}  {}", line_of(line));
                }
            }
            serde_json::Value::Object(_) => println!("{name:>20}  {}", line_of(value)),
            _ => println!("{name:>20}  {}", plain(value)),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line_of(object: &serde_json::Value) -> String {
    if !object.is_object() {
        return plain(object);
    }
    let fields = object.as_object().into_iter().flatten();
    let fields = fields.filter(|(_, value)| !value.is_null() && *value != "");
    fields.map(|(name, value)| format!("{name} {}", plain(value))).collect::<Vec<_>>().join(", ")
}

fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(number) if number.is_f64() => {
            let text = format!("{:.4}", number.as_f64().unwrap_or(0.0));
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        other => other.to_string(),
    }
}

/// Who listens says so again this often: the engine may have started anew.
const LISTEN_AGAIN: Duration = Duration::from_secs(5);

/// `chronus events`: prints what happens, until it is ended.
///
/// # Errors
/// If no engine answers when it begins.
pub fn events(args: &StatusArgs) -> Result<ExitCode, Box<dyn Error>> {
    let client = Client::connect(osc_address(args.osc)?)?;
    client.status()?;
    let mut asked: Option<Instant> = None;
    loop {
        if asked.is_none_or(|asked| asked.elapsed() >= LISTEN_AGAIN) {
            let _ = client.send("/events", Vec::new());
            asked = Some(Instant::now());
        }
        // An engine that is away for a while may come back.
        let Ok(Some(event)) = client.answer(LISTEN_AGAIN) else { continue };
        let Some(name) = event.address.strip_prefix("/event/") else { continue };
        if args.json {
            let values: Vec<_> = event.args.iter().map(value).collect();
            println!("{}", serde_json::json!({ "event": name, "values": values }));
        } else {
            let words: Vec<_> = event.args.iter().map(word).collect();
            println!("{name}  {}", words.join("  "));
        }
    }
}

/// `chronus send`.
///
/// # Errors
/// If it can't be sent, or the engine complains.
pub fn send(args: &SendArgs) -> Result<ExitCode, Box<dyn Error>> {
    let (words, osc) = args.parted()?;
    deliver(osc_address(osc)?, &args.address, encode_arguments(&words)?)
}

/// `chronus kill`.
///
/// # Errors
/// If it can't be sent, or the engine refuses.
pub fn kill(args: &KillArgs) -> Result<ExitCode, Box<dyn Error>> {
    let arguments =
        vec![OscType::String(args.target.clone()), OscType::String(args.signal.clone())];
    deliver(osc_address(args.osc)?, "/chaos/kill", arguments)
}

fn deliver(to: Peer, address: &str, args: Vec<OscType>) -> Result<ExitCode, Box<dyn Error>> {
    let client = Client::connect(to)?;
    client.send(address, args)?;
    let (mut any, has_reply) = (false, chronus_osc::address::has_reply(address));
    let mut within = if has_reply { WORK_WITHIN } else { COMPLAINT_WITHIN };
    while let Some(reply) = client.answer(within).map_err(|_| client.nobody())? {
        any = true;
        let words: Vec<String> = reply.args.iter().map(word).collect();
        if reply.address == "/fail" {
            return Err(words.join(": ").into());
        }
        println!("{} {}", reply.address, words.join(" "));
        // The answer itself is still to come.
        within = if reply.address == "/wait" { WORK_WITHIN } else { COMPLAINT_WITHIN };
    }
    if any || !has_reply { Ok(ExitCode::SUCCESS) } else { Err(client.nobody().into()) }
}

/// An argument as JSON: numbers are numbers.
fn value(arg: &OscType) -> serde_json::Value {
    match arg {
        OscType::Int(value) => (*value).into(),
        OscType::Long(value) => (*value).into(),
        // As short as they are written for people, not with the digits of a wider number.
        OscType::Float(value) => value.to_string().parse::<f64>().unwrap_or(f64::NAN).into(),
        OscType::Double(value) => (*value).into(),
        OscType::Bool(value) => (*value).into(),
        other => word(other).into(),
    }
}

fn word(arg: &OscType) -> String {
    match arg {
        OscType::Int(value) => value.to_string(),
        OscType::Long(value) => value.to_string(),
        OscType::Float(value) => value.to_string(),
        OscType::Double(value) => value.to_string(),
        OscType::Bool(value) => value.to_string(),
        OscType::String(value) => value.clone(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{plain, value};
    use chronus_osc::OscType;

    #[test]
    fn figures_have_no_digits_that_say_nothing() {
        for (value, expected) in [(120.0, "120"), (-1.0, "-1"), (0.25, "0.25"), (1e-9, "0")] {
            assert_eq!(plain(&serde_json::json!(value)), expected);
        }
        assert_eq!(plain(&serde_json::json!(48_000)), "48000");
    }

    #[test]
    fn numbers_of_events_are_numbers_in_json() {
        let args = [
            OscType::Int(-3),
            OscType::Long(1 << 40),
            OscType::Float(11.2),
            OscType::Bool(true),
            OscType::String("7".into()),
        ];
        let values: Vec<_> = args.iter().map(value).collect();
        assert_eq!(serde_json::json!(values).to_string(), r#"[-3,1099511627776,11.2,true,"7"]"#);
    }
}
