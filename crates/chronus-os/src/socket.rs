//! What the kernel keeps for a socket before it is read, when it came, and what it had to throw away.

use std::io;
use std::mem::{MaybeUninit, size_of, size_of_val};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
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

/// A packet that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// How long it is.
    pub bytes: usize,
    /// Who sent it.
    pub from: SocketAddr,
    /// When the kernel had it, by the wall clock, in nanoseconds since 1970; only with [`note_arrivals`].
    pub noted_wall_ns: Option<u64>,
}

/// Has the kernel note when each packet arrives. It begins a moment later; until then it notes when one is read.
///
/// # Errors
/// As the kernel says.
pub fn note_arrivals(socket: impl AsFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the kernel reads as many bytes of `on` as it has.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Reads a packet, as [`UdpSocket::recv_from`], and when it came. What is longer than `packet` is cut off.
///
/// # Errors
/// As the kernel says, or if the sender's address is none of IP.
pub fn receive(socket: &UdpSocket, packet: &mut [u8]) -> io::Result<Received> {
    let mut from = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut part = libc::iovec { iov_base: packet.as_mut_ptr().cast(), iov_len: packet.len() };
    // Of words, because the kernel's messages are aligned to them.
    let mut control = [0_u64; 16];
    // SAFETY: a header of zeros is a valid one without any buffers.
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_name = from.as_mut_ptr().cast();
    header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control) as _;
    // SAFETY: all buffers of the header are valid for writing for as many bytes as it says, during the call.
    let bytes = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, 0) };
    let bytes = usize::try_from(bytes).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: any bytes are a valid address of this type, whose beginning the kernel has filled.
    let from = address(unsafe { from.assume_init_ref() });
    let from = from.ok_or_else(|| io::Error::other("a packet of a sender without an address"))?;
    Ok(Received { bytes, from, noted_wall_ns: noted(&header) })
}

/// The note of the arrival that the kernel has put beside a packet.
fn noted(header: &libc::msghdr) -> Option<u64> {
    // SAFETY: the header is that of a call that has succeeded, and its control buffer is still there. The loop stays
    // within it as the macros of the C library see to.
    let mut message = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !message.is_null() {
        // SAFETY: as above; a message of this kind carries a timespec, which may be unaligned.
        unsafe {
            if (*message).cmsg_level == libc::SOL_SOCKET
                && (*message).cmsg_type == libc::SCM_TIMESTAMPNS
            {
                let time = libc::CMSG_DATA(message).cast::<libc::timespec>().read_unaligned();
                let seconds = u64::try_from(time.tv_sec).ok()?;
                return seconds.checked_mul(1_000_000_000)?.checked_add(time.tv_nsec as u64);
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    None
}

/// An address as the kernel gives it, in Rust's words.
fn address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let storage: *const libc::sockaddr_storage = storage;
    // SAFETY: the storage is larger than each of these, aligned for all, and the family says which it holds.
    unsafe {
        match libc::c_int::from((*storage).ss_family) {
            libc::AF_INET => {
                let address = &*storage.cast::<libc::sockaddr_in>();
                let ip = address.sin_addr.s_addr.to_ne_bytes();
                Some(SocketAddr::from((ip, u16::from_be(address.sin_port))))
            }
            libc::AF_INET6 => {
                let address = &*storage.cast::<libc::sockaddr_in6>();
                let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
                let port = u16::from_be(address.sin6_port);
                let (flow, scope) = (u32::from_be(address.sin6_flowinfo), address.sin6_scope_id);
                Some(SocketAddrV6::new(ip, port, flow, scope).into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::wall_ns;

    #[test]
    fn a_packet_comes_with_its_sender_and_the_time_at_which_the_kernel_had_it() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(socket) = UdpSocket::bind(host) else {
                eprintln!("skipped: this machine has no {host}");
                continue;
            };
            let sender = UdpSocket::bind(host).expect("a socket");
            sender.connect(socket.local_addr().expect("an address")).expect("connect");
            let own = sender.local_addr().expect("an address");
            let mut packet = [0; 16];
            sender.send(b"before").expect("it is sent");
            let received = receive(&socket, &mut packet).expect("a packet");
            assert_eq!((received.bytes, received.from, received.noted_wall_ns), (6, own, None));
            note_arrivals(&socket).expect("the kernel can");
            // It begins to note a moment later; until then it gives the time of the reading.
            let is_noted = (0..500).any(|_| {
                let before_ns = wall_ns();
                sender.send(b"after").expect("it is sent");
                let after_ns = wall_ns();
                std::thread::sleep(std::time::Duration::from_millis(5));
                let received = receive(&socket, &mut packet).expect("a packet");
                assert_eq!((&packet[..received.bytes], received.from), (&b"after"[..], own));
                let noted_ns = received.noted_wall_ns.expect("a note");
                (before_ns..=after_ns).contains(&noted_ns)
            });
            assert!(is_noted, "it notes when a packet is read, not when it came");
            socket.set_nonblocking(true).expect("it does not wait");
            let error = receive(&socket, &mut packet).expect_err("nothing is there");
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        }
    }

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
