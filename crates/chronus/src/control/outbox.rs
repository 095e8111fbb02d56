//! What clients are told. Any thread may use an [`Outbox`]; the supervisor, which must not spend its time on it, hands its
//! letters to a thread without priority ([`Post`]).

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use chronus_control::{ClientId, Event, Letter, Reply, Said, Sink, Value};
use chronus_os::clock;
use rtrb::{Consumer, Producer, RingBuffer};

use super::complaints::Complaints;

/// Letters that may wait for the thread that delivers them.
const LETTERS: usize = 4096;
/// How long what is still to be delivered is waited for at the end.
const END_WITHIN: Duration = Duration::from_millis(500);
/// The thread looks for letters this often, if nobody wakes it.
const LOOK: Duration = Duration::from_millis(100);

/// What was counted of requests and answers.
#[derive(Debug, Default)]
pub struct Counts {
    /// Packets received over OSC.
    pub packets: AtomicU64,
    /// Requests that failed because they could not be understood or taken.
    pub failed: AtomicU64,
    /// Values that were clamped.
    pub clamped: AtomicU64,
    /// Requests refused because there were too many already.
    pub busy: AtomicU64,
    /// Letters that found no room.
    pub undelivered: AtomicU64,
    /// What the log is told of them.
    pub complaints: Complaints,
}

/// Tells clients what became of their requests.
pub trait Respond {
    /// Hands a letter on, without waiting for anybody.
    fn send(&self, letter: Letter);

    /// The outbox of all.
    fn outbox(&self) -> &Outbox;

    /// Answers a request that was about this.
    fn reply(&self, about: &str, reply: Reply, to: ClientId) {
        self.send(Letter { to, said: Said::Reply { about: about.to_owned(), reply } });
    }

    /// Tells a client that something was done.
    fn done(&self, about: &str, told: &str, to: ClientId) {
        self.reply(about, Reply::Done(told.to_owned()), to);
    }

    /// Tells a client what was done with other numbers than were sent, and the log, as of any that was clamped.
    fn clamped(&self, about: &str, told: &str, to: ClientId) {
        self.outbox().counts.clamped.fetch_add(1, Ordering::Relaxed);
        self.outbox().complain(about, told, &to);
        self.reply(about, Reply::Clamped(told.to_owned()), to);
    }

    /// Tells a client why something is not done yet.
    fn wait(&self, about: &str, told: &str, to: ClientId) {
        self.reply(about, Reply::Wait(told.to_owned()), to);
    }

    /// Tells a client why something was not done.
    fn fail(&self, about: &str, reason: &str, to: ClientId) {
        self.outbox().counts.failed.fetch_add(1, Ordering::Relaxed);
        self.outbox().complain(about, reason, &to);
        self.reply(about, Reply::Failed(reason.to_owned()), to);
    }

    /// Tells a client how the recording is.
    fn record(&self, fields: Vec<(String, Value)>, to: ClientId) {
        self.reply("/record", Reply::Record(fields), to);
    }

    /// Tells somebody who listens what has happened.
    fn event(&self, event: Event, to: ClientId) {
        self.send(Letter { to, said: Said::Event(event) });
    }
}

/// Reaches the clients of all adapters.
#[derive(Clone)]
pub struct Outbox {
    /// By the numbers of the adapters.
    sinks: Arc<[Arc<dyn Sink>]>,
    /// What was counted.
    pub counts: Arc<Counts>,
}

impl Outbox {
    /// That of these adapters.
    pub fn new(sinks: Vec<Arc<dyn Sink>>) -> Self {
        Self { sinks: sinks.into(), counts: Arc::default() }
    }

    /// How the clients of an adapter are reached.
    pub fn sink_of(&self, client: &ClientId) -> Option<&dyn Sink> {
        self.sinks.get(usize::from(client.adapter)).map(|sink| &**sink)
    }

