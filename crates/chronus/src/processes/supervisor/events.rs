//! Events: what is told, without being asked again, to everybody who once asked for it.

use chronus_control::{ClientId, Event};
use chronus_os::clock;
use chronus_shm::listener_board::{LISTENERS_MOST, ListenerBoard};

use super::Supervisor;
use crate::control::outbox::Respond;
use crate::control::port::Incoming;

/// Who has asked within this time reads what is told, as far as can be known.
const ASKED_LATELY_NS: u64 = 15_000_000_000;

/// Somebody who listens.
#[derive(Clone, Copy, Debug)]
struct Listener {
    who: ClientId,
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
        for who in board.read().filter_map(|words| ClientId::from_words(&words)) {
            listeners.add(who, now_ns);
        }
        listeners
    }

    fn add(&mut self, who: ClientId, now_ns: u64) {
        self.remove(who);
        if self.0.len() == LISTENERS_MOST {
            self.0.remove(0);
        }
        self.0.push(Listener { who, asked_ns: now_ns });
    }

    fn remove(&mut self, who: ClientId) {
        self.0.retain(|listener| listener.who != who);
    }

    fn note(&self, board: &ListenerBoard) {
        board.note(self.0.iter().map(|listener| listener.who.to_words()));
    }

    /// Who is told now: all but those whom their adapter `leaves_out` and who have not asked again lately.
    fn told(
        &self,
        leaves_out: impl Fn(&ClientId) -> bool,
        now_ns: u64,
    ) -> impl Iterator<Item = ClientId> {
        let is_told = move |listener: &&Listener| {
            let is_late = now_ns.saturating_sub(listener.asked_ns) > ASKED_LATELY_NS;
            !(is_late && leaves_out(&listener.who))
        };
        self.0.iter().filter(is_told).map(|listener| listener.who)
    }
}

impl Supervisor {
    /// Somebody wants to be told of events from now on, or not any more.
    pub(super) fn take_listener(&mut self, incoming: &Incoming, on: bool) {
        let (who, post) = (incoming.from, &self.inputs.post);
        if let Some(why) = post.outbox().sink_of(&who).and_then(|sink| sink.why_not(&who)) {
            return post.fail(&incoming.about, why, who);
        }
        if on {
            self.listeners.add(who, clock::monotonic_ns());
        } else {
            self.listeners.remove(who);
        }
        self.listeners.note(&self.regions.ledger.listeners);
        post.done(&incoming.about, "", who);
    }

    /// Tells everybody who listens.
    pub(super) fn tell(&self, event: &Event) {
        let (post, now_ns) = (&self.inputs.post, clock::monotonic_ns());
        let sink_of = |who: &ClientId| post.outbox().sink_of(who);
        let leaves_out = |who: &ClientId| sink_of(who).is_some_and(|sink| sink.leaves_out(who));
        for listener in self.listeners.told(leaves_out, now_ns) {
            post.event(event.clone(), listener);
        }
    }
}

#[cfg(test)]
mod tests {
    use chronus_control::CLIENT_WORDS;

    use super::*;

    fn client(number: u64) -> ClientId {
        ClientId { adapter: 0, address: [number; CLIENT_WORDS - 1] }
    }

    #[test]
    fn who_does_not_read_is_left_out_before_nobody_can_be_told_anything() {
        let [other, stopped, lively] = [1, 2, 3].map(client);
        let mut listeners = Listeners::default();
        let told = |listeners: &Listeners, is_crowded| {
            let leaves_out = |who: &ClientId| is_crowded && *who != other;
            listeners.told(leaves_out, 100_000_000_000).collect::<Vec<_>>()
        };
        for who in [other, stopped, lively] {
            listeners.add(who, 1);
        }
        listeners.add(lively, 99_000_000_000);
        assert_eq!(told(&listeners, false), [other, stopped, lively]);
        assert_eq!(told(&listeners, true), [other, lively]);
        listeners.remove(other);
        assert_eq!(told(&listeners, false), [stopped, lively]);
    }

    #[test]
    fn of_too_many_the_first_makes_way() {
        let mut listeners = Listeners::default();
        for number in 0..=LISTENERS_MOST as u64 {
            listeners.add(client(number), 1);
        }
        let told: Vec<_> = listeners.told(|_| false, 1).collect();
        assert_eq!((told.len(), told[0]), (LISTENERS_MOST, client(1)));
    }
}
