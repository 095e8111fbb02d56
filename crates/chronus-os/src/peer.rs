//! Who is at the other end of a socket, in one small piece that can be copied: an address of IP, or the name of a unix
//! socket.

use std::ffi::OsStr;
use std::fmt;
use std::mem::{offset_of, size_of};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The name of a unix socket has room for so many bytes.
const NAME_BYTES: usize = 108;
/// As a path it ends with a zero, which takes one of them.
pub const PATH_BYTES_MOST: usize = NAME_BYTES - 1;
/// A peer as words: what it is and how long its name is, then the name or the address.
pub const PEER_WORDS: usize = 1 + NAME_BYTES.div_ceil(8);

/// Who sent a packet, or shall get one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// A UDP port.
    Ip(SocketAddr),
    /// A unix socket of this machine.
    Unix(UnixName),
}

/// The name of a unix socket: a path, an abstract name (which begins with a zero), or none at all.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnixName {
    length: u8,
    bytes: [u8; NAME_BYTES],
}

impl UnixName {
    /// That of a socket which was never bound. Nothing can be sent there.
    pub const NONE: Self = Self { length: 0, bytes: [0; NAME_BYTES] };

    /// A path; `None` if it is empty, too long, or holds a zero.
    pub fn of_path(path: &Path) -> Option<Self> {
        let path = path.as_os_str().as_bytes();
        let is_path = !path.is_empty() && path.len() <= PATH_BYTES_MOST && !path.contains(&0);
        is_path.then(|| Self::of_bytes(path)).flatten()
    }

    fn of_bytes(name: &[u8]) -> Option<Self> {
        let mut bytes = [0; NAME_BYTES];
        bytes.get_mut(..name.len())?.copy_from_slice(name);
        Some(Self { length: name.len() as u8, bytes })
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Whether there is a name by which it can be reached.
    pub fn is_some(&self) -> bool {
        self.length > 0
    }

    /// The path, if it is one. Who sends there waits for the file system in which it lies.
    pub fn path(&self) -> Option<&Path> {
        let bytes = self.as_bytes();
        bytes.first().is_some_and(|first| *first != 0).then(|| Path::new(OsStr::from_bytes(bytes)))
    }
}

impl fmt::Display for UnixName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, shown) = match self.as_bytes() {
            [] => return formatter.write_str("a unix socket without a name"),
            [0, rest @ ..] => ("@", rest),
            path => ("", path),
        };
        write!(formatter, "unix:{sign}")?;
        // Whoever has made the name up shall move no terminal with it.
        for letter in String::from_utf8_lossy(shown).chars() {
            let harmless = if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
            write!(formatter, "{harmless}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for UnixName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(formatter),
            Self::Unix(name) => name.fmt(formatter),
        }
    }
}

impl Peer {
    /// Whether it can be answered. A path that begins in the folder of its process leads elsewhere from here.
    pub fn is_reachable(&self) -> bool {
        match self {
            Self::Ip(_) => true,
            Self::Unix(name) => name.path().map_or(name.is_some(), Path::is_absolute),
        }
    }

