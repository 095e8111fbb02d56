//! How adapters that are processes of their own speak with an engine: messages as packets of a socket that keeps their
//! bounds.
//!
//! A message is written by `postcard` and cut into packets. Each begins with a byte that says whether it is the first of its
//! message (1), the last (2), both (3) or neither (0). Whoever finds a first one while a message is not whole yet forgets
//! what there was: the rest of it found no room.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Event, Reply, Request};

/// The version of what is spoken. Who speaks another is refused.
pub const PROTOCOL: u32 = 1;
/// A packet is no longer, in bytes.
pub const PACKET_BYTES: usize = 32 * 1024;
/// A message is no longer, in bytes.
pub const MESSAGE_BYTES: usize = 8 << 20;

const FIRST: u8 = 1;
const LAST: u8 = 2;

/// What an adapter says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToEngine {
    /// It has just begun. Whatever was said to the process before it is of no meaning to it.
    Hello {
        /// What it speaks.
        protocol: u32,
        /// What it is called, for people.
        name: String,
    },
    /// A client of its asks.
    Ask {
        /// The number of the request; replies bear it.
        number: u64,
        /// Which client, as the adapter counts them. Clients are remembered by it.
        client: u64,
        /// What is asked.
        request: Request,
        /// When it shall take effect, in nanoseconds since 1970; without it as soon as possible.
        time_wall_ns: Option<u64>,
    },
}

/// What an engine says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromEngine {
    /// It has heard the greeting. With it come descriptors of three memories that can only be read: the command log, the
    /// slots and the ledger.
    Welcome {
        /// What it speaks.
        protocol: u32,
        /// Its version, for people.
        version: String,
        /// Frames per second.
        rate_hz: u32,
    },
    /// What became of a request. There may be several: one that is clamped is ordered afterwards.
    Reply {
        /// The number of the request.
        number: u64,
        /// Which client has asked.
        client: u64,
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

/// A message as packets.
pub fn packets(message: &impl Serialize) -> Vec<Vec<u8>> {
    // Only a writer that fails can fail to encode, and memory does not.
    let bytes = postcard::to_allocvec(message).unwrap_or_default();
    let count = bytes.len().div_ceil(PACKET_BYTES - 1);
    let packet = |(index, piece): (usize, &[u8])| {
        let first = if index == 0 { FIRST } else { 0 };
        let last = if index + 1 == count { LAST } else { 0 };
        [&[first | last], piece].concat()
    };
    bytes.chunks(PACKET_BYTES - 1).enumerate().map(packet).collect()
}

/// Puts packets together again.
#[derive(Debug, Default)]
pub struct Assembly {
    bytes: Vec<u8>,
    is_begun: bool,
}

/// A message that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Senseless;

impl Assembly {
    /// Takes a packet; returns the message that it completes.
    ///
    /// # Errors
    /// If that makes no sense.
    pub fn take<T: DeserializeOwned>(&mut self, packet: &[u8]) -> Result<Option<T>, Senseless> {
        let Some((&flags, piece)) = packet.split_first() else { return Err(Senseless) };
        if flags & FIRST != 0 {
            self.bytes.clear();
            self.is_begun = true;
        }
        if !self.is_begun {
            // The rest of something whose beginning was lost.
            return Ok(None);
        }
        if self.bytes.len() + piece.len() > MESSAGE_BYTES {
            self.is_begun = false;
            return Err(Senseless);
        }
        self.bytes.extend_from_slice(piece);
        if flags & LAST == 0 {
            return Ok(None);
        }
        self.is_begun = false;
        postcard::from_bytes(&self.bytes).map(Some).map_err(|_| Senseless)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(length: usize) -> FromEngine {
        FromEngine::Reply { number: 7, client: 1, reply: Reply::Done("x".repeat(length)) }
    }

    #[test]
    fn long_messages_come_whole_and_half_ones_are_forgotten() {
        let mut assembly = Assembly::default();
        for length in [0, 1, PACKET_BYTES - 20, PACKET_BYTES, 5 * PACKET_BYTES + 3] {
            let message = reply(length);
            let packets = packets(&message);
            assert!(packets.iter().all(|packet| packet.len() <= PACKET_BYTES));
            let mut whole = None;
            for packet in &packets {
                assert_eq!(whole, None);
                whole = assembly.take(packet).expect("sense");
            }
            assert_eq!(whole, Some(message));
        }
        let [long, short] = [reply(3 * PACKET_BYTES), reply(5)].map(|it| packets(&it));
        assert_eq!(assembly.take::<FromEngine>(&long[0]), Ok(None));
        assert_eq!(assembly.take(&short[0]), Ok(Some(reply(5))));
        assert_eq!(assembly.take::<FromEngine>(&long[1]), Ok(None), "its beginning is forgotten");
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_costs_nothing_else() {
        let mut assembly = Assembly::default();
        for packet in [&[][..], &[3], &[3, 255, 255, 255], &[0, 1, 2]] {
            assert_ne!(assembly.take::<ToEngine>(packet).ok().flatten(), Some(hello()));
        }
        let good = packets(&hello());
        assert_eq!(assembly.take(&good[0]), Ok(Some(hello())));
    }

    fn hello() -> ToEngine {
        ToEngine::Hello { protocol: PROTOCOL, name: "test".into() }
    }
}
