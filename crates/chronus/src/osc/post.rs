//! Answers to senders that are named by a path. To find it, the kernel asks file systems, and one that hangs would hold up
//! whoever sends. So a thread of its own sends them; it gets them through sockets, which make nobody wait.

use std::ffi::OsStr;
use std::io::{self, IoSlice};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chronus_os::peer::{PATH_BYTES_MOST, Peer, UnixName};
use chronus_os::socket;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

use chronus_files::Identity;

/// In front of each packet stands where it shall go, filled up with zeros.
const NAME_BYTES: usize = PATH_BYTES_MOST + 1;

/// How often it is looked whether the file of the socket is still there.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Takes packets for the thread that sends them.
#[derive(Debug)]
pub struct Post {
    taken: UnixDatagram,
    is_lost: Arc<AtomicBool>,
}

impl Post {
    /// Has a thread send by this socket what is taken.
    ///
    /// # Errors
    /// As the system says.
    pub fn open(by: UnixDatagram) -> io::Result<Self> {
        let (taken, given) = UnixDatagram::pair()?;
        given.set_read_timeout(Some(LOOK_EVERY))?;
        let is_lost = Arc::new(AtomicBool::new(false));
        let lost = is_lost.clone();
        let body = move || {
            let mut letter = vec![0; NAME_BYTES + chronus_osc::MOST_DATAGRAM_BYTES];
            let (mut looked, first) = (Instant::now(), file_of(&by));
            loop {
                if looked.elapsed() >= LOOK_EVERY {
                    looked = Instant::now();
                    lost.store(first.is_none() || file_of(&by) != first, Ordering::Relaxed);
                }
                let Ok(bytes @ NAME_BYTES..) = given.recv(&mut letter) else { continue };
                let (name, packet) = letter[..bytes].split_at(NAME_BYTES);
                let path = name.split(|byte| *byte == 0).next().unwrap_or_default();
                if let Some(name) = UnixName::of_path(Path::new(OsStr::from_bytes(path))) {
                    // Whoever does not read is not waited for.
                    let _ = socket::send_to(&by, packet, &Peer::Unix(name));
                }
            }
        };
        std::thread::Builder::new().name("answers".into()).spawn(body)?;
        Ok(Self { taken, is_lost })
    }

    /// Whether the file by which the socket is found was removed, renamed or replaced since then.
    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    /// Takes a packet, unless too much is on its way. Waits for nobody.
    ///
    /// # Errors
    /// As the system says.
    pub fn take(&self, packet: &[u8], to: &UnixName) -> io::Result<()> {
        let path = to.path().map_or(&[][..], |path| path.as_os_str().as_bytes());
        let mut name = [0; NAME_BYTES];
        // One that leaves no room for its end can't be sent to by the rules of most programs, and is left alone.
        name.get_mut(..path.len()).ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(path);
        let letter = [IoSlice::new(&name), IoSlice::new(packet)];
        let nothing = &mut SendAncillaryBuffer::default();
        sendmsg(&self.taken, &letter, nothing, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

/// Which file a socket is found by, if it is there.
fn file_of(socket: &UnixDatagram) -> Option<Identity> {
    Identity::at(socket.local_addr().ok()?.as_pathname()?).ok()
}
