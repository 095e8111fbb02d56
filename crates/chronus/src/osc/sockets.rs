//! The sockets at which messages arrive, and by which senders are answered: a UDP port, a unix socket, or both.

use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use arrayvec::ArrayVec;
use chronus_os::peer::Peer;
use chronus_os::socket;
use chronus_os::wake::poll_readable;
use rustix::net::AddressFamily;
use rustix::net::sockopt::socket_domain;

use crate::osc::post::Post;

/// As many kinds of socket there are.
pub const KINDS: usize = 2;
/// As many bytes of packets may wait to be read, if the kernel permits, and of answers in unix sockets.
const UNREAD_BYTES: usize = 4 << 20;

/// At least one socket, and at most one of each kind. While nobody receives from them, messages wait there.
#[derive(Debug, Default)]
pub struct Sockets {
    /// The UDP port.
    pub udp: Option<UdpSocket>,
    /// The unix socket.
    pub unix: Option<UnixDatagram>,
    /// Takes answers to those who are named by a path.
    post: Option<Post>,
}

impl Sockets {
    /// Those sockets.
    pub fn new(udp: Option<UdpSocket>, unix: Option<UnixDatagram>) -> Self {
        Self { udp, unix, post: None }
    }

    /// Takes a socket that was handed over; gives back what is none, or the second of its kind.
    pub fn adopt(&mut self, descriptor: OwnedFd) -> Option<OwnedFd> {
        match socket_domain(&descriptor) {
            Ok(AddressFamily::UNIX) if self.unix.is_none() => {
                self.unix = Some(descriptor.into());
                None
            }
            Ok(AddressFamily::INET | AddressFamily::INET6) if self.udp.is_none() => {
                self.udp = Some(descriptor.into());
                None
            }
            _ => Some(descriptor),
        }
    }

    /// All of them. Each is always at the same place.
    pub fn descriptors(&self) -> ArrayVec<BorrowedFd<'_>, KINDS> {
        let (udp, unix) = (self.udp.as_ref().map(AsFd::as_fd), self.unix.as_ref().map(AsFd::as_fd));
        [udp, unix].into_iter().flatten().collect()
    }

    /// Prepares them for being served: none makes anybody wait, and the kernel notes what it can.
    ///
    /// # Errors
    /// As the system says.
    pub fn prepare(&mut self) -> io::Result<()> {
        if let Some(udp) = &self.udp {
            udp.set_nonblocking(true)?;
            socket::keep_unread(udp, UNREAD_BYTES);
        }
        if let Some(unix) = &self.unix {
            unix.set_nonblocking(true)?;
            socket::keep_unsent(unix, UNREAD_BYTES);
            socket::refuse_descriptors(unix);
            self.post = Some(Post::open(unix.try_clone()?)?);
        }
        for descriptor in self.descriptors() {
            if let Err(error) = socket::note_arrivals(descriptor) {
                tracing::warn!(
                    "the kernel does not note when packets arrive ({error}); they count as they are read"
                );
            }
        }
        Ok(())
    }

    /// Where they are, for people.
    pub fn describe(&self) -> String {
        let udp = self.udp.iter().filter_map(|udp| udp.local_addr().ok());
        let unix = self.unix.iter().filter_map(|unix| unix.local_addr().ok());
        let udp = udp.map(|address| format!("udp://{address}"));
        let unix = unix.filter_map(|name| Some(format!("unix:{}", name.as_pathname()?.display())));
        udp.chain(unix).collect::<Vec<_>>().join(" and ")
    }

    /// Whether something has arrived.
    pub fn is_readable(&self) -> bool {
        let mut ready = [false; KINDS];
        poll_readable(&self.descriptors(), &mut ready, Some(Duration::ZERO));
        ready.contains(&true)
    }

    /// Sends a packet by the socket of the right kind, without waiting for anybody.
    ///
    /// # Errors
    /// As the system says: if there is no room for it, or if there is none to send it to.
    pub fn send_to(&self, packet: &[u8], to: &Peer) -> io::Result<()> {
        let nowhere = || io::Error::from(io::ErrorKind::NotConnected);
        match (to, &self.post) {
            (Peer::Ip(_), _) => socket::send_to(self.udp.as_ref().ok_or_else(nowhere)?, packet, to),
            _ if !to.is_reachable() => Err(nowhere()),
            // To find a path may take the file system a while.
            (Peer::Unix(name), Some(post)) if name.path().is_some() => post.take(packet, name),
            _ => socket::send_to(self.unix.as_ref().ok_or_else(nowhere)?, packet, to),
        }
    }

    /// Whether so much of what was sent by the unix socket is still unread that soon nobody could be told anything.
    pub fn is_crowded(&self) -> bool {
        self.unix.as_ref().is_some_and(socket::is_crowded)
    }

    /// Whether the unix socket can't be found any more, because its file is gone or another is in its place.
    pub fn is_lost(&self) -> bool {
        self.post.as_ref().is_some_and(Post::is_lost)
    }

    /// How many packets the kernel had no room for.
    pub fn lost(&self) -> u64 {
        let lost = |descriptor| socket::packets_lost(descriptor).map_or(0, u64::from);
        self.descriptors().into_iter().map(lost).sum()
    }
}
