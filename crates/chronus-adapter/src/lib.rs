//! For programs beside an engine, which its keeper starts (`chronus run --adapter`): they ask by requests over the socket that
//! is their standard input, and hear and see what is played in memory that they can only read. Whatever becomes of them, the
//! sound goes on; whatever becomes of a supervisor, they go on.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use chronus_control::wire::{Assembly, FromEngine, PACKET_BYTES, PROTOCOL, ToEngine, packets};
use chronus_control::{Event, Reply, Request};
use chronus_os::packets as socket;
use chronus_os::wake::poll_readable;
use chronus_shm::listening::Listening;

/// The greeting is said again after this time: a supervisor may just have died.
const GREET_AGAIN: Duration = Duration::from_millis(500);
/// A socket that has no room is tried again after this time.
const RETRY: Duration = Duration::from_millis(2);

/// A connection to an engine.
pub struct Engine {
    socket: OwnedFd,
    assembly: Assembly,
    packet: Vec<u8>,
    next_number: u64,
    /// What came while something else was waited for.
    put_off: VecDeque<FromEngine>,
    listening: Listening,
    rate_hz: u32,
}

/// What an engine says without being waited for.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// What became of a request that was only sent.
    Reply {
        /// The number of the request.
        number: u64,
        /// What became of it.
        reply: Reply,
    },
    /// What has happened, to a client that listens.
    Event {
        /// Which client.
        client: u64,
        /// What.
        event: Event,
    },
}

impl Engine {
    /// Greets the engine that has started this program, under a name for people.
    ///
    /// # Errors
    /// If standard input is no socket of an engine, if none answers in time, or if it speaks another version.
    pub fn connect(name: &str, within: Duration) -> io::Result<Self> {
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        if !socket::is_one(&socket) {
            let why = "standard input is no socket of an engine; give this program to `chronus run --adapter`";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        Self::greet(socket, name, within)
    }

    fn greet(socket: OwnedFd, name: &str, within: Duration) -> io::Result<Self> {
        let began = Instant::now();
        let hello = ToEngine::Hello { protocol: PROTOCOL, name: name.to_owned() };
        let (mut assembly, mut packet) = (Assembly::default(), vec![0; PACKET_BYTES]);
        loop {
            send(&socket, &hello, within)?;
            let until = (Instant::now() + GREET_AGAIN).min(began + within);
            while let Some((message, descriptors)) =
                receive(&socket, &mut assembly, &mut packet, until)?
            {
                match message {
                    FromEngine::Welcome { rate_hz, .. } => {
                        let [log, slots, ledger] =
                            descriptors.into_inner().map_err(|_| io::ErrorKind::InvalidData)?;
                        let listening = Listening::map(log, slots, ledger)?;
                        return Ok(Self {
                            socket,
                            assembly,
                            packet,
                            next_number: 1,
                            put_off: VecDeque::new(),
                            listening,
                            rate_hz,
                        });
                    }
                    FromEngine::Reply { number: 0, reply: Reply::Failed(why), .. } => {
                        return Err(io::Error::other(why));
                    }
                    // It was said to the process before this one.
                    _ => {}
                }
            }
            if began.elapsed() >= within {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }

    /// What can be heard and seen.
    pub fn listening(&self) -> &Listening {
        &self.listening
    }

    /// Frames per second.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Sends a request of a client, to take effect as soon as possible; the number that replies bear.
    ///
    /// # Errors
    /// If the engine takes nothing for a second, or is gone.
    pub fn send(&mut self, client: u64, request: Request) -> io::Result<u64> {
        let number = self.next_number;
        self.next_number += 1;
        let ask = ToEngine::Ask { number, client, request, time_wall_ns: None };
        send(&self.socket, &ask, Duration::from_secs(1))?;
        Ok(number)
    }

    /// Sends a request and waits for what became of it. That a number was clamped, or that it waits, is not the end.
    ///
    /// # Errors
    /// `TimedOut` if nothing is said in time: the engine may be between two supervisors, and the request lost.
    pub fn ask(&mut self, client: u64, request: Request, within: Duration) -> io::Result<Reply> {
        let number = self.send(client, request)?;
        let until = Instant::now() + within;
        while let Some((message, _)) =
            receive(&self.socket, &mut self.assembly, &mut self.packet, until)?
        {
            match message {
                FromEngine::Reply { number: of, reply, .. }
                    if of == number && !matches!(reply, Reply::Clamped(_) | Reply::Wait(_)) =>
                {
                    return Ok(reply);
                }
                other => self.put_off.push_back(other),
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// The next of what the engine says; `None` if it says nothing in time.
    ///
    /// # Errors
    /// If the engine is gone.
    pub fn next(&mut self, within: Duration) -> io::Result<Option<News>> {
        let until = Instant::now() + within;
        loop {
            let message = match self.put_off.pop_front() {
                Some(message) => Some(message),
                None => receive(&self.socket, &mut self.assembly, &mut self.packet, until)?
                    .map(|(message, _)| message),
            };
            match message {
                None => return Ok(None),
                Some(FromEngine::Reply { number, reply, .. }) => {
                    return Ok(Some(News::Reply { number, reply }));
                }
                Some(FromEngine::Event { client, event }) => {
                    return Ok(Some(News::Event { client, event }));
                }
                Some(FromEngine::Welcome { .. }) => {}
            }
        }
    }
}

fn send(socket: &OwnedFd, message: &ToEngine, within: Duration) -> io::Result<()> {
    let until = Instant::now() + within;
    for packet in packets(message) {
        loop {
            match socket::send(socket, &packet, &[]) {
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < until =>
                {
                    std::thread::sleep(RETRY);
                }
                sent => break sent?,
            }
        }
    }
    Ok(())
}

type Received = (FromEngine, ArrayVec<OwnedFd, { socket::DESCRIPTORS_MOST }>);

/// The next whole message, with the descriptors of its last packet; `None` if none comes in time.
fn receive(
    socket: &OwnedFd,
    assembly: &mut Assembly,
    packet: &mut [u8],
    until: Instant,
) -> io::Result<Option<Received>> {
    loop {
        match socket::receive(socket, packet) {
            Ok((bytes, descriptors)) => match assembly.take(&packet[..bytes]) {
                Ok(Some(message)) => return Ok(Some((message, descriptors))),
                Ok(None) => {}
                Err(_) => return Err(io::ErrorKind::InvalidData.into()),
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(None);
                }
                let mut ready = [false];
                poll_readable(&[socket.as_fd()], &mut ready, Some(left));
            }
            Err(error) => return Err(error),
        }
    }
}
