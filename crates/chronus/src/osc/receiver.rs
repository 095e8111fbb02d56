//! The thread that reads the sockets of the OSC port: decodes packets, tells senders what was wrong, and hands the rest on.
//!
//! It has a real-time priority, below those of the sound, so that a message is ordered in time on a busy machine, too;
//! a flood costs it the priority, so that it starves nobody. On a message's way nothing waits for a thread
//! without priority: there are rings, and locks that are only tried.
//!
//! A flood costs no memory but what the queues hold and the kernel keeps, and no more than one wake-up of the
//! supervisor for many packets. What finds no room is counted.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use chronus_os::peer::Peer;
use chronus_os::socket::Received;
use chronus_os::wake::poll_readable;
use chronus_os::{clock, sched, socket};
use chronus_osc::{Decoded, Request, Timed, decode};
use chronus_replication::allowance::Allowance;
use chronus_replication::arrival::{self, Arrivals};

use super::adapter::client_of;
use super::sockets::{KINDS, Sockets};
use super::timetags::Timetags;
use crate::control::outbox::Outbox;
use crate::control::port::{Incoming, Intake};
use crate::control::refusals::Refusals;

/// Packets that are taken before the supervisor is woken, if so many are there already.
const AT_ONCE: usize = 64;
/// Messages of a packet between two looks at the time that they take.
const LOOK_EVERY: usize = 16;

/// See the file's head.
pub struct Receiver {
    /// Where packets arrive; they make nobody wait.
    pub sockets: Arc<Sockets>,
    /// Where requests go.
    pub intake: Intake,
    /// What is counted, and told to the log.
    pub outbox: Outbox,
    /// How it behaves.
    pub manners: Manners,
}

/// What the receiver knows of its senders and of its own share.
pub struct Manners {
    refusals: Refusals,
    timetags: Timetags,
    /// Of each socket.
    arrivals: [Arrivals; KINDS],
    allowance: Allowance,
    in_real_time: bool,
}

impl Manners {
    /// Nothing has come yet. It hurries `in_real_time` only.
    pub fn new(in_real_time: bool) -> Self {
        Self {
            refusals: Refusals::default(),
            timetags: Timetags::default(),
            arrivals: std::array::from_fn(|_| Arrivals::new(clock::monotonic_ns())),
            allowance: Allowance::default(),
            in_real_time,
        }
    }
}

/// A packet that is being taken.
#[derive(Clone, Copy)]
struct Packet {
    number: u64,
    from: Peer,
    arrived_ns: u64,
}

impl Receiver {
    /// Receives for ever.
    pub fn serve(mut self) {
        crate::log::attend();
        // Without permission, of which the supervisor tells, everything goes on without.
        self.manners.in_real_time &= self.hurry();
        let mut packet = vec![0_u8; 65_536];
        let sockets = self.sockets.clone();
        let sockets = sockets.descriptors();
        loop {
            let mut ready = [false; KINDS];
            poll_readable(&sockets, &mut ready, None);
            self.intake.reading.is_busy.store(true, Ordering::Release);
            for which in (0..sockets.len()).filter(|which| ready[*which]) {
                if self.take_what_is_there(sockets[which], which, &mut packet) {
                    self.intake.wake();
                }
            }
            self.intake.reading.is_busy.store(false, Ordering::Release);
            self.intake.free_spent();
        }
    }

    /// Takes what is in a socket, but not for ever; whether that was anything.
    fn take_what_is_there(
        &mut self,
        socket: BorrowedFd<'_>,
        which: usize,
        packet: &mut [u8],
    ) -> bool {
        let mut any = false;
        for _ in 0..AT_ONCE {
            let now_ns = clock::monotonic_ns();
            match socket::receive(socket, packet) {
                Ok(received) => {
                    self.take_packet(&packet[..received.bytes], &received, which);
                    any = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.manners.arrivals[which].found_empty(now_ns);
                    break;
                }
                // One sender's: an answer that could not be delivered is reported here.
                Err(_) => {}
            }
            self.mind();
        }
        any
    }

