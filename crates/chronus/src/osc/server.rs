//! The OSC port: the sockets, the queue from the thread that reads it (`receiver.rs`) to the supervisor, and the answers
//! to senders.
//!
//! The queue is wait-free: the supervisor may have interrupted that thread in the middle of a push, on
//! the same core and at a higher priority, so it must never wait for the push to end. For the same reason
//! what it has taken comes back through another queue, to be freed by who made it, and the sockets never
//! make anybody wait.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use chronus_os::clock;
use chronus_os::peer::Peer;
use chronus_os::wake::Notifier;
use chronus_osc::{Request, Value};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::osc::complaints::Complaints;
use crate::osc::receiver::{Manners, Receiver};
use crate::osc::sockets::Sockets;
use crate::patcher::PatchPort;
use crate::processes::supervisor::status::Status;

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
    pub from: Peer,
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
    sockets: Arc<Sockets>,
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
        self.sockets.is_readable() || self.reading.is_busy.load(Ordering::Acquire)
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
    sockets: Arc<Sockets>,
    /// What the port has seen.
    pub counts: Arc<PortCounts>,
}

impl Replies {
    /// By what they leave.
    pub fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// Whoever can't be reached, or does not read, is not told.
    pub fn send(&self, packet: &[u8], to: Peer) {
        let _ = self.sockets.send_to(packet, &to);
    }

    /// Tells a sender that something was done.
    pub fn done(&self, address: &str, told: &str, to: Peer) {
        self.send(&chronus_osc::done(address, told), to);
    }

    /// Tells a sender what was done with other numbers than were sent, and the log, as of any that was clamped.
    pub fn clamped(&self, address: &str, told: &str, to: Peer) {
        self.counts.clamped.fetch_add(1, Ordering::Relaxed);
        self.counts.complaints.tell(to, address, told, clock::monotonic_ns());
        self.done(address, told, to);
    }

    /// Tells a sender why something is not done yet.
    pub fn wait(&self, address: &str, told: &str, to: Peer) {
        self.send(&chronus_osc::wait(address, told), to);
    }

    /// Tells a sender why something was not done.
    pub fn fail(&self, address: &str, reason: &str, to: Peer) {
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
        self.counts.complaints.tell(to, address, reason, clock::monotonic_ns());
        self.send(&chronus_osc::fail(address, reason), to);
    }

    /// How many packets the kernel had no room for.
    pub fn lost(&self) -> u64 {
        self.sockets.lost()
    }

    /// Whether so much of what senders to the unix socket were told is unread that soon none could be told anything.
    pub fn is_crowded(&self) -> bool {
        self.sockets.is_crowded()
    }

    /// What is told to whoever asks how the engine is.
    pub fn how_it_is(status: &Status) -> Vec<u8> {
        let json = serde_json::to_string(status).unwrap_or_default();
        chronus_osc::status_reply(&status.fields(), &json)
    }

    /// Tells a sender the values of a module.
    pub fn meter(&self, id: &str, names: &[&str], values: [f32; 2], to: Peer) {
        self.send(&chronus_osc::meter_reply(id, names, values), to);
    }

    /// Tells somebody who listens what has happened.
    pub fn event(&self, name: &str, values: &[Value], to: Peer) {
        self.send(&chronus_osc::event(name, values), to);
    }

    /// Tells a sender how the recording is.
    pub fn record(&self, fields: &[(String, Value)], to: Peer) {
        self.send(&chronus_osc::record_reply(fields), to);
    }
}

/// The port, bound and not yet served.
pub struct Port {
    sockets: Arc<Sockets>,
    counts: Arc<PortCounts>,
}

impl Port {
    /// The port of these sockets.
    ///
    /// # Errors
    /// As the system says.
    pub fn new(mut sockets: Sockets) -> io::Result<Self> {
        sockets.prepare()?;
        Ok(Self { sockets: Arc::new(sockets), counts: Arc::default() })
    }

    /// Where it listens, for people.
    pub fn describe(&self) -> String {
        self.sockets.describe()
    }

    /// A way to answer senders.
    pub fn replies(&self) -> Replies {
        Replies { sockets: self.sockets.clone(), counts: self.counts.clone() }
    }

    /// Starts the thread that receives. What is about the patch goes to `patches`, the rest to the
    /// supervisor. It has a real-time priority if `in_real_time` and it is permitted.
    ///
    /// # Errors
    /// As the system says.
    pub fn serve(
        self,
        patches: PatchPort,
        notifier: Notifier,
        in_real_time: bool,
    ) -> io::Result<Inbox> {
        let (queue, messages) = RingBuffer::new(QUEUE);
        let (spent, given_back) = RingBuffer::new(2 * QUEUE);
        let reading = Arc::<Reading>::default();
        let sockets = self.sockets.clone();
        let receiver = Receiver {
            sockets: self.sockets,
            counts: self.counts,
            patches,
            queue,
            given_back,
            notifier,
            reading: reading.clone(),
            manners: Manners::new(in_real_time),
        };
        std::thread::Builder::new().name("osc".into()).spawn(move || receiver.serve())?;
        Ok(Inbox { messages, spent, reading, sockets })
    }
}
