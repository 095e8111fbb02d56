//! The adapter for OSC: sockets, what arrives there and when, and the answers.

pub mod adapter;
mod post;
mod receiver;
pub mod socket_file;
pub mod sockets;
mod timetags;
