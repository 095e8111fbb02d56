//! What the kernel keeps for a socket before it is read, when it came, and what it had to throw away.

use std::io;
use std::mem::{MaybeUninit, size_of, size_of_val};
use std::os::fd::{AsFd, AsRawFd, FromRawFd as _, OwnedFd, RawFd};

use rustix::net::sockopt::{
    set_socket_recv_buffer_size, set_socket_recv_buffer_size_force, set_socket_send_buffer_size,
    set_socket_send_buffer_size_force,
};

use crate::peer::Peer;

/// What `SO_MEMINFO` tells: so many words, the last of which counts what was thrown away.
const WORDS: usize = 9;
/// As the kernel's headers have it.
const SO_MEMINFO: libc::c_int = 55;
const DROPS: usize = libc::SK_MEMINFO_DROPS as usize;
/// What was sent and not read yet, and how much of that is permitted.
const UNREAD: usize = libc::SK_MEMINFO_WMEM_ALLOC as usize;
const UNREAD_MOST: usize = libc::SK_MEMINFO_SNDBUF as usize;
/// As the kernel's headers have it, from Linux 6.16 on.
const SO_PASSRIGHTS: libc::c_int = 83;

/// Has the kernel keep up to so many bytes of packets that were not read yet, or as many as it permits.
pub fn keep_unread(socket: impl AsFd, bytes: usize) {
    if set_socket_recv_buffer_size_force(&socket, bytes).is_err() {
        let _ = set_socket_recv_buffer_size(&socket, bytes);
    }
}

/// Has the kernel keep up to so many bytes that a unix socket has sent and nobody has read yet, or as many as it
/// permits. All whom it sends to share them.
pub fn keep_unsent(socket: impl AsFd, bytes: usize) {
    if set_socket_send_buffer_size_force(&socket, bytes).is_err() {
        let _ = set_socket_send_buffer_size(&socket, bytes);
    }
}

/// Whether more than half of what may be sent and unread is, so that soon nobody can be told anything.
pub fn is_crowded(socket: impl AsFd) -> bool {
    memory(socket).is_ok_and(|words| words[UNREAD] > words[UNREAD_MOST] / 2)
}

/// How many packets came when there was no room for them, modulo 2^32. To a unix socket none does: its senders wait.
///
/// # Errors
/// As the kernel says; before Linux 4.12 it can't tell.
pub fn packets_lost(socket: impl AsFd) -> io::Result<u32> {
    memory(socket).map(|words| words[DROPS])
}

fn memory(socket: impl AsFd) -> io::Result<[u32; WORDS]> {
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
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(words) }
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
    pub from: Peer,
    /// When the kernel had it, by the wall clock, in nanoseconds since 1970; only with [`note_arrivals`].
    pub noted_wall_ns: Option<u64>,
}

/// Has the kernel note when each packet arrives. For UDP it begins a moment later; until then it notes when one is read.
///
/// # Errors
/// As the kernel says.
pub fn note_arrivals(socket: impl AsFd) -> io::Result<()> {
    set(socket, libc::SO_TIMESTAMPNS, 1)
}

/// Has the kernel refuse senders to a unix socket who want to pass descriptors along, where it can. They are never
/// taken in any case, but to let go of them may keep us waiting.
pub fn refuse_descriptors(socket: impl AsFd) {
    let _ = set(socket, SO_PASSRIGHTS, 0);
}

