//! OSC as an adapter of the control core: the sockets, the thread that reads them (`receiver.rs`), and the way back to
//! senders.

use std::io;
use std::sync::Arc;

use chronus_control::{CLIENT_WORDS, ClientId, Letter, Said, Sink};
use chronus_os::peer::{PEER_WORDS, Peer};

use super::receiver::{Manners, Receiver};
use super::sockets::Sockets;
use crate::control::outbox::Outbox;
use crate::control::port::{HasArrived, Intake};

/// The number of this adapter.
pub const NUMBER: u8 = 0;

const _: () = assert!(PEER_WORDS == CLIENT_WORDS - 1);

/// The sender of a packet, as a client.
pub fn client_of(peer: Peer) -> ClientId {
    ClientId { adapter: NUMBER, address: peer.to_words() }
}

/// The sender that a client is; `None` if its address is damaged.
pub fn peer_of(client: &ClientId) -> Option<Peer> {
    Peer::from_words(&client.address)
}

/// The sockets, bound and not yet served.
pub struct Osc {
    sockets: Arc<Sockets>,
}

impl Osc {
    /// The adapter of these sockets.
    ///
    /// # Errors
    /// As the system says.
    pub fn new(mut sockets: Sockets) -> io::Result<Self> {
        sockets.prepare()?;
        Ok(Self { sockets: Arc::new(sockets) })
    }

    /// Where it listens, for people.
    pub fn describe(&self) -> String {
        self.sockets.describe()
    }

    /// The way to answer senders.
    pub fn sink(&self) -> Arc<dyn Sink> {
        Arc::new(Senders(self.sockets.clone()))
    }

    /// Tells whether a packet has arrived that was not read yet.
    pub fn has_arrived(&self) -> HasArrived {
        let sockets = self.sockets.clone();
        Box::new(move || sockets.is_readable())
    }

    /// Starts the thread that receives. It has a real-time priority if `in_real_time` and it is permitted.
    ///
    /// # Errors
    /// As the system says.
    pub fn serve(self, intake: Intake, outbox: Outbox, in_real_time: bool) -> io::Result<()> {
        let manners = Manners::new(in_real_time);
        let receiver = Receiver { sockets: self.sockets, intake, outbox, manners };
        std::thread::Builder::new().name("osc".into()).spawn(move || receiver.serve())?;
        Ok(())
    }
}

/// Those who have sent packets.
struct Senders(Arc<Sockets>);

impl Sink for Senders {
    fn deliver(&self, letter: &Letter) {
        let Some(peer) = peer_of(&letter.to) else { return };
        let packet = match &letter.said {
            Said::Reply { about, reply } => chronus_osc::encode(about, reply),
            Said::Event(event) => chronus_osc::event(event),
        };
        // Whoever can't be reached, or does not read, is not told.
        let _ = self.0.send_to(&packet, &peer);
    }

    fn name_of(&self, client: &ClientId) -> String {
        peer_of(client).map_or_else(|| "OSC".into(), |peer| format!("OSC from {peer}"))
    }

    fn why_not(&self, client: &ClientId) -> Option<&'static str> {
        let is_reachable = peer_of(client).is_some_and(|peer| peer.is_reachable());
        (!is_reachable).then_some(
            "nothing can be told to a socket without a name, or with a path that does not begin with /; bind it to \
             another",
        )
    }

    fn lost_place(&self) -> Option<String> {
        self.0.is_lost().then(|| self.0.describe())
    }

    fn lost(&self) -> u64 {
        self.0.lost()
    }

    /// What a unix socket has sent and nobody has read is kept on its account: one listener who has stopped reading could
    /// take the room of everybody's answers.
    fn leaves_out(&self, listener: &ClientId) -> bool {
        matches!(peer_of(listener), Some(Peer::Unix(_))) && self.0.is_crowded()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use chronus_os::peer::UnixName;

    use super::*;

    #[test]
    fn a_sender_is_found_again() {
        let name = UnixName::of_path(Path::new("/run/a.sock")).expect("a path");
        for peer in [Peer::Ip(([127, 0, 0, 1], 9000).into()), Peer::Unix(name)] {
            assert_eq!(peer_of(&client_of(peer)), Some(peer));
        }
    }
}
