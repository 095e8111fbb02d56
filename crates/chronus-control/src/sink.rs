//! Where replies and events go: each adapter brings a sink.

use crate::{ClientId, Event, Reply};

/// Something for a client.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Whom it is for.
    pub to: ClientId,
    /// What it says.
    pub said: Said,
}

/// What is said to a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// What became of a request.
    Reply {
        /// What it was about, as the client called it.
        about: String,
        /// What became of it.
        reply: Reply,
    },
    /// What has happened.
    Event(Event),
}

/// How the clients of an adapter are reached. No method waits for a client: what it does not read, it does not get.
pub trait Sink: Send + Sync {
    /// Hands something on.
    fn deliver(&self, letter: &Letter);

    /// What the client is called, for people.
    fn name_of(&self, client: &ClientId) -> String;

    /// Why nothing can be told to this client, if so.
    fn why_not(&self, _client: &ClientId) -> Option<&'static str> {
        None
    }

    /// Whether clients wait for [`Reply::Ordered`].
    fn wants_receipts(&self) -> bool {
        false
    }

    /// Whether a listener that has not asked lately is left out, so that others can still be told something.
    fn leaves_out(&self, _listener: &ClientId) -> bool {
        false
    }

    /// Where clients should find the adapter and can't any more, if so.
    fn lost_place(&self) -> Option<String> {
        None
    }

    /// How many messages of clients found no room before they were read.
    fn lost(&self) -> u64 {
        0
    }
}