    /// What a client is called; empty if its adapter is not there.
    pub fn name_of(&self, client: &ClientId) -> String {
        self.sink_of(client).map_or_else(String::new, |sink| sink.name_of(client))
    }

    /// Whether a client is told of each of its orders that was taken.
    pub fn wants_receipts(&self, client: &ClientId) -> bool {
        self.sink_of(client).is_some_and(Sink::wants_receipts)
    }

    fn hand_on(&self, letter: &Letter) {
        if let Some(sink) = self.sink_of(&letter.to) {
            sink.deliver(letter);
        }
    }

    /// How many messages of clients found no room before they were read.
    pub fn lost(&self) -> u64 {
        self.sinks.iter().map(|sink| sink.lost()).sum()
    }

    /// Where clients should find an adapter and can't any more, if so.
    pub fn lost_place(&self) -> Option<String> {
        self.sinks.iter().find_map(|sink| sink.lost_place())
    }

    /// Tells the log what is not done as a client said.
    pub fn complain(&self, about: &str, reason: &str, client: &ClientId) {
        self.counts.complaints.tell(|| self.name_of(client), about, reason, clock::monotonic_ns());
    }
}

impl Respond for Outbox {
    fn send(&self, letter: Letter) {
        self.hand_on(&letter);
    }

    fn outbox(&self) -> &Outbox {
        self
    }
}

/// So many clients get the same report at once.
pub const READERS: usize = 16;

/// Something that is told to several clients, and takes time to be put into words.
pub trait Report: Send {
    /// The words.
    fn reply(&self) -> Reply;
}

/// What the thread is handed.
#[expect(clippy::large_enum_variant, reason = "letters are many, and a box for each is not free")]
enum Parcel {
    Letter(Letter),
    Report(Box<(Box<dyn Report>, ArrayVec<ClientId, READERS>)>),
}

