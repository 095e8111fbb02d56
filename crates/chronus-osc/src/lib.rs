//! OSC packets to requests, and answers to OSC packets. Pure functions over bytes: no socket in here,
//! and no bytes that can make it panic.

#![forbid(unsafe_code)]

pub mod address;
mod arguments;
mod chaos;
mod decode;
mod edits;
mod notes;
mod pattern;
mod reading;
mod record;
mod reply;

pub use arguments::{encode_arguments, message};
pub use decode::{Decoded, Failure, ORDERS_MOST, Timed, decode};
pub use reply::{
    MOST_DATAGRAM_BYTES, Reply, encode, event, fail, parse_reply, pong, version_reply,
};
pub use rosc::OscType;

use chronus_control::Order;

/// What a sender asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Something of the engine.
    Order(Order),
    /// A sign of life; the arguments come back.
    Ping(Vec<OscType>),
    /// Name and version.
    Version,
}

impl From<Order> for Request {
    fn from(order: Order) -> Self {
        Self::Order(order)
    }
}
