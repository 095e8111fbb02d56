//! What can be asked of an engine, and what it answers, whatever carries it. No socket is in here, and nothing of OSC:
//! those are adapters, which turn their messages into a [`Request`] or an [`Order`], and a [`Reply`] or an [`Event`]
//! into messages.
//!
//! A [`Request`] has names, as people use them. [`resolve()`] finds what it means in the patch that plays: an [`Order`], with
//! numbers within their ranges.

#![forbid(unsafe_code)]

mod client;
mod event;
mod order;
mod reply;
mod request;
mod resolve;
mod shortened;
mod sink;
mod tree;
pub mod values;
pub mod wire;

pub use client::{ADAPTERS_MOST, CLIENT_WORDS, Capabilities, ClientId};
pub use event::{ClockChange, Event};
pub use order::Order;
pub use reply::{Reply, Value};
pub use request::{Chaos, Crash, PatchRequest, Record, Request, Target};
pub use resolve::{Resolved, meter, resolve};
pub use shortened::{shortened, shortened_word};
pub use sink::{Letter, Said, Sink};
pub use tree::{Branch, Leaf, Parameter, Port, Tree};
