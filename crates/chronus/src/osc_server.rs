//! The OSC port: the socket, the queue from the thread that reads it (`receiver.rs`) to the supervisor, and the answers
//! to senders.
//!
//! The queue is wait-free: the supervisor may have interrupted that thread in the middle of a push, on
//! the same core and at a higher priority, so it must never wait for the push to end. For the same reason
//! what it has taken comes back through another queue, to be freed by who made it, and the socket never
//! makes anybody wait.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use chronus_os::wake::{Kick, poll_readable};
use chronus_os::{clock, socket};
use chronus_osc::{Request, Value};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::complaints::Complaints;
use crate::patcher::PatchPort;
use crate::receiver::{Manners, Receiver};
use crate::supervisor::status::Status;

/// Messages that may wait for the supervisor.
const QUEUE: usize = 4096;
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
    /// The number of the packet that it came in.
    pub packet: u64,
    /// When that arrived, by the monotonic clock.
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

/// What the thread that reads is at.
#[derive(Debug, Default)]
pub struct Reading {
    /// It has taken a packet and not handed it on yet.
    pub is_busy: AtomicBool,
    /// It has a real-time priority, so that waiting for it takes a moment only.
    pub hurries: AtomicBool,
}

/// The supervisor's side of the port.
#[derive(Debug)]
pub struct Inbox {
    messages: Consumer<Incoming>,
    spent: Producer<Incoming>,
    reading: Arc<Reading>,
    socket: UdpSocket,
}

impl Inbox {
    /// The next message.
    pub fn next(&mut self) -> Option<Incoming> {
        self.messages.pop().ok()
    }

    /// Whether something has arrived that will be here in a moment.
    pub fn is_expecting(&self) -> bool {
        if !self.reading.hurries.load(Ordering::Relaxed) {
            return false;
        }
        // In this order: whoever reads says so before.
        let mut ready = [false];
        poll_readable(&[self.socket.as_fd()], &mut ready, Some(Duration::ZERO));
        ready[0] || self.reading.is_busy.load(Ordering::Acquire)
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

    /// Tells a sender what was done with other numbers than were sent, and the log, as of any that was clamped.
    pub fn clamped(&self, address: &str, told: &str, to: SocketAddr) {
        self.counts.clamped.fetch_add(1, Ordering::Relaxed);
        self.counts.complaints.tell(to, address, told, clock::monotonic_ns());
        self.done(address, told, to);
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
        if let Err(error) = socket::note_arrivals(&socket) {
            tracing::warn!(
                "the kernel does not note when packets arrive ({error}); they count as they are read"
            );
        }
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
    /// supervisor. It has a real-time priority if `in_real_time` and it is permitted.
    ///
    /// # Errors
    /// As the system says.
    pub fn serve(self, patches: PatchPort, kick: Kick, in_real_time: bool) -> io::Result<Inbox> {
        let (queue, messages) = RingBuffer::new(QUEUE);
        let (spent, given_back) = RingBuffer::new(2 * QUEUE);
        let reading = Arc::<Reading>::default();
        let socket = self.socket.try_clone()?;
        let receiver = Receiver {
            socket: self.socket,
            counts: self.counts,
            patches,
            queue,
            given_back,
            kick,
            reading: reading.clone(),
            manners: Manners::new(in_real_time),
        };
        std::thread::Builder::new().name("osc".into()).spawn(move || receiver.serve())?;
        Ok(Inbox { messages, spent, reading, socket })
    }
}
