//! Alarms about the processes: nobody is there to take over, the dead are not buried, or nobody finds the socket. While one of them holds, the
//! sound goes on, but the next fault may be heard.

use chronus_control::Event;

use super::Supervisor;
use crate::control::outbox::Respond;

/// How often it is looked.
const LOOK_EVERY_NS: u64 = 250_000_000;
/// What lasts no longer is none: a standby is back within milliseconds, and the dead are buried at once.
const HOLDS_FOR_NS: u64 = 2_000_000_000;
/// One that goes on is told again this often.
const TELL_EVERY_NS: u64 = 60_000_000_000;

/// Looks at the processes now and then.
#[derive(Debug, Default)]
pub struct FamilyWatch {
    looked_ns: u64,
    alone: Alarm,
    unburied: Alarm,
    unreachable: Alarm,
}

/// Something that should not last.
#[derive(Debug, Default)]
struct Alarm {
    since_ns: Option<u64>,
    told_ns: u64,
    /// What is told of it, if it has lasted.
    says: Option<String>,
}

/// What is to be told of an alarm.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Holds(String),
    Over,
}

impl Alarm {
    /// Takes what is the matter, if anything is. Returns what is to be told.
    fn look(&mut self, now_ns: u64, matter: Option<impl FnOnce(f64) -> String>) -> Option<News> {
        let Some(matter) = matter else {
            self.since_ns = None;
            return self.says.take().map(|_| News::Over);
        };
        let since_ns = *self.since_ns.get_or_insert(now_ns);
        if now_ns < since_ns + HOLDS_FOR_NS {
            return None;
        }
        let says = matter((now_ns - since_ns) as f64 / 1e9);
        let is_due = self.says.is_none() || now_ns >= self.told_ns + TELL_EVERY_NS;
        self.says = Some(says.clone());
        is_due.then(|| {
            self.told_ns = now_ns;
            News::Holds(says)
        })
    }
}

impl Supervisor {
    /// Tells of what must not be silent: that nobody could take over, that the keeper does not bury the dead, and that the
    /// unix socket is not found any more.
    pub(super) fn watch_family(&mut self, now_ns: u64) {
        if now_ns < self.family_watch.looked_ns + LOOK_EVERY_NS {
            return;
        }
        self.family_watch.looked_ns = now_ns;
        let is_alone = self.supervision.has_begun() && !self.supervision.is_complete();
        let blind = self.processes.blind().map(str::to_owned);
        let alone = is_alone.then_some(|seconds: f64| {
            let why = blind.map_or_else(String::new, |why| format!(" ({why})"));
            format!(
                "a replica has been missing for {seconds:.0} s{why}; the sound goes on, but the next fault may be heard; \
                 the log tells what failed"
            )
        });
        let unburied = self.processes.find_unburied(&self.regions);
        let keeper = self.processes.keeper();
        let dead = (unburied > 0).then_some(|seconds: f64| {
            format!(
                "the keeper, process {keeper}, has not buried {unburied} of the dead for {seconds:.0} s; should the supervisor \
                 die, no other would come; is the keeper stopped? `kill -CONT {keeper}`"
            )
        });
        let unreachable = self.inputs.post.outbox().lost_place().map(|where_it_was| {
            move |seconds: f64| {
                format!(
                    "the file of the unix socket has been gone, or another was in its place, for {seconds:.0} s: nobody new \
                     finds the engine there ({where_it_was}); the sound goes on, and the next start makes it again"
                )
            }
        });
        let watch = &mut self.family_watch;
        let news = [
            ("alone", watch.alone.look(now_ns, alone)),
            ("unburied", watch.unburied.look(now_ns, dead)),
            ("unreachable", watch.unreachable.look(now_ns, unreachable)),
        ];
        for (name, news) in news {
            let text = match news {
                None => continue,
                Some(News::Holds(text)) => {
                    tracing::error!("{text}");
                    text
                }
                Some(News::Over) => {
                    tracing::info!("the alarm `{name}` is over");
                    "over".into()
                }
            };
            self.tell(&Event::Alarm { name: name.into(), text });
        }
    }

    /// What is the matter, in sentences.
    pub(super) fn alarms(&self) -> Vec<String> {
        let FamilyWatch { alone, unburied, unreachable, .. } = &self.family_watch;
        [alone, unburied, unreachable].into_iter().filter_map(|alarm| alarm.says.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn what_lasts_is_told_again_and_again_until_it_is_over() {
        let mut alarm = Alarm::default();
        let mut look = |now_s: u64, is_bad: bool| {
            alarm.look(now_s * S, is_bad.then_some(|seconds| format!("{seconds:.0}")))
        };
        assert_eq!(look(1, false), None);
        assert_eq!([look(2, true), look(3, true)], [None, None], "it may be over at once");
        assert_eq!(look(4, true), Some(News::Holds("2".into())));
        assert_eq!(look(5, true), None, "it was told");
        assert_eq!(look(65, true), Some(News::Holds("63".into())));
        assert_eq!([look(66, false), look(67, false)], [Some(News::Over), None]);
        assert_eq!([look(68, true), look(69, false)], [None, None], "it was none");
    }
}