fn set(socket: impl AsFd, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the kernel reads as many bytes of `value` as it has.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sends a packet without waiting, by a socket of the right kind.
///
/// # Errors
/// As the kernel says: `WouldBlock` if whoever shall get it has no room.
pub fn send_to(socket: impl AsFd, packet: &[u8], to: &Peer) -> io::Result<()> {
    let (address, bytes) = to.to_kernel();
    // SAFETY: the kernel reads as many bytes of the packet and of the address as each has.
    let sent = unsafe {
        libc::sendto(
            socket.as_fd().as_raw_fd(),
            packet.as_ptr().cast(),
            packet.len(),
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            (&raw const address).cast(),
            bytes as libc::socklen_t,
        )
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Reads a packet, who sent it, and when it came. What is longer than `packet` is cut off.
///
/// # Errors
/// As the kernel says, or if the sender's address is of no kind that is known.
pub fn receive(socket: impl AsFd, packet: &mut [u8]) -> io::Result<Received> {
    let mut from = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut part = libc::iovec { iov_base: packet.as_mut_ptr().cast(), iov_len: packet.len() };
    // Of words, because the kernel's messages are aligned to them; and no more of them than a note of the arrival takes,
    // so that beside one there is no room for descriptors: the kernel then lets go of them.
    let mut control = [0_u64; 4];
    // SAFETY: a header of zeros is a valid one without any buffers.
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_name = from.as_mut_ptr().cast();
    header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control) as _;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: all buffers of the header are valid for writing for as many bytes as it says, during the call.
    let bytes = unsafe { libc::recvmsg(fd, &raw mut header, libc::MSG_CMSG_CLOEXEC) };
    let bytes = usize::try_from(bytes).map_err(|_| io::Error::last_os_error())?;
    let noted_wall_ns = noted(&header);
    // SAFETY: any bytes are a valid address of this type, whose beginning the kernel has filled.
    let from = Peer::from_kernel(unsafe { from.assume_init_ref() }, header.msg_namelen as usize);
    let from = from.ok_or_else(|| io::Error::other("a packet of a sender without an address"))?;
    Ok(Received { bytes, from, noted_wall_ns })
}

/// The note of the arrival that the kernel has put beside a packet. Descriptors that came instead are closed.
fn noted(header: &libc::msghdr) -> Option<u64> {
    let mut noted = None;
    // SAFETY: the header is that of a call that has succeeded, and its control buffer is still there. The loop stays
    // within it as the macros of the C library see to.
    let mut message = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !message.is_null() {
        // SAFETY: as above; a message of the first kind carries a timespec, which may be unaligned, and one of the second
        // as many descriptors as its length says, which nobody else owns.
        unsafe {
            let (level, kind) = ((*message).cmsg_level, (*message).cmsg_type);
            let data = libc::CMSG_DATA(message);
            if (level, kind) == (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
                noted = nanoseconds(data.cast::<libc::timespec>().read_unaligned());
            } else if (level, kind) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
                let bytes = (*message).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                for index in 0..bytes / size_of::<RawFd>() {
                    let descriptor =
                        data.add(index * size_of::<RawFd>()).cast::<RawFd>().read_unaligned();
                    drop(OwnedFd::from_raw_fd(descriptor));
                }
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    noted
}

fn nanoseconds(time: libc::timespec) -> Option<u64> {
    let seconds = u64::try_from(time.tv_sec).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(time.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::net::UdpSocket;
    use std::os::unix::net::UnixDatagram;
    use std::path::Path;

    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

    use super::*;
    use crate::clock::wall_ns;
    use crate::peer::UnixName;

    #[test]
    fn a_packet_comes_with_its_sender_and_the_time_at_which_the_kernel_had_it() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(socket) = UdpSocket::bind(host) else {
                eprintln!("skipped: this machine has no {host}");
                continue;
            };
            let sender = UdpSocket::bind(host).expect("a socket");
            sender.connect(socket.local_addr().expect("an address")).expect("connect");
            let own = Peer::Ip(sender.local_addr().expect("an address"));
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
            send_to(&socket, b"answer", &own).expect("it is sent");
            assert_eq!(sender.recv(&mut packet).expect("an answer"), 6);
            socket.set_nonblocking(true).expect("it does not wait");
            let error = receive(&socket, &mut packet).expect_err("nothing is there");
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        }
    }

    #[test]
    fn packets_to_a_unix_socket_come_with_their_time_too_and_each_sender_who_has_a_name_is_answered()
     {
        let folder = std::env::temp_dir().join(format!("chronus-peer-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (path, own) = (folder.join("engine"), folder.join("sender"));
        let socket = UnixDatagram::bind(&path).expect("a socket");
        note_arrivals(&socket).expect("the kernel can");
        // By a path, by an abstract name that the kernel chose, and by none.
        let named = UnixDatagram::bind(&own).expect("a socket");
        let abstract_one = UnixDatagram::bind("").expect("a socket with a name of the kernel's");
        let nameless = UnixDatagram::unbound().expect("a socket");
        let mut packet = [0; 16];
        for sender in [&named, &abstract_one, &nameless] {
            let before_ns = wall_ns();
            sender.send_to(b"hello", &path).expect("it is sent");
            let after_ns = wall_ns();
            std::thread::sleep(std::time::Duration::from_millis(5));
            let received = receive(&socket, &mut packet).expect("a packet");
            // It is noted from the first packet on.
            let noted_ns = received.noted_wall_ns.expect("a note");
            assert!(
                (before_ns..=after_ns).contains(&noted_ns),
                "when it came, not when it was read"
            );
            let sent = send_to(&socket, b"answer", &received.from);
            assert_eq!(sent.is_ok(), received.from.is_reachable(), "{}", received.from);
            if received.from.is_reachable() {
                assert_eq!(sender.recv(&mut packet).expect("an answer"), 6, "{}", received.from);
            } else {
                assert_eq!(received.from, Peer::Unix(UnixName::NONE));
            }
        }
        named.send_to(b"whoever", &path).expect("it is sent");
        let from = receive(&socket, &mut packet).expect("a packet").from;
        assert_eq!(from, Peer::Unix(UnixName::of_path(&own).expect("a path")));
        std::fs::remove_dir_all(folder).expect("it is ours");
    }

    #[test]
    fn descriptors_that_somebody_passes_along_are_never_taken() {
        let (sender, socket) = UnixDatagram::pair().expect("sockets");
        let (mut told, passed) = std::io::pipe().expect("a pipe");
        let pass = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            let descriptors = [passed.as_fd(); 4];
            assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
            sendmsg(&sender, &[IoSlice::new(b"take")], &mut ancillary, SendFlags::empty())
        };
        let mut packet = [0; 16];
        // Where they find room, and where the note of the arrival takes it.
        pass().expect("it is sent");
        assert_eq!(receive(&socket, &mut packet).expect("a packet").bytes, 4);
        note_arrivals(&socket).expect("the kernel can");
        pass().expect("it is sent");
        assert!(receive(&socket, &mut packet).expect("a packet").noted_wall_ns.is_some());
        refuse_descriptors(&socket);
        if pass().is_ok() {
            eprintln!("this kernel can't refuse them");
            receive(&socket, &mut packet).expect("a packet");
        }
        // If any other were left, this would wait for ever.
        drop(passed);
        assert_eq!(io::Read::read(&mut told, &mut packet).expect("the end"), 0);
    }

    #[test]
    fn it_is_seen_when_those_who_are_told_do_not_read() {
        let unread = UnixDatagram::bind("").expect("a socket");
        let socket = UnixDatagram::bind("").expect("a socket");
        keep_unsent(&socket, 8192);
        unread.connect_addr(&socket.local_addr().expect("a name")).expect("connect");
        unread.send(b"hello").expect("it is sent");
        let from = receive(&socket, &mut [0; 8]).expect("a packet").from;
        assert!(!is_crowded(&socket));
        let sent = (0..1000).take_while(|_| send_to(&socket, &[0; 512], &from).is_ok()).count();
        assert!(sent < 1000 && is_crowded(&socket));
        for _ in 0..sent {
            unread.recv(&mut [0; 512]).expect("a packet");
        }
        assert!(!is_crowded(&socket));
        assert!(
            send_to(
                &socket,
                b"x",
                &Peer::Unix(UnixName::of_path(Path::new("/nowhere")).expect("a path"))
            )
            .is_err()
        );
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
