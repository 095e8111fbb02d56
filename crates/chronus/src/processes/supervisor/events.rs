//! Events: what is told, without being asked again, to everybody who once asked for it.

use chronus_os::clock;
use chronus_os::peer::Peer;
use chronus_osc::Value;
use chronus_shm::listener_board::{LISTENERS_MOST, ListenerBoard};

use super::Supervisor;
use crate::osc::server::Incoming;

/// Who has asked within this time reads what is told, as far as can be known.
const ASKED_LATELY_NS: u64 = 15_000_000_000;

/// Somebody who listens.
#[derive(Clone, Copy, Debug)]
struct Listener {
    who: Peer,
    /// When that was asked for last.
    asked_ns: u64,
}

/// Who listens. The one who asked first makes way when there are too many.
#[derive(Debug, Default)]
pub struct Listeners(Vec<Listener>);

impl Listeners {
    /// Those of the supervisor before.
    pub fn handed_down(board: &ListenerBoard, now_ns: u64) -> Self {
        let mut listeners = Self::default();
        for who in board.read() {
            listeners.add(who, now_ns);
        }
        listeners
    }

    fn add(&mut self, who: Peer, now_ns: u64) {
        self.remove(who);
        if self.0.len() == LISTENERS_MOST {
            self.0.remove(0);
        }
        self.0.push(Listener { who, asked_ns: now_ns });
    }

    fn remove(&mut self, who: Peer) {
        self.0.retain(|listener| listener.who != who);
    }

    fn note(&self, board: &ListenerBoard) {
        board.note(self.0.iter().map(|listener| listener.who));
    }

    /// Who is told now. What a unix socket has sent and nobody has read is kept on its account: one listener who has stopped
    /// reading could take the room of everybody's answers. Where it `is_crowded`, only those are told who have asked
    /// again lately.
    fn told(&self, is_crowded: bool, now_ns: u64) -> impl Iterator<Item = Peer> + '_ {
        let is_told = move |listener: &&Listener| {
            let is_late = now_ns.saturating_sub(listener.asked_ns) > ASKED_LATELY_NS;
            !(is_crowded && is_late && matches!(listener.who, Peer::Unix(_)))
        };
        self.0.iter().filter(is_told).map(|listener| listener.who)
    }
}

impl Supervisor {
    /// Somebody wants to be told of events from now on, or not any more.
    pub(super) fn take_listener(&mut self, incoming: &Incoming, on: bool) {
        let (who, replies) = (incoming.from, &self.inputs.replies);
        if !who.is_reachable() {
            let why = "nothing can be told to a socket without a name, or with a path that does not begin with /; \
                       bind it to another";
            return replies.fail(&incoming.address, why, who);
        }
        if on {
            self.listeners.add(who, clock::monotonic_ns());
        } else {
            self.listeners.remove(who);
        }
        self.listeners.note(&self.regions.ledger.listeners);
        replies.done(&incoming.address, "", who);
    }

    /// Tells everybody who listens.
    pub(super) fn tell(&self, event: &str, values: &[Value]) {
        let replies = &self.inputs.replies;
        for listener in self.listeners.told(replies.is_crowded(), clock::monotonic_ns()) {
            replies.event(event, values, listener);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use chronus_os::peer::UnixName;

    use super::*;

    #[test]
    fn who_does_not_read_is_left_out_before_nobody_can_be_told_anything() {
        let unix = |path: &str| Peer::Unix(UnixName::of_path(Path::new(path)).expect("a path"));
        let ip = Peer::Ip(([127, 0, 0, 1], 9).into());
        let (stopped, lively) = (unix("/stopped"), unix("/lively"));
        let mut listeners = Listeners::default();
        let told = |listeners: &Listeners, is_crowded| {
            listeners.told(is_crowded, 100_000_000_000).collect::<Vec<_>>()
        };
        for who in [ip, stopped, lively] {
            listeners.add(who, 1);
        }
        listeners.add(lively, 99_000_000_000);
        assert_eq!(told(&listeners, false), [ip, stopped, lively]);
        assert_eq!(told(&listeners, true), [ip, lively]);
        listeners.remove(ip);
        assert_eq!(told(&listeners, false), [stopped, lively]);
    }

    #[test]
    fn of_too_many_the_first_makes_way() {
        let peer = |port| Peer::Ip(([127, 0, 0, 1], port).into());
        let mut listeners = Listeners::default();
        for port in 0..=LISTENERS_MOST as u16 {
            listeners.add(peer(port), 1);
        }
        let told: Vec<_> = listeners.told(false, 1).collect();
        assert_eq!((told.len(), told[0]), (LISTENERS_MOST, peer(1)));
    }
}
