//! Patches that wait for their turn: one takes effect after the other, and the one before may be due in an hour.
//! Meanwhile further ones are made, and what sounds is saved.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chronus_control::ClientId;
use chronus_engine::Patch;
use chronus_journal::Origin;

use super::drafts::Draft;
use crate::control::outbox::{Outbox, Respond};

/// Who waits for longer is told so.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// The modules whose recordings are read anew. All others go on with what they have, whatever their files hold by now:
/// an edit changes nothing but what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// All: the patch was loaded or saved.
    All,
    /// Those that were edited, by their ids.
    Modules(BTreeSet<String>),
}

impl Fresh {
    /// Whether the recording of this module is read anew.
    pub fn has(&self, id: &str) -> bool {
        match self {
            Self::All => true,
            Self::Modules(ids) => ids.contains(id),
        }
    }
}

/// A client that has asked for a patch.
#[derive(Clone, Debug)]
pub struct Asker {
    /// What it is about, as the client calls it.
    pub about: String,
    /// Which client.
    pub client: ClientId,
    /// What it is called, for people.
    pub name: String,
}

impl Asker {
    /// What the journal keeps of it.
    pub fn origin(&self, reason: String) -> Origin {
        Origin { author: self.name.clone(), reason }
    }
}

/// A patch that was read, to be played when those before it have taken effect.
#[derive(Debug)]
pub struct Waiting {
    /// What it is.
    pub patch: Patch,
    /// Where names of its recordings count from.
    pub base: PathBuf,
    /// The modules whose recordings are read anew.
    pub fresh: Fresh,
    /// Whether it is only played if some recording holds something else than the one that plays.
    pub only_if_other: bool,
    /// Its file, if it was loaded.
    pub file: Option<PathBuf>,
    /// When it shall take effect.
    pub time_wall_ns: Option<u64>,
    /// What was being made, to be made further if this one is refused.
    pub draft: Option<Draft>,
    /// Who wants it.
    pub asker: Option<Asker>,
    /// Whose it is, for the journal.
    pub origin: Origin,
    /// Since when it waits.
    pub since: Instant,
    /// Whether it was told that it waits.
    pub is_told: bool,
}

impl Waiting {
    /// A patch that waits from now on.
    pub fn new(patch: Patch, base: PathBuf) -> Self {
        Self {
            patch,
            base,
            fresh: Fresh::All,
            only_if_other: false,
            file: None,
            time_wall_ns: None,
            draft: None,
            asker: None,
            origin: Origin::default(),
            since: Instant::now(),
            is_told: false,
        }
    }

    /// Tells whoever wants it what has become of it.
    pub fn answer(&self, told: &Result<String, String>, answers: &Outbox) {
        match (&self.asker, told) {
            (Some(Asker { about, client, .. }), Ok(told)) => answers.done(about, told, *client),
            (Some(Asker { about, client, .. }), Err(why)) => answers.fail(about, why, *client),
            (None, told) => {
                let name = self.file.as_ref().map(|file| file.display().to_string());
                let name = name.unwrap_or_else(|| "what was saved".into());
                match told {
                    Ok(told) => tracing::info!("{name}: {told}"),
                    Err(reason) => tracing::error!("{reason}; the patch before it plays on"),
                }
            }
        }
    }
}

/// All that wait, in their order.
#[derive(Debug, Default)]
pub struct Queue(VecDeque<Waiting>);

impl Queue {
    /// Waits behind all others.
    pub fn push(&mut self, waiting: Waiting) {
        self.0.push_back(waiting);
    }

    /// The next.
    pub fn pop(&mut self) -> Option<Waiting> {
        self.0.pop_front()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The last, and where its names of recordings count from.
    pub fn last(&self) -> Option<(&Patch, &Path)> {
        self.0.back().map(|last| (&last.patch, last.base.as_path()))
    }

    /// Tells those who have waited for long why.
    pub fn tell(&mut self, before: &Origin, answers: &Outbox) {
        for waiting in &mut self.0 {
            if waiting.is_told || waiting.since.elapsed() < TELL_AFTER {
                continue;
            }
            waiting.is_told = true;
            let Origin { author, reason } = before;
            let whose = if author.is_empty() { String::new() } else { format!(" of {author}") };
            let named = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
            let why =
                format!("waits for the edit before it{whose}{named}, whose time is still to come");
            if let Some(Asker { about, client, .. }) = &waiting.asker {
                answers.wait(about, &why, *client);
            } else {
                tracing::info!("the patch file {why}");
            }
        }
    }
}
