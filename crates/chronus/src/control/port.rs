//! Where requests come in: for each adapter a queue to the supervisor and one to the patcher.
//!
//! The queues are wait-free: the supervisor may have interrupted an adapter's thread in the middle of a push, on the same core
//! and at a higher priority, so it must never wait for the push to end. For the same reason what it has taken comes back
//! through another queue, to be freed by who made it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chronus_control::{ClientId, Order};
use chronus_engine::Directory;
use chronus_os::wake::Notifier;
use rtrb::{Consumer, Producer, PushError, RingBuffer};

use super::patch_port::{Job, PatchPort, Task};

/// Messages that may wait for the supervisor.
const QUEUE: usize = 4096;

/// A request for the supervisor or the patcher.
#[derive(Debug)]
pub struct Incoming {
    /// What is asked.
    pub order: Order,
    /// What it is about, as the client calls it: of OSC its address.
    pub about: String,
    /// Who asks.
    pub from: ClientId,
    /// The number of the packet that it came in. All of a packet take effect in one frame.
    pub packet: u64,
    /// When that arrived, by the monotonic clock.
    pub arrived_ns: u64,
    /// When it shall take effect, in wall-clock time.
    pub time_wall_ns: Option<u64>,
}

/// What an adapter's thread is at.
#[derive(Debug, Default)]
pub struct Reading {
    /// It has taken a packet and not handed it on yet.
    pub is_busy: AtomicBool,
    /// It has a real-time priority, so that waiting for it takes a moment only.
    pub hurries: AtomicBool,
}

/// Whether something has arrived at an adapter and was not read yet; makes nobody wait.
pub type HasArrived = Box<dyn Fn() -> bool + Send>;

/// The supervisor's side of one adapter.
struct Queue {
    messages: Consumer<Incoming>,
    spent: Producer<Incoming>,
    reading: Arc<Reading>,
    has_arrived: HasArrived,
}

/// The supervisor's side.
#[derive(Default)]
pub struct Inbox {
    queues: Vec<Queue>,
    /// The queue that is asked next, so that no adapter starves another.
    next: usize,
}

impl Inbox {
    /// The next message, and the number of the queue that it came by.
    pub fn next(&mut self) -> Option<(usize, Incoming)> {
        for _ in 0..self.queues.len() {
            let place = self.next;
            self.next = (place + 1) % self.queues.len();
            if let Ok(message) = self.queues[place].messages.pop() {
                return Some((place, message));
            }
        }
        None
    }

    /// Whether something has arrived that will be here in a moment.
    pub fn is_expecting(&self) -> bool {
        self.queues.iter().any(|queue| {
            // In this order: whoever reads says so before.
            queue.reading.hurries.load(Ordering::Relaxed)
                && ((queue.has_arrived)() || queue.reading.is_busy.load(Ordering::Acquire))
        })
    }

    /// Gives a message back to the queue that it came by, for whom it came from to free it.
    pub fn give_back(&mut self, (place, message): (usize, Incoming)) {
        // There is room for more than can be under way.
        let _ = self.queues[place].spent.push(message);
    }

    /// A way in for one more adapter, whose patches go to `patches`. `has_arrived` is asked by the supervisor.
    pub fn open(
        &mut self,
        patches: PatchPort,
        notifier: Notifier,
        has_arrived: HasArrived,
    ) -> Intake {
        let (queue, messages) = RingBuffer::new(QUEUE);
        let (spent, given_back) = RingBuffer::new(2 * QUEUE);
        let reading = Arc::<Reading>::default();
        self.queues.push(Queue { messages, spent, reading: reading.clone(), has_arrived });
        Intake { queue, given_back, patches, notifier, reading }
    }
}

/// An adapter's side.
pub struct Intake {
    queue: Producer<Incoming>,
    given_back: Consumer<Incoming>,
    patches: PatchPort,
    notifier: Notifier,
    /// What the supervisor sees of the adapter's thread.
    pub reading: Arc<Reading>,
}

impl Intake {
    /// The modules of the patch that plays.
    pub fn directory(&mut self) -> &Directory {
        self.patches.directory()
    }

    /// Hands a request on, to whom it is for.
    ///
    /// # Errors
    /// What it was about, if there is no room for it.
    pub fn take(&mut self, incoming: Incoming) -> Result<(), String> {
        let Incoming { order, about, from, time_wall_ns, .. } = incoming;
        match order {
            Order::Patch(request) => {
                self.ask_patcher(Task { job: Job::Edit(request), about, from, time_wall_ns })
            }
            Order::Tree => self.ask_patcher(Task { job: Job::Tree, about, from, time_wall_ns }),
            order => {
                let incoming = Incoming { order, about, ..incoming };
                let pushed = self.queue.push(incoming);
                pushed.map_err(|PushError::Full(refused)| refused.about)
            }
        }
    }

    fn ask_patcher(&mut self, task: Task) -> Result<(), String> {
        self.patches.ask(task).map_or(Ok(()), |refused| Err(refused.about))
    }

    /// Wakes the supervisor, for there is something for it.
    pub fn wake(&self) {
        self.notifier.raise();
    }

    /// Frees what others have done with.
    pub fn free_spent(&mut self) {
        while self.given_back.pop().is_ok() {}
        self.patches.free_spent();
    }
}
