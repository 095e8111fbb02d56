//! A performance: which edition of the patch plays, and where its controls stand. What an entry of the log does to the
//! two is written here and nowhere else: for what is sealed, for what is committed, and for what is found by a
//! supervisor that takes over. (The sound follows from the same entries in the engine.)

use chronus_engine::{Command, Controls, DecodeError};
use chronus_replication::Entry;
use chronus_shm::ledger::Edition;

/// See the file's head. `E` stands for the edition: what must be known of it differs from place to place.
#[derive(Clone, Debug)]
pub struct Performance<E> {
    /// The edition of the patch that plays.
    pub edition: E,
    /// Where its controls stand.
    pub controls: Controls,
}

/// Why an entry of the log changes nothing. The engines of all replicas pass over it, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotApplied<W> {
    /// It can't be read.
    #[error("it is no command: {0}")]
    NoCommand(DecodeError),
    /// The edition that it calls for can't be had.
    #[error("{0}")]
    NoEdition(W),
}

impl<E> Performance<E> {
    /// Applies an entry. If it is an edit, `next` is asked for what is to play from there on, with its controls as its
    /// patch has them, by the number of the edit; what played before is put in its place. Neither allocates nor frees
    /// anything itself.
    ///
    /// # Errors
    /// [`NotApplied`]; then nothing has changed.
    pub fn apply<'a, W>(
        &mut self,
        entry: &Entry,
        rate_hz: u32,
        next: impl FnOnce(u32) -> Result<&'a mut Self, W>,
    ) -> Result<(), NotApplied<W>>
    where
        E: 'a,
    {
        match Command::decode(entry.payload).map_err(NotApplied::NoCommand)? {
            Command::Edit { number } => {
                let next = next(number).map_err(NotApplied::NoEdition)?;
                next.controls.succeed(&self.controls, entry.frame, rate_hz);
                std::mem::swap(self, next);
            }
            // One that names what is not there is in order: the patch may have been edited since it was sent.
            command => drop(self.controls.apply(&command, entry.frame, rate_hz)),
        }
        Ok(())
    }
}

/// What is committed: where everything stood before the first block that may still be amended.
#[derive(Clone, Debug)]
pub struct CommittedControls {
    /// The edition of the patch, and its controls.
    pub performance: Performance<Edition>,
    /// How many entries of the log have been applied, or withheld.
    pub position: u64,
}

#[cfg(test)]
mod tests {
    use chronus_engine::{Handle, ParamIndex, Patch};

    use super::*;

    const RATE_HZ: u32 = 48_000;

    fn performance(edition: u32, freq: &str) -> Performance<u32> {
        let patch = format!(
            "format = 1\n[[module]]\nid = \"a\"\nkind = \"sine\"\nfreq = {freq}\n[output]\nleft = \"a.out\"\n\
             right = \"a.out\""
        );
        let patch = Patch::parse(&patch, "a test").expect("a patch");
        Performance { edition, controls: Controls::of(&patch) }
    }

    fn entry(command: Command) -> Entry {
        Entry { sequence: 0, frame: 64, payload: command.encode() }
    }

    fn no_edit<'a>(_: u32) -> Result<&'a mut Performance<u32>, &'static str> {
        Err("there is none")
    }

    #[test]
    fn an_edit_puts_what_played_before_in_its_place() {
        let (mut now, mut next) = (performance(1, "100.0"), performance(2, "200.0"));
        let (module, param) = (Handle(0), ParamIndex(0));
        let freq = |it: &Performance<u32>| it.controls.param(module, param);
        let set = entry(Command::SetParam { module, param, value: 150.0 });
        now.apply(&set, RATE_HZ, no_edit).expect("a command");
        assert_eq!(freq(&now), Some(150.0));
        let edit = entry(Command::Edit { number: 2 });
        let applied = now.apply(&edit, RATE_HZ, |number| {
            assert_eq!(number, 2);
            Ok::<_, ()>(&mut next)
        });
        applied.expect("an edit");
        assert_eq!((now.edition, next.edition), (2, 1));
        assert_eq!((freq(&now), freq(&next)), (Some(200.0), Some(150.0)));
    }

    #[test]
    fn what_can_not_be_applied_changes_nothing_and_is_told() {
        let mut now = performance(1, "100.0");
        let before = now.controls.encode();
        let edit = entry(Command::Edit { number: 7 });
        let missing = now.apply(&edit, RATE_HZ, no_edit).expect_err("there is no edition");
        assert_eq!(missing, NotApplied::NoEdition("there is none"));
        let garbage = Entry { sequence: 0, frame: 64, payload: [99; 5] };
        let error = now.apply(&garbage, RATE_HZ, no_edit).expect_err("no command");
        assert!(matches!(error, NotApplied::NoCommand(_)), "{error:?}");
        assert_eq!((now.edition, now.controls.encode()), (1, before));
    }
}
