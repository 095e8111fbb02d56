//! What the kernel keeps for a socket before it is read, and what it had to throw away.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};

/// What `SO_MEMINFO` tells: so many words, the last of which counts what was thrown away.
const WORDS: usize = 9;
/// As the kernel's headers have it.
const SO_MEMINFO: libc::c_int = 55;
const DROPS: usize = libc::SK_MEMINFO_DROPS as usize;

/// Has the kernel keep up to so many bytes of packets that were not read yet, or as many as it permits.
pub fn keep_unread(socket: impl AsFd, bytes: usize) {
    if set_socket_recv_buffer_size_force(&socket, bytes).is_err() {
        let _ = set_socket_recv_buffer_size(&socket, bytes);
    }
}

/// How many packets came when there was no room for them, modulo 2^32.
///
/// # Errors
/// As the kernel says; before Linux 4.12 it can't tell.
pub fn packets_lost(socket: impl AsFd) -> io::Result<u32> {
    let mut words = [0_u32; WORDS];
    let mut bytes = size_of_val(&words) as libc::socklen_t;
    // SAFETY: the kernel writes no more than `bytes` bytes to `words`, and the length to `bytes`.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            SO_MEMINFO,
            words.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(words[DROPS]) }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn what_finds_no_room_is_counted() {
        let unread = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let sender = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        sender.connect(unread.local_addr().expect("an address")).expect("connect");
        set_socket_recv_buffer_size(&unread, 4096).expect("a small buffer");
        assert_eq!(packets_lost(&unread).expect("a count"), 0);
        for _ in 0..1000 {
            sender.send(&[0; 100]).expect("it is sent");
        }
        unread.set_nonblocking(true).expect("it does not wait");
        let mut packet = [0; 100];
        let kept = std::iter::from_fn(|| unread.recv(&mut packet).ok()).count();
        assert_eq!(kept + packets_lost(&unread).expect("a count") as usize, 1000);
        assert!(kept < 1000, "there is not room for all");
    }
}
