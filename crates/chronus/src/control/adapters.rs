//! Adapters that are processes of their own, as the supervisor sees them: a thread reads their sockets, and each is a sink.
//! Nothing that they do costs the thread that seals blocks more than a request; they see its memory only for reading.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chronus_control::wire::{Assembly, FromEngine, PACKET_BYTES, PROTOCOL, ToEngine, packets};
use chronus_control::{
    ADAPTERS_MOST, CLIENT_WORDS, Capabilities, ClientId, Letter, Reply, Request, Resolved, Said,
    Sink, resolve,
};
use chronus_os::wake::poll_readable;
use chronus_os::{clock, packets as socket};

use super::outbox::{Outbox, Respond};
use super::port::{Incoming, Intake};

/// The number of the first; those before it are threads of the supervisor.
const FIRST: u8 = 1;
/// Packets that are taken from one adapter before the next has its turn.
const AT_ONCE: usize = 64;

/// What an adapter is shown: memory that it can only read.
#[derive(Debug)]
pub struct Window {
    /// The command log, the slots and the ledger.
    pub memory: Vec<OwnedFd>,
    /// Frames per second.
    pub rate_hz: u32,
}

/// One adapter.
pub struct Adapter {
    number: u8,
    socket: OwnedFd,
    may: Capabilities,
    /// What it calls itself.
    name: Mutex<String>,
    /// Held while a message is sent, whose packets must follow each other.
    sending: Mutex<()>,
    /// Messages that found no room.
    lost: AtomicU64,
}

/// All of them, each with what its clients may do.
pub struct Adapters {
    all: Vec<Arc<Adapter>>,
}

impl Adapters {
    /// Those at the other ends of these sockets.
    pub fn new(sockets: Vec<(OwnedFd, Capabilities)>) -> Self {
        let adapter = |(number, (socket, may))| {
            Arc::new(Adapter {
                number,
                socket,
                may,
                name: Mutex::new(format!("adapter {number}")),
                sending: Mutex::default(),
                lost: AtomicU64::new(0),
            })
        };
        Self { all: (FIRST..).zip(sockets).map(adapter).collect() }
    }

    /// The ways to their clients, in the order of their numbers.
    pub fn sinks(&self) -> impl Iterator<Item = Arc<dyn Sink>> + '_ {
        self.all.iter().map(|adapter| adapter.clone() as Arc<dyn Sink>)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Starts the thread that reads what they say.
    ///
    /// # Errors
    /// As the system says.
    pub fn serve(self, intake: Intake, outbox: Outbox, window: Window) -> io::Result<()> {
        let assemblies = self.all.iter().map(|_| Assembly::default()).collect();
        let reader = Reader { adapters: self.all, assemblies, intake, outbox, window, packets: 0 };
        std::thread::Builder::new().name("adapters".into()).spawn(move || reader.serve())?;
        Ok(())
    }
}

