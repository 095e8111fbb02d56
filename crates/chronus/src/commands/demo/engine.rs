//! An engine in a process of its own, as a player would start it, and what the demonstration hears of it.

use std::error::Error;
use std::fs::{self, File};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use chronus_os::child::{Child as Watched, signal_number};
use chronus_os::socket::udp_ports_of;
use chronus_osc::{OscType, parse_reply};
use serde_json::Value;

use crate::commands::client::Client;

/// A machine that is busy may take its time to start a program.
const BEGINS_WITHIN: Duration = Duration::from_secs(30);
/// So may one that has to end everything in order.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// An engine; killed if the demonstration ends early.
pub struct Engine {
    process: Child,
    client: Client,
    /// Where events arrive.
    events: UdpSocket,
    log: PathBuf,
}

/// The machine ran nobody on a core.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stall {
    /// For so many milliseconds.
    pub ms: f64,
    /// Until about this frame.
    pub frame: u64,
}

impl Engine {
    /// Starts `chronus run` with these options and waits until it plays.
    ///
    /// # Errors
    /// What it says if it ends, or a sentence.
    pub fn start(options: &[&str], log: &Path) -> Result<Self, Box<dyn Error>> {
        // Any port that is free: one that was looked for before might be taken by now.
        let mut process = Command::new("/proc/self/exe")
            .args(["run", "--allow-chaos", "--osc", "127.0.0.1:0"])
            .args(["--end-with", &std::process::id().to_string()])
            .args(options)
            .stdin(Stdio::null())
            .stderr(File::create(log)?)
            .spawn()?;
        let events = UdpSocket::bind("127.0.0.1:0")?;
        events.set_nonblocking(true)?;
        let began = Instant::now();
        let Some(address) = address_of(&mut process, began)? else {
            let _ = process.kill();
            let _ = process.wait();
            return Err(fs::read_to_string(log)?.into());
        };
        let client = Client::connect(address.into())?;
        let mut engine = Self { process, client, events, log: log.to_owned() };
        while began.elapsed() < BEGINS_WITHIN {
            thread::sleep(Duration::from_millis(20));
            if engine.process.try_wait()?.is_some() {
                return Err(fs::read_to_string(log)?.into());
            }
            if engine.client.status().is_ok_and(|status| status["frames"].as_u64() > Some(0)) {
                let listen = chronus_osc::message("/events", vec![OscType::Int(1)])?;
                engine.events.send_to(&listen, address)?;
                return Ok(engine);
            }
        }
        Err(format!("the engine did not begin to play; see {}", log.display()).into())
    }

    /// Sends a message.
    ///
    /// # Errors
    /// As the system says.
    pub fn send(&self, address: &str, args: Vec<OscType>) -> Result<(), Box<dyn Error>> {
        self.client.send(address, args)
    }

    /// How it is.
    ///
    /// # Errors
    /// If it does not answer: what its log says is in the sentence.
    pub fn status(&self) -> Result<Value, Box<dyn Error>> {
        let told = self.client.status();
        told.map_err(|error| format!("{error}; its log is {}", self.log.display()).into())
    }

    /// Stalls of the machine that it has told of since this was last asked.
    pub fn stalls(&self) -> Vec<Stall> {
        let mut packet = vec![0; chronus_osc::MOST_DATAGRAM_BYTES];
        let mut stalls = Vec::new();
        while let Ok(length) = self.events.recv(&mut packet) {
            let Some(event) = parse_reply(&packet[..length]) else { continue };
            if event.address != "/event/stall" {
                continue;
            }
            if let [OscType::Float(ms), _, frame] = event.args.as_slice() {
                stalls.push(Stall { ms: f64::from(*ms), frame: whole(frame) });
            }
        }
        stalls
    }

    /// Ends it as a player would: SIGTERM, and wait.
    ///
    /// # Errors
    /// If it does not end in order.
    pub fn end(&mut self) -> Result<(), Box<dyn Error>> {
        let terminate = signal_number("TERM").unwrap_or(15);
        Watched::open(self.process.id())?.signal(terminate)?;
        let began = Instant::now();
        while began.elapsed() < ENDS_WITHIN {
            if let Some(status) = self.process.try_wait()? {
                let log = self.log.display();
                return if status.success() {
                    Ok(())
                } else {
                    Err(format!("the engine did not end in order ({status}); see {log}").into())
                };
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err(format!("the engine does not end; see {}", self.log.display()).into())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // After an orderly end there is nothing left to kill, and this does nothing.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn whole(argument: &OscType) -> u64 {
    match argument {
        OscType::Int(number) => u64::try_from(*number).unwrap_or(0),
        OscType::Long(number) => u64::try_from(*number).unwrap_or(0),
        _ => 0,
    }
}

/// Where an engine listens; `None` if it has ended.
fn address_of(process: &mut Child, began: Instant) -> std::io::Result<Option<SocketAddr>> {
    while process.try_wait()?.is_none() && began.elapsed() < BEGINS_WITHIN {
        let ports = udp_ports_of(process.id()).unwrap_or_default();
        if let Some(port) = ports.first() {
            return Ok(Some(SocketAddr::from(([127, 0, 0, 1], *port))));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(None)
}