    fn take_packet(&mut self, packet: &[u8], received: &Received, which: usize) {
        let reading = arrival::Reading::take(|| arrival::Reading {
            before_ns: clock::monotonic_ns(),
            wall_ns: clock::wall_ns(),
            after_ns: clock::monotonic_ns(),
        });
        let arrived_ns = self.manners.arrivals[which].arrival(received.noted_wall_ns, &reading);
        let number = self.outbox.counts.packets.fetch_add(1, Ordering::Relaxed);
        let decoded = decode(packet, self.intake.directory());
        self.take(decoded, Packet { number, from: received.from, arrived_ns });
    }

    fn take(&mut self, decoded: Decoded, packet: Packet) {
        let from = packet.from;
        for (index, failure) in decoded.failures.into_iter().enumerate() {
            let counts = &self.outbox.counts;
            let count = if failure.clamped { &counts.clamped } else { &counts.failed };
            count.fetch_add(1, Ordering::Relaxed);
            self.fail(&failure.address, &failure.reason, from);
            self.mind_after(index);
        }
        for (index, timed) in decoded.requests.into_iter().enumerate() {
            self.take_request(timed, packet);
            self.mind_after(index);
        }
    }

    fn take_request(&mut self, timed: Timed, packet: Packet) {
        let Timed { address, request, time_wall_ns } = timed;
        let Packet { number, from, arrived_ns } = packet;
        if let Err(reason) = self.manners.timetags.judge(time_wall_ns, clock::wall_ns()) {
            self.outbox.counts.failed.fetch_add(1, Ordering::Relaxed);
            return self.fail(&address, &reason, from);
        }
        match request {
            Request::Ping(args) => self.answer(&chronus_osc::pong(args), from),
            Request::Version => {
                let version = env!("CARGO_PKG_VERSION");
                self.answer(&chronus_osc::version_reply("chronus", version), from);
            }
            Request::Order(order) => {
                let incoming = Incoming {
                    order,
                    about: address,
                    from: client_of(from),
                    packet: number,
                    arrived_ns,
                    time_wall_ns,
                };
                if let Err(about) = self.intake.take(incoming) {
                    self.refuse(&about, from);
                }
            }
        }
    }

    /// A packet may hold thousands of messages.
    fn mind_after(&mut self, index: usize) {
        if index % LOOK_EVERY == LOOK_EVERY - 1 {
            self.mind();
        }
    }

    fn refuse(&mut self, address: &str, from: Peer) {
        let busy = self.outbox.counts.busy.fetch_add(1, Ordering::Relaxed) + 1;
        if self.manners.refusals.is_due(client_of(from), clock::monotonic_ns()) {
            let reason = format!(
                "busy: too many messages at once, {busy} refused so far; send it again later"
            );
            self.fail(address, &reason, from);
        }
    }

    /// Tells the sender, and the log, what is not done as it said.
    fn fail(&self, address: &str, reason: &str, to: Peer) {
        self.outbox.complain(address, reason, &client_of(to));
        self.answer(&chronus_osc::fail(address, reason), to);
    }

    fn answer(&self, packet: &[u8], to: Peer) {
        let _ = self.sockets.send_to(packet, &to);
    }

    /// Takes the priority; whether it is permitted.
    fn hurry(&self) -> bool {
        let is_raised = self.manners.in_real_time
            && sched::set_fifo_for_self(sched::priority::RECEIVER).is_ok();
        self.intake.reading.hurries.store(is_raised, Ordering::Relaxed);
        is_raised
    }

    /// Gives the priority up in a flood, and takes it back after that.
    fn mind(&mut self) {
        if !self.manners.in_real_time {
            return;
        }
        let (now_ns, cpu_ns) = (clock::monotonic_ns(), clock::thread_cpu_ns());
        let is_granted = self.manners.allowance.is_granted(now_ns, cpu_ns);
        let hurries = self.intake.reading.hurries.load(Ordering::Relaxed);
        if is_granted && !hurries {
            self.hurry();
        } else if !is_granted && hurries {
            let is_raised = sched::set_ordinary().is_err();
            self.intake.reading.hurries.store(is_raised, Ordering::Relaxed);
        }
    }
}
