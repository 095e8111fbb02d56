//! How adapters reach the patcher: none of them waits for it, since it has no priority.

use std::sync::{Arc, PoisonError, RwLock};
use std::thread::Thread;

use chronus_control::{ClientId, PatchRequest};
use chronus_engine::Directory;
use rtrb::{Consumer, Producer, PushError};

/// The modules of the patch that plays. Whoever has a priority only tries this lock.
pub type Newest = Arc<RwLock<Arc<Directory>>>;

/// What there is to do for the patcher.
#[derive(Clone, Debug)]
pub enum Job {
    /// Something about the patch.
    Edit(PatchRequest),
    /// To tell everything that can be set, and where it stands.
    Tree,
}

/// What the patcher is asked by a client.
#[derive(Clone, Debug)]
pub struct Task {
    /// What.
    pub job: Job,
    /// What it is about, as the client calls it.
    pub about: String,
    /// By whom.
    pub from: ClientId,
    /// Its timetag.
    pub time_wall_ns: Option<u64>,
}

/// The side of one adapter.
#[derive(Debug)]
pub struct PatchPort {
    tasks: Producer<Task>,
    /// What was done, to be freed.
    pub(crate) spent: Consumer<Task>,
    /// The modules of the patch that plays.
    pub(crate) newest: Newest,
    directory: Arc<Directory>,
    patcher: Thread,
}

impl PatchPort {
    /// A port with these ends of its queues, to a patcher that makes known which modules there are.
    pub fn new(
        tasks: Producer<Task>,
        spent: Consumer<Task>,
        newest: Newest,
        patcher: Thread,
    ) -> Self {
        let directory = newest.read().unwrap_or_else(PoisonError::into_inner).clone();
        Self { tasks, spent, newest, directory, patcher }
    }

    /// Asks the patcher; the task comes back if too many wait already.
    #[must_use]
    pub fn ask(&mut self, task: Task) -> Option<Task> {
        let refused = self.tasks.push(task).err().map(|PushError::Full(task)| task);
        self.patcher.unpark();
        refused
    }

    /// The modules of the patch that plays. While the patcher is putting another in its place, the one before it.
    pub fn directory(&mut self) -> &Directory {
        if let Ok(newest) = self.newest.try_read()
            && !Arc::ptr_eq(&newest, &self.directory)
        {
            self.directory = newest.clone();
        }
        &self.directory
    }

    /// Frees what was done: freeing what another thread has allocated may wait for that thread.
    pub fn free_spent(&mut self) {
        while self.spent.pop().is_ok() {}
    }
}
