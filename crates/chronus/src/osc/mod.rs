//! OSC: sockets, what arrives there and when, and the answers.

pub mod complaints;
mod post;
mod receiver;
pub mod refusals;
pub mod server;
pub mod socket_file;
pub mod sockets;
mod timetags;
