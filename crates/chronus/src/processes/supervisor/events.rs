//! Events: what is told, without being asked again, to everybody who once asked for it.

use chronus_control::{ClientId, Event, Value};
use chronus_engine::{Command, Handle, ParamIndex, PatchModule, TransportChange};
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
    /// Of what, as bits.
    kinds: u64,
    /// When that was asked for last.
    asked_ns: u64,
}

/// Events, as a listener asks for them.
pub(super) const EVENTS: u64 = 1;
/// What anybody sets.
pub(super) const CHANGES: u64 = 2;
/// Behind the number of the adapter in the first word that is handed down.
const KINDS_SHIFT: u32 = 8;

/// Who listens. The one who asked first makes way when there are too many.
#[derive(Debug, Default)]
pub struct Listeners(Vec<Listener>);

impl Listeners {
    /// Those of the supervisor before.
    pub fn handed_down(board: &ListenerBoard, now_ns: u64) -> Self {
        let mut listeners = Self::default();
        for mut words in board.read() {
            let kinds = words[0] >> KINDS_SHIFT;
            words[0] &= (1 << KINDS_SHIFT) - 1;
            if let Some(who) = ClientId::from_words(&words) {
                listeners.add(who, kinds & (EVENTS | CHANGES), now_ns);
            }
        }
        listeners
    }

    fn add(&mut self, who: ClientId, kinds: u64, now_ns: u64) {
        let known = self.0.iter().find(|listener| listener.who == who).map_or(0, |it| it.kinds);
        self.remove(who, u64::MAX);
        if self.0.len() == LISTENERS_MOST {
            self.0.remove(0);
        }
        self.0.push(Listener { who, kinds: known | kinds, asked_ns: now_ns });
    }

    fn remove(&mut self, who: ClientId, kinds: u64) {
        if let Some(listener) = self.0.iter_mut().find(|listener| listener.who == who) {
            listener.kinds &= !kinds;
        }
        self.0.retain(|listener| listener.kinds != 0);
    }

    /// Whether anybody listens to these.
    pub fn any(&self, kinds: u64) -> bool {
        self.0.iter().any(|listener| listener.kinds & kinds != 0)
    }

    fn note(&self, board: &ListenerBoard) {
        board.note(self.0.iter().map(|listener| {
            let mut words = listener.who.to_words();
            words[0] |= listener.kinds << KINDS_SHIFT;
            words
        }));
    }

    /// Who is told now: all but those whom their adapter `leaves_out` and who have not asked again lately.
    fn told(
        &self,
        kinds: u64,
        leaves_out: impl Fn(&ClientId) -> bool,
        now_ns: u64,
    ) -> impl Iterator<Item = ClientId> {
        let is_told = move |listener: &&Listener| {
            let is_late = now_ns.saturating_sub(listener.asked_ns) > ASKED_LATELY_NS;
            listener.kinds & kinds != 0 && !(is_late && leaves_out(&listener.who))
        };
        self.0.iter().filter(is_told).map(|listener| listener.who)
    }
}

impl Supervisor {
    /// Somebody wants to be told of events or changes from now on, or not any more.
    pub(super) fn take_listener(&mut self, incoming: &Incoming, kinds: u64, on: bool) {
        let (who, post) = (incoming.from, &self.inputs.post);
        if let Some(why) = post.outbox().sink_of(&who).and_then(|sink| sink.why_not(&who)) {
            return post.fail(&incoming.about, why, who);
        }
        if on {
            self.listeners.add(who, kinds, clock::monotonic_ns());
        } else {
            self.listeners.remove(who, kinds);
        }
        self.listeners.note(&self.regions.ledger.listeners);
        post.done(&incoming.about, "", who);
    }

    /// Tells everybody who listens to events.
    pub(super) fn tell(&self, event: &Event) {
        self.tell_those(EVENTS, event);
    }

