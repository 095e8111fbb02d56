//! A socket between two processes that keeps the bounds of packets and their order, and can carry descriptors.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use arrayvec::ArrayVec;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// So many descriptors may come with a packet.
pub const DESCRIPTORS_MOST: usize = 3;

/// Both ends of a new socket. Neither makes anybody wait.
///
/// # Errors
/// Out of descriptors.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

/// Whether a descriptor is such a socket.
pub fn is_one(descriptor: impl AsFd) -> bool {
    rustix::net::sockopt::socket_type(descriptor).is_ok_and(|kind| kind == SocketType::SEQPACKET)
}

/// Sends a packet, and these descriptors with it.
///
/// # Errors
/// `WouldBlock` if there is no room for it; otherwise as the kernel says.
pub fn send(socket: impl AsFd, packet: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MOST))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    sendmsg(socket, &[IoSlice::new(packet)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives a packet: how many bytes it has, and the descriptors that came with it.
///
/// # Errors
/// `WouldBlock` if there is none, `UnexpectedEof` if the other end is closed, `InvalidData` if it is longer than `packet`;
/// otherwise as the kernel says.
pub fn receive(
    socket: impl AsFd,
    packet: &mut [u8],
) -> io::Result<(usize, ArrayVec<OwnedFd, DESCRIPTORS_MOST>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MOST))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(socket, &mut [IoSliceMut::new(packet)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors = ArrayVec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(sent) = message {
            descriptors.extend(sent.take(DESCRIPTORS_MOST));
        }
    }
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if received.flags.contains(rustix::net::ReturnFlags::TRUNC) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok((received.bytes, descriptors))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;

    use super::*;

    #[test]
    fn packets_keep_their_bounds_and_bring_descriptors() {
        let (one, other) = pair().expect("a socket");
        assert!(is_one(&one));
        let mut packet = [0; 16];
        let nothing = receive(&other, &mut packet).expect_err("nothing is there");
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        let file = File::open("/proc/version").expect("a file");
        send(&one, b"first", &[]).expect("sent");
        send(&one, b"second", &[file.as_fd()]).expect("sent");
        send(&one, &[7; 17], &[]).expect("sent");
        let (bytes, descriptors) = receive(&other, &mut packet).expect("a packet");
        assert_eq!((&packet[..bytes], descriptors.len()), (&b"first"[..], 0));
        let (bytes, mut descriptors) = receive(&other, &mut packet).expect("a packet");
        assert_eq!((&packet[..bytes], descriptors.len()), (&b"second"[..], 1));
        let mut text = String::new();
        let mut file = File::from(descriptors.remove(0));
        file.read_to_string(&mut text).expect("text");
        assert!(text.starts_with("Linux"), "{text}");
        let long = receive(&other, &mut packet).expect_err("it is too long");
        assert_eq!(long.kind(), io::ErrorKind::InvalidData);
        drop(one);
        let end = receive(&other, &mut packet).expect_err("the end");
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    }
}
