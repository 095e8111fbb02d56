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

/// The UDP ports at which a process receives. One that was asked to take any free port tells no sooner where it is.
///
/// # Errors
/// If there is no such process, or it may not be looked at.
pub fn udp_ports_of(pid: u32) -> io::Result<Vec<u16>> {
    let mut inodes = Vec::new();
    for descriptor in std::fs::read_dir(format!("/proc/{pid}/fd"))?.flatten() {
        // One that was closed meanwhile leads nowhere.
        let link = std::fs::read_link(descriptor.path()).unwrap_or_default();
        let inode = link.to_str().and_then(|link| link.strip_prefix("socket:[")?.strip_suffix(']'));
        inodes.extend(inode.map(str::to_owned));
    }
    let mut ports = Vec::new();
    for table in ["udp", "udp6"] {
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let (Some(address), Some(inode)) = (fields.get(1), fields.get(9)) else { continue };
            let port = address.rsplit(':').next().and_then(|hex| u16::from_str_radix(hex, 16).ok());
            if inodes.iter().any(|own| own == inode) {
                ports.extend(port);
            }
        }
    }
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn it_is_known_at_which_ports_a_process_receives() {
        for address in ["127.0.0.1:0", "[::]:0"] {
            // A machine may be without the second kind.
            let Ok(socket) = UdpSocket::bind(address) else { continue };
            let port = socket.local_addr().expect("an address").port();
            assert!(
                udp_ports_of(std::process::id()).expect("it runs").contains(&port),
                "{address}"
            );
        }
        let mut other = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        assert_eq!(udp_ports_of(other.id()).expect("it runs"), [0_u16; 0], "it has none of ours");
        other.kill().and_then(|()| other.wait()).expect("it was running");
        assert!(udp_ports_of(u32::MAX >> 4).is_err(), "no process has this pid");
    }

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