    /// As words, for shared memory.
    pub fn to_words(&self) -> [u64; PEER_WORDS] {
        let (storage, bytes) = self.to_kernel();
        let mut words = [0; PEER_WORDS];
        words[0] = bytes as u64;
        // SAFETY: any bytes may be read as bytes; the storage is whole, and larger than what is taken of it.
        let storage: &[u8; size_of::<libc::sockaddr_storage>()] =
            unsafe { &*(&raw const storage).cast() };
        for (word, bytes) in words[1..].iter_mut().zip(storage.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        words
    }

    /// Reads [`to_words`](Self::to_words) back; `None` if it can't be told who that is.
    pub fn from_words(words: &[u64; PEER_WORDS]) -> Option<Self> {
        let mut bytes = [0; size_of::<libc::sockaddr_storage>()];
        for (bytes, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(&words[1..]) {
            *bytes = word.to_le_bytes();
        }
        // SAFETY: any bytes are a valid address of this type, and there are as many as it has.
        let storage = unsafe { bytes.as_ptr().cast::<libc::sockaddr_storage>().read_unaligned() };
        Self::from_kernel(&storage, usize::try_from(words[0]).ok()?)
    }

    /// Who that is whom the kernel gives so many bytes of; `None` if it is of no kind that is spoken here.
    pub(crate) fn from_kernel(storage: &libc::sockaddr_storage, bytes: usize) -> Option<Self> {
        let family = libc::c_int::from(storage.ss_family);
        let storage: *const libc::sockaddr_storage = storage;
        // SAFETY: the storage is larger than each of these, aligned for all, and the family says which it holds.
        unsafe {
            match family {
                // Senders to UDP ports always have an address.
                _ if bytes == 0 => Some(Self::Unix(UnixName::NONE)),
                libc::AF_INET => {
                    let address = &*storage.cast::<libc::sockaddr_in>();
                    let ip = address.sin_addr.s_addr.to_ne_bytes();
                    Some(Self::Ip((ip, u16::from_be(address.sin_port)).into()))
                }
                libc::AF_INET6 => {
                    let address = &*storage.cast::<libc::sockaddr_in6>();
                    let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
                    let port = u16::from_be(address.sin6_port);
                    let (flow, scope) =
                        (u32::from_be(address.sin6_flowinfo), address.sin6_scope_id);
                    Some(Self::Ip(SocketAddrV6::new(ip, port, flow, scope).into()))
                }
                libc::AF_UNIX => {
                    let path = &raw const (*storage.cast::<libc::sockaddr_un>()).sun_path;
                    let path: &[u8; NAME_BYTES] = &*path.cast();
                    let length = bytes.saturating_sub(NAME_OFFSET).min(NAME_BYTES);
                    let name = &path[..length];
                    // A path ends with the first zero; an abstract name is as long as it is.
                    let end = name.iter().position(|byte| *byte == 0).filter(|end| *end > 0);
                    UnixName::of_bytes(&name[..end.unwrap_or(length)]).map(Self::Unix)
                }
                _ => None,
            }
        }
    }

    /// The address as the kernel takes it, and how many bytes of it count.
    pub(crate) fn to_kernel(self) -> (libc::sockaddr_storage, usize) {
        // SAFETY: zeros are a valid address of this type, of no family.
        let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
        let at = &raw mut storage;
        // SAFETY: the storage is larger than each of these and aligned for all.
        let bytes = unsafe {
            match self {
                Self::Ip(SocketAddr::V4(address)) => {
                    let to = &mut *at.cast::<libc::sockaddr_in>();
                    to.sin_family = libc::AF_INET as libc::sa_family_t;
                    to.sin_port = address.port().to_be();
                    to.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
                    size_of::<libc::sockaddr_in>()
                }
                Self::Ip(SocketAddr::V6(address)) => {
                    let to = &mut *at.cast::<libc::sockaddr_in6>();
                    to.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                    to.sin6_port = address.port().to_be();
                    to.sin6_addr.s6_addr = address.ip().octets();
                    (to.sin6_flowinfo, to.sin6_scope_id) =
                        (address.flowinfo().to_be(), address.scope_id());
                    size_of::<libc::sockaddr_in6>()
                }
                Self::Unix(name) => {
                    let to = &mut *at.cast::<libc::sockaddr_un>();
                    to.sun_family = libc::AF_UNIX as libc::sa_family_t;
                    for (to, from) in to.sun_path.iter_mut().zip(name.bytes) {
                        *to = from as libc::c_char;
                    }
                    NAME_OFFSET + usize::from(name.length)
                }
            }
        };
        (storage, bytes)
    }
}

const NAME_OFFSET: usize = offset_of!(libc::sockaddr_un, sun_path);

#[cfg(test)]
mod tests {
    use super::*;

    fn abstract_name(rest: &[u8]) -> UnixName {
        UnixName::of_bytes(&[&[0], rest].concat()).expect("it is short enough")
    }

    #[test]
    fn whoever_it_is_can_be_told_to_the_kernel_and_handed_down() {
        let longest = "/".repeat(PATH_BYTES_MOST);
        let path = |path: &str| UnixName::of_path(Path::new(path)).expect("a path");
        // A path may fill all of the room, with no zero at its end.
        let fullest = UnixName::of_bytes(&[b'x'; NAME_BYTES]).expect("it fits");
        let unix =
            [path("/run/osc"), path(&longest), fullest, abstract_name(b"a\0b"), UnixName::NONE];
        let ip = ["127.0.0.1:5005", "[fe80::1%7]:9"]
            .map(|text| Peer::Ip(text.parse().expect("an address")));
        for peer in unix.map(Peer::Unix).into_iter().chain(ip) {
            let (storage, bytes) = peer.to_kernel();
            assert_eq!(Peer::from_kernel(&storage, bytes), Some(peer));
            assert_eq!(Peer::from_words(&peer.to_words()), Some(peer));
        }
        assert_eq!(Peer::from_words(&[7; PEER_WORDS]), None);
        assert!(UnixName::of_path(Path::new(&format!("{longest}x"))).is_none(), "it is too long");
        assert!(UnixName::of_path(Path::new("")).is_none());
    }

    #[test]
    fn a_name_is_shown_as_it_is_written_and_moves_no_terminal() {
        let shown = |name: UnixName| Peer::Unix(name).to_string();
        assert_eq!(
            shown(UnixName::of_path(Path::new("/run/osc")).expect("a path")),
            "unix:/run/osc"
        );
        assert_eq!(shown(abstract_name(b"0a1b2")), "unix:@0a1b2");
        assert_eq!(shown(abstract_name(b"\x1b[2J\xff")), "unix:@\u{fffd}[2J\u{fffd}");
        assert_eq!(shown(UnixName::NONE), "a unix socket without a name");
        let nobody = Peer::Unix(UnixName::NONE);
        assert!(!nobody.is_reachable() && Peer::Unix(abstract_name(b"a")).is_reachable());
        let of_path =
            |path: &str| UnixName::of_path(Path::new(path)).map(Peer::Unix).expect("a path");
        assert!(of_path("/a").is_reachable() && !of_path("a").is_reachable());
        assert_eq!(abstract_name(b"a").path(), None);
    }
}
