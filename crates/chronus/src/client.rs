//! The clients of a running engine: `chronus status`, `events`, `send` and `kill`, over OSC like anybody else.

use std::error::Error;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use chronus_osc::{OscType, Reply, encode_arguments, message, parse_reply};

use crate::cli::{KillArgs, SendArgs, StatusArgs};

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long a complaint about a command may take; there is no answer to one that is well.
const COMPLAINT_WITHIN: Duration = Duration::from_millis(100);
/// How long the answer to something that may take its time, such as completing a file, may take.
const WORK_WITHIN: Duration = Duration::from_secs(10);

/// The engine's OSC port: as given, or by `CHRONUS_OSC_HOST` and `CHRONUS_OSC_PORT`, or
/// 127.0.0.1:5005.
///
/// # Errors
/// A sentence, if the variables make no address.
pub fn osc_address(given: Option<SocketAddr>) -> Result<SocketAddr, String> {
    if let Some(given) = given {
        return Ok(given);
    }
    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let host = variable("CHRONUS_OSC_HOST", "127.0.0.1");
    let port = variable("CHRONUS_OSC_PORT", "5005");
    format!("{host}:{port}").parse().map_err(|_| {
        format!("CHRONUS_OSC_HOST={host} and CHRONUS_OSC_PORT={port} make no address; give a numeric one such as 127.0.0.1 and 5005")
    })
}

/// A connection to an engine.
pub struct Client {
    socket: UdpSocket,
}

impl Client {
    /// Opens a socket to the engine at `address`.
    ///
    /// # Errors
    /// As the system says.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let local = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(local)?;
        socket.connect(address)?;
        Ok(Self { socket })
    }

    /// Sends a message.
    ///
    /// # Errors
    /// A sentence about the address, or as the system says.
    pub fn send(&self, address: &str, args: Vec<OscType>) -> Result<(), Box<dyn Error>> {
        self.socket.send(&message(address, args)?)?;
        Ok(())
    }

    /// Waits for an answer; `None` if none comes in time.
    ///
    /// # Errors
    /// If nobody listens there.
    pub fn answer(&self, within: Duration) -> io::Result<Option<Reply>> {
        self.socket.set_read_timeout(Some(within))?;
        let mut packet = vec![0; chronus_osc::MOST_DATAGRAM_BYTES];
        match self.socket.recv(&mut packet) {
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
        let nobody = "no engine answers; start one with `chronus run`, or name its port with --osc";
        self.send("/status", Vec::new()).map_err(|_| nobody)?;
        for _ in 0..8 {
            let reply = self.answer(ANSWER_WITHIN).map_err(|_| nobody)?.ok_or(nobody)?;
            if let Some(json) = reply.text_after("json") {
                return Ok(serde_json::from_str(json)?);
            }
        }
        Err(nobody.into())
    }
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
            format!("{:.4}", number.as_f64().unwrap_or(0.0))
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
        let values: Vec<_> = event.args.iter().map(word).collect();
        if args.json {
            println!("{}", serde_json::json!({ "event": name, "values": values }));
        } else {
            println!("{name}  {}", values.join("  "));
        }
    }
}

/// `chronus send`.
///
/// # Errors
/// If it can't be sent, or the engine complains.
pub fn send(args: &SendArgs) -> Result<ExitCode, Box<dyn Error>> {
    let arguments = encode_arguments(&args.arguments)?;
    deliver(osc_address(args.osc)?, &args.address, arguments)
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

fn deliver(to: SocketAddr, address: &str, args: Vec<OscType>) -> Result<ExitCode, Box<dyn Error>> {
    let client = Client::connect(to)?;
    client.send(address, args)?;
    let nobody = |_| "nobody listens there; start an engine with `chronus run`";
    let mut within =
        if chronus_osc::address::has_reply(address) { WORK_WITHIN } else { COMPLAINT_WITHIN };
    while let Some(reply) = client.answer(within).map_err(nobody)? {
        within = COMPLAINT_WITHIN;
        let words: Vec<String> = reply.args.iter().map(word).collect();
        if reply.address == "/fail" {
            return Err(words.join(": ").into());
        }
        println!("{} {}", reply.address, words.join(" "));
    }
    Ok(ExitCode::SUCCESS)
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
