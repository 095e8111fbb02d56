//! The OSC port: a thread that receives and decodes packets, tells senders what was wrong, and hands
//! the rest to the supervisor through a bounded queue.
//!
//! The queue is wait-free: the supervisor may have interrupted this thread in the middle of a push, on
//! the same core and at a higher priority, so it must never wait for the push to end. For the same reason
//! what it has taken comes back through another queue, to be freed by who made it, and the socket never
//! makes anybody wait.
//!
//! A flood costs no memory but what the queues hold and the kernel keeps, and no more than one wake-up of the
//! supervisor for many packets. What finds no room is counted.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use chronus_os::wake::{Kick, poll_readable};
use chronus_os::{clock, socket};
use chronus_osc::{Decoded, Request, Timed, Value, decode};
use rtrb::{Consumer, Producer, PushError, RingBuffer};

use crate::complaints::Complaints;
use crate::patcher::{Patches, SharedDirectory, Task};
use crate::refusals::Refusals;
use crate::supervisor::status::Status;
use crate::timetags::Timetags;

/// Messages that may wait for the supervisor.
const QUEUE: usize = 4096;
/// Packets that are taken before the supervisor is woken, if so many are there already.
const AT_ONCE: usize = 64;
/// As many bytes of packets may wait for this thread, if the kernel permits.
const UNREAD_BYTES: usize = 4 << 20;

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
    /// Messages refused because there were too many already.
    pub busy: AtomicU64,
    /// What the log is told of them.
    pub complaints: Complaints,
}

/// The supervisor's side of the port.
#[derive(Debug)]
pub struct Inbox {
    messages: Consumer<Incoming>,
    spent: Producer<Incoming>,
}

impl Inbox {
    /// The next message.
    pub fn next(&mut self) -> Option<Incoming> {
        self.messages.pop().ok()
    }

    /// Gives a message back, for whom it came from to free it.
    pub fn give_back(&mut self, message: Incoming) {
        // There is room for more than can be under way.
        let _ = self.spent.push(message);
    }
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
        self.counts.complaints.tell(to, address, reason, clock::monotonic_ns());
        let _ = self.socket.send_to(&chronus_osc::fail(address, reason), to);
    }

    /// How many packets the kernel had no room for.
    pub fn lost(&self) -> u64 {
        socket::packets_lost(&*self.socket).map_or(0, u64::from)
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
    /// The port of this socket.
    ///
    /// # Errors
    /// As the system says.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket::keep_unread(&socket, UNREAD_BYTES);
        Ok(Self { socket, counts: Arc::default() })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// As the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
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
    ) -> io::Result<Inbox> {
        let (queue, messages) = RingBuffer::new(QUEUE);
        let (spent, given_back) = RingBuffer::new(2 * QUEUE);
        let Self { socket, counts } = self;
        let (refusals, timetags) = (Refusals::default(), Timetags::default());
        let mut server = Server {
            socket,
            directory,
            patches,
            queue,
            given_back,
            kick,
            counts,
            refusals,
            timetags,
        };
        std::thread::Builder::new().name("osc".into()).spawn(move || server.serve())?;
        Ok(Inbox { messages, spent })
    }
}

struct Server {
    socket: UdpSocket,
    directory: SharedDirectory,
    patches: Patches,
    queue: Producer<Incoming>,
    given_back: Consumer<Incoming>,
    kick: Kick,
    counts: Arc<PortCounts>,
    refusals: Refusals,
    timetags: Timetags,
}

impl Server {
    fn serve(&mut self) {
        let mut packet = vec![0_u8; 65_536];
        loop {
            poll_readable(&[self.socket.as_fd()], &mut [false], None);
            let mut any = false;
            for _ in 0..AT_ONCE {
                match self.socket.recv_from(&mut packet) {
                    Ok((length, from)) => {
                        self.take_packet(&packet[..length], from);
                        any = true;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // One sender's: an answer that could not be delivered is reported here.
                    Err(_) => {}
                }
            }
            if any {
                self.kick.raise();
            }
            while self.given_back.pop().is_ok() {}
        }
    }

    fn take_packet(&mut self, packet: &[u8], from: SocketAddr) {
        let arrived_ns = clock::monotonic_ns();
        self.counts.packets.fetch_add(1, Ordering::Relaxed);
        let directory = self.directory.read().unwrap_or_else(PoisonError::into_inner).clone();
        self.take(decode(packet, &directory), from, arrived_ns);
    }

    fn take(&mut self, decoded: Decoded, from: SocketAddr, arrived_ns: u64) {
        for failure in decoded.failures {
            let count = if failure.clamped { &self.counts.clamped } else { &self.counts.failed };
            count.fetch_add(1, Ordering::Relaxed);
            self.fail(&failure.address, &failure.reason, from);
        }
        for Timed { address, request, time_wall_ns } in decoded.requests {
            if let Err(reason) = self.timetags.judge(time_wall_ns, clock::wall_ns()) {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                self.fail(&address, &reason, from);
                continue;
            }
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
    }

    fn hand_on(&mut self, incoming: Incoming) {
        if let Err(PushError::Full(refused)) = self.queue.push(incoming) {
            self.refuse(&refused.address, refused.from);
        }
    }

    fn refuse(&mut self, address: &str, from: SocketAddr) {
        let busy = self.counts.busy.fetch_add(1, Ordering::Relaxed) + 1;
        if self.refusals.is_due(from, clock::monotonic_ns()) {
            let reason = format!(
                "busy: too many messages at once, {busy} refused so far; send it again later"
            );
            self.fail(address, &reason, from);
        }
    }

    /// Tells the sender, and the log, what is not done as it said.
    fn fail(&self, address: &str, reason: &str, to: SocketAddr) {
        self.counts.complaints.tell(to, address, reason, clock::monotonic_ns());
        self.answer(&chronus_osc::fail(address, reason), to);
    }

    fn answer(&self, packet: &[u8], to: SocketAddr) {
        let _ = self.socket.send_to(packet, to);
    }
}