impl Adapter {
    /// Sends a message, or none of it that makes sense.
    fn send(&self, message: &FromEngine, descriptors: &[BorrowedFd<'_>]) {
        let _turn = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, packet) in packets(message).iter().enumerate() {
            let descriptors = if index == 0 { descriptors } else { &[] };
            if socket::send(&self.socket, packet, descriptors).is_err() {
                self.lost.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
    }

    fn client(&self, number: u64) -> ClientId {
        let mut address = [0; CLIENT_WORDS - 1];
        address[0] = number;
        ClientId { adapter: self.number, address }
    }
}

impl Sink for Adapter {
    fn deliver(&self, letter: &Letter) {
        let client = letter.to.address[0];
        let message = match &letter.said {
            Said::Reply { about, reply } => {
                let number = about.parse().unwrap_or_default();
                FromEngine::Reply { number, client, reply: reply.clone() }
            }
            Said::Event(event) => FromEngine::Event { client, event: event.clone() },
        };
        self.send(&message, &[]);
    }

    fn name_of(&self, client: &ClientId) -> String {
        let name = self.name.lock().unwrap_or_else(PoisonError::into_inner);
        format!("client {} of `{name}`", client.address[0])
    }

    fn wants_receipts(&self) -> bool {
        true
    }

    fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// The thread's side.
struct Reader {
    adapters: Vec<Arc<Adapter>>,
    assemblies: Vec<Assembly>,
    intake: Intake,
    outbox: Outbox,
    window: Window,
    /// As many requests have come.
    packets: u64,
}

impl Reader {
    fn serve(mut self) {
        crate::log::attend();
        let adapters = self.adapters.clone();
        let sockets: Vec<_> = adapters.iter().map(|adapter| adapter.socket.as_fd()).collect();
        let mut packet = vec![0; PACKET_BYTES];
        loop {
            let mut ready = [false; ADAPTERS_MOST];
            poll_readable(&sockets, &mut ready[..sockets.len()], None);
            for place in (0..sockets.len()).filter(|place| ready[*place]) {
                if !self.take_what_is_there(place, &mut packet) {
                    // The keeper, which holds the other end, is gone; so is everything in a moment.
                    return;
                }
            }
            self.intake.wake();
            self.intake.free_spent();
        }
    }

    /// Takes what an adapter has said; `false` if nobody ever will say anything again.
    fn take_what_is_there(&mut self, place: usize, packet: &mut [u8]) -> bool {
        for _ in 0..AT_ONCE {
            let adapter = self.adapters[place].clone();
            match socket::receive(&adapter.socket, packet) {
                Ok((bytes, _)) => match self.assemblies[place].take(&packet[..bytes]) {
                    Ok(Some(message)) => self.take(&adapter, message),
                    Ok(None) => {}
                    Err(_) => {
                        self.refuse(&adapter, 0, 0, "what it says is no message of the protocol");
                    }
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return false,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    self.refuse(&adapter, 0, 0, "a packet is too long");
                }
                Err(_) => return true,
            }
        }
        true
    }

    fn take(&mut self, adapter: &Adapter, message: ToEngine) {
        match message {
            ToEngine::Hello { protocol: PROTOCOL, name } => {
                let name: String = name.chars().filter(|it| !it.is_control()).take(64).collect();
                tracing::info!("the adapter `{name}` has begun");
                *adapter.name.lock().unwrap_or_else(PoisonError::into_inner) = name;
                let welcome = FromEngine::Welcome {
                    protocol: PROTOCOL,
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    rate_hz: self.window.rate_hz,
                };
                let memory: Vec<_> = self.window.memory.iter().map(AsFd::as_fd).collect();
                adapter.send(&welcome, &memory);
            }
            ToEngine::Hello { protocol, .. } => {
                let why = format!(
                    "it speaks version {protocol} of the protocol, and this engine version {PROTOCOL}"
                );
                self.refuse(adapter, 0, 0, &why);
            }
            ToEngine::Ask { number, client, request, time_wall_ns } => {
                self.ask(adapter, (number, client), request, time_wall_ns);
            }
        }
    }

    fn ask(
        &mut self,
        adapter: &Adapter,
        (number, client): (u64, u64),
        request: Request,
        time_wall_ns: Option<u64>,
    ) {
        let (about, from) = (number.to_string(), adapter.client(client));
        let resolved = resolve(request, self.intake.directory(), adapter.may);
        let Resolved { order, told } = match resolved {
            Ok(resolved) => resolved,
            Err(reason) => return self.refuse(adapter, number, client, &reason),
        };
        for told in told {
            self.outbox.clamped(&about, &told, from);
        }
        self.packets += 1;
        let (packet, arrived_ns) = (self.packets, clock::monotonic_ns());
        // Another adapter's packets have the same numbers; theirs are told apart by where the bits stand.
        let packet = packet | u64::from(adapter.number) << 56;
        let incoming = Incoming { order, about, from, packet, arrived_ns, time_wall_ns };
        if self.intake.take(incoming).is_err() {
            self.outbox.counts.busy.fetch_add(1, Ordering::Relaxed);
            let busy = "busy: too many requests at once; send it again later";
            self.refuse(adapter, number, client, busy);
        }
    }

    fn refuse(&self, adapter: &Adapter, number: u64, client: u64, reason: &str) {
        let client = adapter.client(client);
        self.outbox.reply(&number.to_string(), Reply::Failed(reason.to_owned()), client);
        self.outbox.counts.failed.fetch_add(1, Ordering::Relaxed);
        let about = if number == 0 { String::new() } else { format!("request {number}") };
        self.outbox.complain(&about, reason, &client);
    }
}
