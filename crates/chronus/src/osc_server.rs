//! The OSC port: a thread that receives and decodes packets, tells senders what was wrong, and hands
//! the rest to the supervisor through a bounded queue.
//!
//! The queue is wait-free: the supervisor may have interrupted this thread in the middle of a push, on
//! the same core and at a higher priority, so it must never wait for the push to end.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use chronus_os::clock;
use chronus_os::wake::Kick;
use chronus_osc::{Decoded, Request, Timed, Value, decode};
use rtrb::{Consumer, Producer, PushError, RingBuffer};

use crate::patcher::{Patches, SharedDirectory, Task};
use crate::supervisor::status::Status;

/// Messages that may wait for the supervisor.
const QUEUE: usize = 4096;

/// A message for the supervisor.
#[derive(Debug)]
pub struct Incoming {
    /// What is asked.
    pub request: Request,
    /// The address that it came to.
    pub address: String,
    /// The sender.
    pub from: SocketAddr,
    /// When it arrived, by the monotonic clock.
    pub arrived_ns: u64,
    /// Its timetag, in wall-clock time.
    pub time_wall_ns: Option<u64>,
}

/// What the port has seen.
#[derive(Debug, Default)]
pub struct PortCounts {
    /// Packets received.
    pub packets: AtomicU64,
    /// Messages answered with `/fail` because they could not be understood or taken.
    pub failed: AtomicU64,
    /// Values that were clamped.
    pub clamped: AtomicU64,
    /// Messages refused because the supervisor had too many already.
    pub busy: AtomicU64,
}

/// Replies to senders.
#[derive(Clone, Debug)]
pub struct Replies {
    socket: Arc<UdpSocket>,
    /// What the port has seen.
    pub counts: Arc<PortCounts>,
}

impl Replies {
    /// Tells a sender that something was done.
    pub fn done(&self, address: &str, told: &str, to: SocketAddr) {
        let _ = self.socket.send_to(&chronus_osc::done(address, told), to);
    }

    /// Tells a sender why something is not done yet.
    pub fn wait(&self, address: &str, told: &str, to: SocketAddr) {
        let _ = self.socket.send_to(&chronus_osc::wait(address, told), to);
    }

    /// Tells a sender why something was not done.
    pub fn fail(&self, address: &str, reason: &str, to: SocketAddr) {
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
        let _ = self.socket.send_to(&chronus_osc::fail(address, reason), to);
    }

    /// Tells a sender how the engine is.
    pub fn status(&self, status: &Status, to: SocketAddr) {
        let json = serde_json::to_string(status).unwrap_or_default();
        let reply = chronus_osc::status_reply(&status.fields(), &json);
        let _ = self.socket.send_to(&reply, to);
    }

    /// Tells a sender the values of a module.
    pub fn meter(&self, id: &str, names: &[&str], values: [f32; 2], to: SocketAddr) {
        let _ = self.socket.send_to(&chronus_osc::meter_reply(id, names, values), to);
    }

    /// Tells somebody who listens what has happened.
    pub fn event(&self, name: &str, values: &[Value], to: SocketAddr) {
        let _ = self.socket.send_to(&chronus_osc::event(name, values), to);
    }

    /// Tells a sender how the recording is.
    pub fn record(&self, fields: &[(String, Value)], to: SocketAddr) {
        let _ = self.socket.send_to(&chronus_osc::record_reply(fields), to);
    }
}

/// The port, bound and not yet served.
pub struct Port {
    socket: UdpSocket,
    counts: Arc<PortCounts>,
}

impl Port {
    /// Opens the port.
    ///
    /// # Errors
    /// If the address can't be bound.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { socket: UdpSocket::bind(address)?, counts: Arc::default() })
    }

    /// A way to answer senders.
    ///
    /// # Errors
    /// If there are too many descriptors.
    pub fn replies(&self) -> io::Result<Replies> {
        Ok(Replies { socket: Arc::new(self.socket.try_clone()?), counts: self.counts.clone() })
    }

    /// Starts the thread that receives. What is about the patch goes to `patches`, the rest to the
    /// supervisor.
    ///
    /// # Errors
    /// As the system says.
    pub fn serve(
        self,
        directory: SharedDirectory,
        patches: Patches,
        kick: Kick,
    ) -> io::Result<Consumer<Incoming>> {
        let (queue, incoming) = RingBuffer::new(QUEUE);
        let Self { socket, counts } = self;
        let mut server = Server { socket, directory, patches, queue, kick, counts };
        std::thread::Builder::new().name("osc".into()).spawn(move || server.serve())?;
        Ok(incoming)
    }
}

struct Server {
    socket: UdpSocket,
    directory: SharedDirectory,
    patches: Patches,
    queue: Producer<Incoming>,
    kick: Kick,
    counts: Arc<PortCounts>,
}

impl Server {
    fn serve(&mut self) {
        let mut packet = vec![0_u8; 65_536];
        loop {
            // An error is one sender's: an answer that could not be delivered is reported here.
            let Ok((length, from)) = self.socket.recv_from(&mut packet) else { continue };
            let arrived_ns = clock::monotonic_ns();
            self.counts.packets.fetch_add(1, Ordering::Relaxed);
            let directory = self.directory.read().unwrap_or_else(PoisonError::into_inner).clone();
            self.take(decode(&packet[..length], &directory), from, arrived_ns);
        }
    }

    fn take(&mut self, decoded: Decoded, from: SocketAddr, arrived_ns: u64) {
        for failure in decoded.failures {
            let count = if failure.clamped { &self.counts.clamped } else { &self.counts.failed };
            count.fetch_add(1, Ordering::Relaxed);
            self.answer(&chronus_osc::fail(&failure.address, &failure.reason), from);
        }
        for Timed { address, request, time_wall_ns } in decoded.requests {
            match request {
                Request::Ping(args) => self.answer(&chronus_osc::pong(args), from),
                Request::Version => {
                    let version = env!("CARGO_PKG_VERSION");
                    self.answer(&chronus_osc::version_reply("chronus", version), from);
                }
                Request::Patch(request) => {
                    let to = address.clone();
                    let task = Task::Request { request, address, from, time_wall_ns };
                    if !self.patches.ask(task) {
                        self.refuse(&to, from);
                    }
                }
                request => {
                    let incoming = Incoming { request, address, from, arrived_ns, time_wall_ns };
                    self.hand_on(incoming);
                }
            }
        }
        self.kick.raise();
    }

    fn hand_on(&mut self, incoming: Incoming) {
        if let Err(PushError::Full(refused)) = self.queue.push(incoming) {
            self.refuse(&refused.address, refused.from);
        }
    }

    fn refuse(&self, address: &str, from: SocketAddr) {
        self.counts.busy.fetch_add(1, Ordering::Relaxed);
        let reason = "busy: too many messages at once; send it again later";
        self.answer(&chronus_osc::fail(address, reason), from);
    }

    fn answer(&self, packet: &[u8], to: SocketAddr) {
        let _ = self.socket.send_to(packet, to);
    }
}