/// The supervisor's way to its clients: a thread delivers what is handed to it.
pub struct Post {
    outbox: Outbox,
    parcels: RefCell<Producer<Parcel>>,
    /// What was delivered. Whoever made a letter frees it: freeing what another thread has allocated may wait for that
    /// thread, and the supervisor must wait for nobody.
    delivered: RefCell<Consumer<Parcel>>,
    /// Whether there is something that the thread was not woken for.
    is_due: Cell<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Post {
    /// Starts the thread.
    ///
    /// # Errors
    /// As the system says.
    pub fn start(outbox: Outbox) -> std::io::Result<Self> {
        let (parcels, waiting) = RingBuffer::new(LETTERS);
        let (spent, delivered) = RingBuffer::new(2 * LETTERS);
        let carrier = Carrier { waiting, spent, outbox: outbox.clone() };
        let thread = std::thread::Builder::new().name("replies".into());
        let thread = thread.spawn(move || carrier.work())?;
        Ok(Self {
            outbox,
            parcels: RefCell::new(parcels),
            delivered: RefCell::new(delivered),
            is_due: Cell::new(false),
            thread: Some(thread),
        })
    }

    /// Wakes the thread if there is anything for it, and frees what it has done with. To be called once a turn.
    pub fn turn(&self) {
        if self.is_due.take()
            && let Some(thread) = self.thread.as_ref().map(JoinHandle::thread)
        {
            Thread::unpark(thread);
        }
        let mut delivered = self.delivered.borrow_mut();
        while delivered.pop().is_ok() {}
    }

    /// Has a report put into words and told to these clients.
    pub fn report(&self, report: Box<dyn Report>, to: ArrayVec<ClientId, READERS>) {
        self.hand_over(Parcel::Report(Box::new((report, to))));
    }

    fn hand_over(&self, parcel: Parcel) {
        if self.parcels.borrow_mut().push(parcel).is_err() {
            self.outbox.counts.undelivered.fetch_add(1, Ordering::Relaxed);
        }
        self.is_due.set(true);
    }

    /// Waits a moment until everything is delivered.
    pub fn finish(&mut self) {
        self.is_due.set(true);
        self.turn();
        // The thread ends when nobody can hand it anything any more.
        let (parcels, _) = RingBuffer::new(1);
        drop(self.parcels.replace(parcels));
        let Some(thread) = self.thread.take() else { return };
        thread.thread().unpark();
        let began = Instant::now();
        while !thread.is_finished() && began.elapsed() < END_WITHIN {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Respond for Post {
    fn send(&self, letter: Letter) {
        self.hand_over(Parcel::Letter(letter));
    }

    fn outbox(&self) -> &Outbox {
        &self.outbox
    }
}

/// The thread's side.
struct Carrier {
    waiting: Consumer<Parcel>,
    spent: Producer<Parcel>,
    outbox: Outbox,
}

impl Carrier {
    fn work(mut self) {
        loop {
            let is_last = self.waiting.is_abandoned();
            while let Ok(parcel) = self.waiting.pop() {
                self.deliver(&parcel);
                // There is room for more than can be under way.
                let _ = self.spent.push(parcel);
            }
            if is_last {
                return;
            }
            std::thread::park_timeout(LOOK);
        }
    }

    fn deliver(&self, parcel: &Parcel) {
        match parcel {
            Parcel::Letter(letter) => self.outbox.hand_on(letter),
            Parcel::Report(report) => {
                let (report, readers) = &**report;
                let reply = report.reply();
                for to in readers {
                    let (about, reply) = ("/status".to_owned(), reply.clone());
                    self.outbox.hand_on(&Letter { to: *to, said: Said::Reply { about, reply } });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use chronus_control::CLIENT_WORDS;

    use super::*;

    /// An adapter in this process: nothing of it is OSC.
    #[derive(Default)]
    struct Kept(Mutex<Vec<Letter>>);

    impl Sink for Kept {
        fn deliver(&self, letter: &Letter) {
            self.0.lock().expect("nobody panics").push(letter.clone());
        }

        fn name_of(&self, client: &ClientId) -> String {
            format!("client {}", client.address[0])
        }
    }

    fn client(adapter: u8, number: u64) -> ClientId {
        let mut address = [0; CLIENT_WORDS - 1];
        address[0] = number;
        ClientId { adapter, address }
    }

    #[test]
    fn letters_reach_the_adapter_of_their_client_in_order_and_all_before_the_end() {
        let (one, two) = (Arc::new(Kept::default()), Arc::new(Kept::default()));
        let mut post = Post::start(Outbox::new(vec![one.clone(), two.clone()])).expect("a thread");
        for number in 0..1000 {
            post.done("x", &number.to_string(), client((number % 2) as u8, number));
            if number % 100 == 0 {
                post.turn();
            }
        }
        post.event(Event::Enable { module: "m".into() }, client(7, 0));
        post.finish();
        for (place, kept) in [one, two].iter().enumerate() {
            let letters = kept.0.lock().expect("nobody panics");
            let numbers: Vec<_> = letters.iter().map(|letter| letter.to.address[0]).collect();
            let expected: Vec<_> = (0..1000).filter(|number| number % 2 == place as u64).collect();
            assert_eq!(numbers, expected);
        }
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        struct Slow;
        impl Sink for Slow {
            fn deliver(&self, _: &Letter) {
                std::thread::sleep(Duration::from_secs(3600));
            }
            fn name_of(&self, _: &ClientId) -> String {
                String::new()
            }
        }
        let post = Post::start(Outbox::new(vec![Arc::new(Slow)])).expect("a thread");
        for _ in 0..LETTERS + 100 {
            post.fail("x", "no", client(0, 1));
        }
        assert!(post.outbox.counts.undelivered.load(Ordering::Relaxed) >= 99);
        assert_eq!(post.outbox.counts.failed.load(Ordering::Relaxed), LETTERS as u64 + 100);
    }
}
