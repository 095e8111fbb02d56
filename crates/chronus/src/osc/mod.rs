//! The adapter for OSC: sockets, what arrives there and when, and the answers.

pub mod adapter;
pub mod address;
mod post;
mod receiver;
pub mod socket_file;
pub mod sockets;
mod timetags;