    /// Tells everybody who listens to changes of what was just ordered.
    pub(super) fn tell_change(&self, incoming: &Incoming, command: &Command, frame: u64) {
        let by = self.inputs.post.outbox().name_of(&incoming.from);
        let told = |module: String, what: &str, value: Value| {
            self.tell_those(
                CHANGES,
                &Event::Changed { module, what: what.to_owned(), value, frame, by: by.clone() },
            );
        };
        let figure = |value: f32| Value::Figure(f64::from(value));
        match command {
            Command::SetParam { module, param, value } => {
                told(self.name_of(*module), self.param_name(*module, *param), figure(*value));
            }
            Command::Gate { module, on } => {
                told(self.name_of(*module), "gate", Value::Count(u64::from(*on)));
            }
            Command::Note { module, note } => {
                let what = if note.on { "note on" } else { "note off" };
                told(self.name_of(*module), what, figure(note.key));
            }
            Command::Enable { module } => told(self.name_of(*module), "enable", Value::Count(1)),
            Command::Mute(on) => told("output".into(), "mute", Value::Count(u64::from(*on))),
            Command::Transport(change) => {
                let (what, value) = match *change {
                    TransportChange::Play(on) => ("play", Value::Count(u64::from(on))),
                    TransportChange::Tempo(bpm) => ("tempo", Value::Figure(bpm)),
                    TransportChange::Position(beat) => ("position", Value::Figure(beat)),
                    TransportChange::BeatsPerBar(beats) => {
                        ("beats_per_bar", Value::Count(u64::from(beats)))
                    }
                };
                told("transport".into(), what, value);
            }
            // A text is told as a whole, and nobody outside sends the others.
            _ => {}
        }
    }

    /// The same of a text.
    pub(super) fn tell_text(&self, incoming: &Incoming, module: Handle, text: u8, value: &str) {
        let by = self.inputs.post.outbox().name_of(&incoming.from);
        let modules = self.performance.edition.patch.modules().iter();
        let spec = modules.clone().find(|it| it.handle() == module).map(PatchModule::spec);
        let what = spec.and_then(|spec| spec.texts.get(usize::from(text))).map_or("", |it| it.name);
        let frame = self.sequencer.first_open_frame();
        let (what, value) = (what.to_owned(), Value::Text(value.to_owned()));
        let module = self.name_of(module);
        self.tell_those(CHANGES, &Event::Changed { module, what, value, frame, by });
    }

    fn param_name(&self, module: Handle, param: ParamIndex) -> &'static str {
        let mut modules = self.performance.edition.patch.modules().iter();
        let spec = modules.find(|it| it.handle() == module).map(PatchModule::spec);
        spec.and_then(|spec| spec.params.get(usize::from(param.0))).map_or("", |it| it.name)
    }

    fn tell_those(&self, kinds: u64, event: &Event) {
        let (post, now_ns) = (&self.inputs.post, clock::monotonic_ns());
        let sink_of = |who: &ClientId| post.outbox().sink_of(who);
        let leaves_out = |who: &ClientId| sink_of(who).is_some_and(|sink| sink.leaves_out(who));
        for listener in self.listeners.told(kinds, leaves_out, now_ns) {
            post.event(event.clone(), listener);
        }
    }
}

#[cfg(test)]
mod tests {
    use chronus_control::CLIENT_WORDS;
    use chronus_shm::ledger::LedgerRegion;
    use chronus_shm::region::Whole;

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
            listeners.told(EVENTS, leaves_out, 100_000_000_000).collect::<Vec<_>>()
        };
        for who in [other, stopped, lively] {
            listeners.add(who, EVENTS, 1);
        }
        listeners.add(lively, EVENTS, 99_000_000_000);
        assert_eq!(told(&listeners, false), [other, stopped, lively]);
        assert_eq!(told(&listeners, true), [other, lively]);
        listeners.remove(other, EVENTS);
        assert_eq!(told(&listeners, false), [stopped, lively]);
    }

    #[test]
    fn events_and_changes_are_asked_for_each_by_itself_and_both_are_handed_down() {
        let ledger = LedgerRegion::create().expect("memory");
        let ledger = LedgerRegion::map(&ledger).expect("it can be mapped");
        let mut listeners = Listeners::default();
        listeners.add(client(1), EVENTS, 1);
        listeners.add(client(2), CHANGES, 1);
        listeners.add(client(1), CHANGES, 1);
        listeners.note(&ledger.listeners);
        let mut next = Listeners::handed_down(&ledger.listeners, 1);
        let told =
            |listeners: &Listeners, kinds| listeners.told(kinds, |_| false, 1).collect::<Vec<_>>();
        assert_eq!(told(&next, EVENTS), [client(1)]);
        assert_eq!(told(&next, CHANGES), [client(2), client(1)]);
        next.remove(client(1), CHANGES);
        assert_eq!((told(&next, EVENTS), told(&next, CHANGES)), (vec![client(1)], vec![client(2)]));
        assert!(next.any(CHANGES));
        next.remove(client(2), CHANGES);
        assert!(!next.any(CHANGES) && next.any(EVENTS));
    }

    #[test]
    fn of_too_many_the_first_makes_way() {
        let mut listeners = Listeners::default();
        for number in 0..=LISTENERS_MOST as u64 {
            listeners.add(client(number), EVENTS, 1);
        }
        let told: Vec<_> = listeners.told(EVENTS, |_| false, 1).collect();
        assert_eq!((told.len(), told[0]), (LISTENERS_MOST, client(1)));
    }
}
