//! How others reach the patcher: nobody who does waits for it, since it has no priority.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::Thread;

use chronus_engine::Directory;
use rtrb::{Consumer, Producer, RingBuffer};

use super::watch::Watched;
use crate::control::patch_port::{Newest, PatchPort, Task};

/// Requests that may wait.
const QUEUE: usize = 256;

/// The side of who watches the patch file.
#[derive(Debug)]
pub struct FileWatch {
    has_changed: Arc<AtomicBool>,
    patcher: Thread,
    watched: Watched,
}

impl FileWatch {
    /// The files that are watched.
    pub fn watched(&self) -> &Watched {
        &self.watched
    }

    /// The patch file was saved, or that of a recording.
    pub fn changed(&self) {
        self.has_changed.store(true, Ordering::Release);
        self.patcher.unpark();
    }
}

/// The patcher's side.
#[derive(Debug)]
pub struct Desk {
    /// For each port what is asked there, and what was done.
    queues: Vec<(Consumer<Task>, Producer<Task>)>,
    has_changed: Arc<AtomicBool>,
}

impl Desk {
    /// The next task.
    pub fn next(&mut self) -> Option<Task> {
        let place = self.queues.iter().position(|(tasks, _)| !tasks.is_empty())?;
        // The next time another has its turn first.
        self.queues.rotate_left(place + 1);
        let (tasks, spent) = self.queues.last_mut()?;
        let task = tasks.pop().ok()?;
        let own = task.clone();
        // There is room for more than can wait.
        let _ = spent.push(task);
        Some(own)
    }

    /// Whether the patch file or a recording was saved since this was last asked.
    pub fn has_file_changed(&self) -> bool {
        self.has_changed.swap(false, Ordering::AcqRel)
    }

    /// Whether nobody will ask any more.
    pub fn is_abandoned(&self) -> bool {
        self.queues.iter().all(|(tasks, _)| tasks.is_abandoned())
    }
}

/// The other sides, before there is a thread to be woken.
#[derive(Debug)]
pub struct Entrance {
    queues: Vec<(Producer<Task>, Consumer<Task>)>,
    has_changed: Arc<AtomicBool>,
}

/// The patcher's side, and the others, of whom so many ask.
pub fn desk(ports: usize) -> (Desk, Entrance) {
    let queue = |_| {
        let (tasks_in, tasks) = RingBuffer::new(QUEUE);
        let (spent, spent_out) = RingBuffer::new(2 * QUEUE);
        ((tasks, spent), (tasks_in, spent_out))
    };
    let (queues, others) = (0..ports).map(queue).unzip();
    let has_changed = Arc::<AtomicBool>::default();
    let desk = Desk { queues, has_changed: has_changed.clone() };
    (desk, Entrance { queues: others, has_changed })
}

impl Entrance {
    /// The sides of those who reach `patcher`, and find the modules that it makes known.
    pub fn open(
        self,
        patcher: &Thread,
        newest: &Newest,
        watched: Watched,
    ) -> (Vec<PatchPort>, FileWatch) {
        let Self { queues, has_changed } = self;
        let watch = FileWatch { has_changed, patcher: patcher.clone(), watched };
        let port = |(tasks, spent)| PatchPort::new(tasks, spent, newest.clone(), patcher.clone());
        (queues.into_iter().map(port).collect(), watch)
    }
}

/// Where the patcher makes known which modules there are.
#[derive(Debug)]
pub struct Bulletin {
    newest: Newest,
    /// Those that may still be read. Whoever lets go of one last frees it, and that shall be the patcher.
    before: Vec<Arc<Directory>>,
}

impl Bulletin {
    /// These are the modules at first.
    pub fn new(directory: Directory) -> Self {
        Self { newest: Arc::new(RwLock::new(Arc::new(directory))), before: Vec::new() }
    }

    /// Has everybody find these modules from now on.
    pub fn put(&mut self, directory: Directory) {
        let directory = Arc::new(directory);
        let mut newest = self.newest.write().unwrap_or_else(PoisonError::into_inner);
        self.before.push(std::mem::replace(&mut *newest, directory));
        drop(newest);
        self.before.retain(|directory| Arc::strong_count(directory) > 1);
    }

    /// What is read.
    pub fn reader(&self) -> Newest {
        self.newest.clone()
    }
}

#[cfg(test)]
mod tests {
    use chronus_control::{ClientId, PatchRequest};
    use chronus_engine::Patch;

    use super::*;
    use crate::control::patch_port::Job;

    fn directory() -> Directory {
        Directory::of(&Patch::first())
    }

    #[test]
    fn who_reads_the_port_waits_for_no_lock_and_frees_no_directory() {
        let mut bulletin = Bulletin::new(directory());
        let (_desk, entrance) = desk(1);
        let (mut ports, _watch) =
            entrance.open(&std::thread::current(), &bulletin.reader(), Watched::default());
        let mut port = ports.remove(0);
        let first: *const Directory = port.directory();
        bulletin.put(directory());
        assert_eq!(bulletin.before.len(), 1, "it is still held");
        let newest = port.newest.clone();
        let being_written = newest.write().expect("nobody panics");
        assert!(std::ptr::eq(port.directory(), first), "the one before it meanwhile");
        drop(being_written);
        assert!(!std::ptr::eq(port.directory(), first));
        bulletin.put(directory());
        assert_eq!(bulletin.before.len(), 1, "the first was let go of and is freed here");
    }

    #[test]
    fn what_was_asked_comes_back_to_be_freed_and_too_much_is_refused() {
        let (mut desk, entrance) = desk(2);
        let bulletin = Bulletin::new(directory());
        let (mut ports, watch) =
            entrance.open(&std::thread::current(), &bulletin.reader(), Watched::default());
        let (mut other, mut port) = (ports.remove(1), ports.remove(0));
        let task = Task {
            job: Job::Edit(PatchRequest::Abort),
            about: "/patch/abort".into(),
            from: ClientId { adapter: 0, address: [9; chronus_control::CLIENT_WORDS - 1] },
            time_wall_ns: None,
        };
        for _ in 0..QUEUE {
            assert!(port.ask(task.clone()).is_none());
        }
        assert!(port.ask(task.clone()).is_some_and(|task| task.about == "/patch/abort"));
        assert!(desk.next().is_some() && !port.spent.is_empty());
        port.free_spent();
        assert!(port.spent.is_empty());
        // Whoever asks much keeps no other waiting.
        assert!(other.ask(task.clone()).is_none());
        assert!(desk.next().is_some() && !other.spent.is_empty());
        watch.changed();
        assert!(desk.has_file_changed() && !desk.has_file_changed() && !desk.is_abandoned());
        drop(port);
        assert!(!desk.is_abandoned());
        drop(other);
        assert!(desk.is_abandoned());
    }
}
