//! The file by which a unix socket is reached: made for its owner alone, in the place of one at which nobody listens, and
//! removed at the end.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chronus_files::Identity;
use chronus_os::peer::UnixName;
use chronus_shm::sync::AtomicU64;
use rustix::fs::{FlockOperation, Mode, fchmod, flock};
use rustix::net::{SocketAddrUnix, bind};

use chronus_files::folder_of;

/// Who may send: the user that runs the engine, and root.
const MODE: Mode = Mode::from_raw_mode(0o600);
/// Another engine that is just being started in this folder is waited for so long.
const TURN_WITHIN: Duration = Duration::from_secs(1);

/// A file that is removed when this goes, if it is still the same. The socket must be open until then: as long as it is, no
/// other file can have its number.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

impl SocketFile {
    /// Binds a socket there.
    ///
    /// # Errors
    /// A sentence that says why not, and what to do. Nothing that is there was harmed then.
    pub fn bind(name: &UnixName) -> Result<(UnixDatagram, Self), String> {
        let path = name.path().unwrap_or(Path::new(""));
        let _turn = Turn::take(folder_of(path));
        let refused =
            |error: io::Error| format!("can't listen on {name} ({error}); {}", advice(&error));
        let socket = match bound(path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                remove_if_left_behind(path)
                    .map_err(|why| format!("can't listen on {name}: {why}"))?;
                bound(path).map_err(refused)?
            }
            other => other.map_err(refused)?,
        };
        let identity =
            Identity::at(path).map_err(|error| format!("{name} is gone already: {error}"))?;
        Ok((socket, Self { path: path.to_owned(), identity }))
    }

    /// The file of a socket that was kept, if `note` tells of one.
    pub fn kept(socket: &UnixDatagram, note: &[AtomicU64; 2]) -> Option<Self> {
        let path = socket.local_addr().ok()?.as_pathname()?.to_owned();
        let [device, inode] = [0, 1].map(|word: usize| note[word].load(Ordering::Acquire));
        (inode != 0).then_some(Self { path, identity: Identity { device, inode } })
    }

    /// Whether it is still there.
    pub fn is_there(&self) -> bool {
        Identity::at(&self.path).is_ok_and(|found| found == self.identity)
    }

    /// Notes which file it is.
    pub fn note(&self, note: &[AtomicU64; 2]) {
        for (note, word) in note.iter().zip([self.identity.device, self.identity.inode]) {
            note.store(word, Ordering::Release);
        }
    }
}

impl fmt::Display for SocketFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(formatter)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _turn = Turn::take(folder_of(&self.path));
        if self.is_there()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!("{} could not be removed: {error}", self.path.display());
        }
    }
}

/// A new socket of this name. The kernel makes the file with the mode of the socket, so that nobody else can ever have sent
/// there; the umask of the process stays as it is, and can't add anything.
fn bound(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    fchmod(&socket, MODE)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Removes a socket at which nobody listens, or says what is there.
fn remove_if_left_behind(path: &Path) -> Result<(), String> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if let Some(why) = why_no_socket(&found) {
        return Err(why.into());
    }
    let probe = UnixDatagram::unbound().and_then(|probe| probe.connect(path));
    match probe.map_err(|error| error.kind()) {
        Err(ErrorKind::ConnectionRefused) => fs::remove_file(path).map_err(|error| {
            format!("it was left behind, and can't be removed ({error}); remove it, or give another path")
        }),
        Err(ErrorKind::NotFound) => Ok(()),
        Err(ErrorKind::PermissionDenied) => {
            Err("it belongs to another user; give another path".into())
        }
        _ => Err("somebody listens there; is another engine running? give another path".into()),
    }
}

/// What is to be said of a file that is there and no socket.
pub fn why_no_socket(found: &Metadata) -> Option<&'static str> {
    let is_socket = found.file_type().is_socket();
    (!is_socket).then_some("what is there is no socket, and is left alone; give another path")
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "its folder is not there; make it, or give a path in another",
        ErrorKind::PermissionDenied => "give a path in a folder that you may write to",
        _ => "give another path, as in --osc unix:/run/chronus/osc.sock",
    }
}

/// The turn of one engine in a folder: of two that find a file left behind at the same time, the second must not remove the
/// new one of the first.
struct Turn(#[allow(dead_code, reason = "held until it is closed")] Option<File>);

impl Turn {
    /// Takes it. Who can't have it in time, or not at all, goes on without: others may hold such locks, too.
    fn take(folder: &Path) -> Self {
        let began = Instant::now();
        let folder = File::open(folder).ok();
        if let Some(folder) = &folder {
            while flock(folder, FlockOperation::NonBlockingLockExclusive)
                .is_err_and(|error| error == rustix::io::Errno::WOULDBLOCK)
                && began.elapsed() < TURN_WITHIN
            {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Self(folder)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn name(path: &Path) -> UnixName {
        UnixName::of_path(path).expect("a short path")
    }

    fn error(path: &Path) -> String {
        SocketFile::bind(&name(path)).expect_err("it can't be had")
    }

    #[test]
    fn a_socket_is_made_for_its_owner_alone_and_removed_at_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("osc");
        let (_socket, file) = SocketFile::bind(&name(&path)).expect("a socket");
        let mode = fs::symlink_metadata(&path).expect("it is there").mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert!(error(&path).contains("is another engine running?"), "{}", error(&path));
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn one_that_was_left_behind_is_replaced_and_anything_else_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("osc");
        drop(UnixDatagram::bind(&path).expect("a socket"));
        let (socket, file) = SocketFile::bind(&name(&path)).expect("in its place");
        let sender = UnixDatagram::unbound().expect("a socket");
        sender.send_to(b"hello", &path).expect("it is sent");
        assert_eq!(socket.recv(&mut [0; 9]).expect("a packet"), 5);
        // Another's, made after ours was removed by hand.
        fs::remove_file(&path).expect("it is there");
        fs::write(&path, "precious").expect("it is written");
        drop(file);
        assert!(error(&path).contains("is no socket"), "{}", error(&path));
        assert_eq!(fs::read(&path).expect("it is there"), b"precious");
        let missing = folder.path().join("no/osc");
        assert!(error(&missing).contains("its folder is not there"), "{}", error(&missing));
        let leads_nowhere = folder.path().join("link");
        std::os::unix::fs::symlink("nowhere", &leads_nowhere).expect("a link");
        assert!(error(&leads_nowhere).contains("is no socket"));
    }

    #[test]
    fn who_goes_on_with_a_kept_socket_knows_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("osc");
        let (socket, file) = SocketFile::bind(&name(&path)).expect("a socket");
        let note = [AtomicU64::new(0), AtomicU64::new(0)];
        assert!(SocketFile::kept(&socket, &note).is_none());
        file.note(&note);
        // As if the keeper had died.
        std::mem::forget(file);
        drop(SocketFile::kept(&socket, &note).expect("its file"));
        assert!(!path.exists());
    }
}
