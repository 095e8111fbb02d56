//! Patches that are being made: one that all share who name no session, and one for each session. What was changed in one
//! that was begun on an earlier patch is changed in the present one, unless somebody else has changed the same modules.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::Ordering;

use chronus_control::{ClientId, PatchRequest};
use chronus_engine::names;
use chronus_engine::patch::{Document, module_of};
use chronus_journal::Origin;
use chronus_shm::ledger::LedgerRegion;
use chronus_shm::session_board::{CLIENTS_MOST, NAME_BYTES, SessionBoard};

/// The author of what was saved as a file that is watched.
pub const THE_FILE: &str = "the patch file";
/// So many sessions may be making something.
const SESSIONS_MOST: usize = 64;
/// So many editions are remembered by what they changed.
const EDITIONS_MOST: usize = 256;

/// A patch that is being made.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it is so far.
    pub document: Document,
    /// The modules that were made or set, by their ids.
    pub touched: BTreeSet<String>,
    /// The text that it was begun on.
    of: String,
    /// As many editions had been made then.
    editions: u64,
    /// What was changed, in order.
    changes: Vec<PatchRequest>,
    /// The modules that it is about, those at both ends of cables among them.
    concerns: BTreeSet<String>,
}

impl Draft {
    /// A draft that begins with a text.
    ///
    /// # Errors
    /// If that is not TOML.
    pub fn of(text: &str, history: &History) -> Result<Self, String> {
        Ok(Self {
            document: Document::parse(text)?,
            touched: BTreeSet::new(),
            of: text.to_owned(),
            editions: history.made,
            changes: Vec::new(),
            concerns: BTreeSet::new(),
        })
    }

    /// Makes a change; what is to be told of it.
    ///
    /// # Errors
    /// A sentence, if it can't be made; then all is as it was.
    pub fn change(&mut self, request: &PatchRequest) -> Result<String, String> {
        let told = apply(&mut self.document, request)?;
        if let PatchRequest::Create { id, .. } | PatchRequest::Set { id, .. } = request {
            self.touched.insert(id.clone());
        }
        self.concerns.extend(concerns(request));
        self.changes.push(request.clone());
        Ok(told)
    }

    /// The same changes made to the patch that is the newest by now.
    ///
    /// # Errors
    /// A sentence that names who has changed what, if one of its modules is another by now.
    pub fn rebased(&self, newest: &str, history: &History) -> Result<Self, String> {
        if self.of == newest {
            return Ok(self.clone());
        }
        let again = "send /patch/abort, and then the changes again";
        if let Some((module, origin)) = history.conflict(self.editions, &self.concerns) {
            let Origin { author, reason } = origin;
            let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
            return Err(format!("{author} has changed `{module}` meanwhile{why}; {again}"));
        }
        let mut rebased = Self::of(newest, history)?;
        for change in &self.changes {
            let failed =
                |why| format!("another patch plays by now, in which this can't be: {why}; {again}");
            rebased.change(change).map_err(failed)?;
        }
        Ok(rebased)
    }
}

/// Changes a document; what is to be told of it.
fn apply(document: &mut Document, request: &PatchRequest) -> Result<String, String> {
    let none = |done: Result<(), String>| done.map(|()| String::new());
    match request {
        PatchRequest::Create { id, kind, settings } => document.create_with(id, kind, settings),
        PatchRequest::Set { id, key, setting } => document.set(id, key, setting),
        PatchRequest::Delete { id } => none(document.delete(id)),
        PatchRequest::Connect { from, to, depth } => none(document.connect(from, to, *depth)),
        PatchRequest::Disconnect { from, to } => none(document.disconnect(from, to)),
        PatchRequest::Output { left, right } => none(document.set_output(left, right)),
        PatchRequest::Commit { .. }
        | PatchRequest::Session { .. }
        | PatchRequest::Abort
        | PatchRequest::Load { .. }
        | PatchRequest::Save { .. } => Ok(String::new()),
    }
}

/// The modules that a change is about.
fn concerns(request: &PatchRequest) -> Vec<String> {
    match request {
        PatchRequest::Create { id, .. }
        | PatchRequest::Set { id, .. }
        | PatchRequest::Delete { id } => vec![id.clone()],
        PatchRequest::Connect { from, to, .. } | PatchRequest::Disconnect { from, to } => {
            [from, to].map(|port| module_of(port).to_owned()).into()
        }
        PatchRequest::Output { .. } => vec!["output".into()],
        _ => Vec::new(),
    }
}

/// Who has changed which modules, edition by edition.
#[derive(Debug, Default)]
pub struct History {
    /// As many editions have been made.
    made: u64,
    editions: VecDeque<(u64, Origin, BTreeSet<String>)>,
}

impl History {
    /// Another edition comes after one.
    pub fn note(&mut self, before: &str, after: &str, origin: &Origin) {
        let documents = Document::parse(before).and_then(|it| Ok((it, Document::parse(after)?)));
        let changed = documents.map(|(before, after)| before.differences(&after));
        self.made += 1;
        if self.editions.len() == EDITIONS_MOST {
            self.editions.pop_front();
        }
        self.editions.push_back((self.made, origin.clone(), changed.unwrap_or_default()));
    }

    /// The first of these modules that was changed since so many editions had been made, and who did it last.
    fn conflict<'a>(
        &'a self,
        since: u64,
        modules: &'a BTreeSet<String>,
    ) -> Option<(&'a str, &'a Origin)> {
        let later = self.editions.iter().rev().take_while(|(number, ..)| *number > since);
        later
            .filter_map(|(_, origin, changed)| {
                Some((changed.intersection(modules).next()?, origin))
            })
            .map(|(module, origin)| (module.as_str(), origin))
            .next()
    }
}

/// All that are being made.
#[derive(Debug, Default)]
pub struct Drafts {
    shared: Option<Draft>,
    sessions: BTreeMap<String, Draft>,
    /// Which session clients have named.
    clients: VecDeque<(ClientId, String)>,
}

impl Drafts {
    /// Those of the supervisor before, of which nothing is left but who has named which session.
    pub fn handed_down(board: &SessionBoard) -> Self {
        let known =
            board.read().filter_map(|(words, name)| Some((ClientId::from_words(&words)?, name)));
        Self { clients: known.collect(), ..Self::default() }
    }

    /// Leaves word of who has named which session, and of how many are making something.
    pub fn note(&self, ledger: &LedgerRegion) {
        let clients = self.clients.iter().map(|(client, name)| (client.to_words(), name.as_str()));
        ledger.sessions.note(clients);
        ledger.roster.drafts.store(self.count() as u64, Ordering::Release);
    }

    /// A client asks for something: of those whose sessions are known, it is the last to be forgotten.
    pub fn hear(&mut self, client: &ClientId) {
        if let Some(place) = self.clients.iter().position(|(known, _)| known == client)
            && let Some(known) = self.clients.remove(place)
        {
            self.clients.push_back(known);
        }
    }

    /// The session that a client has named, if any.
    pub fn session_of(&self, client: &ClientId) -> Option<&str> {
        let known = self.clients.iter().find(|(known, _)| known == client);
        known.map(|(_, session)| session.as_str())
    }

    /// A client names another session, or none.
    ///
    /// # Errors
    /// A sentence, if it can't be called so.
    pub fn join(&mut self, client: ClientId, session: Option<String>) -> Result<(), String> {
        if let Some(name) = &session {
            check_name(name)?;
        }
        self.clients.retain(|(known, _)| *known != client);
        if let Some(session) = session {
            if self.clients.len() == CLIENTS_MOST {
                self.clients.pop_front();
            }
            self.clients.push_back((client, session));
        }
        Ok(())
    }

    /// What a client is making.
    pub fn get(&self, client: &ClientId) -> Option<&Draft> {
        match self.session_of(client) {
            Some(session) => self.sessions.get(session),
            None => self.shared.as_ref(),
        }
    }

    /// Takes what a client was making.
    pub fn take(&mut self, client: &ClientId) -> Option<Draft> {
        match self.session_of(client).map(str::to_owned) {
            Some(session) => self.sessions.remove(&session),
            None => self.shared.take(),
        }
    }

    /// A client is making this.
    ///
    /// # Errors
    /// A sentence, if too many sessions are making something.
    pub fn put(&mut self, client: &ClientId, draft: Draft) -> Result<(), String> {
        match self.session_of(client).map(str::to_owned) {
            None => self.shared = Some(draft),
            Some(session) => {
                let is_new = !self.sessions.contains_key(&session);
                if is_new && self.sessions.len() == SESSIONS_MOST {
                    let names = names::list(self.sessions.keys().map(String::as_str));
                    return Err(format!(
                        "{SESSIONS_MOST} sessions are making patches already; have one send /patch/commit or /patch/abort, \
                         or join it by /session NAME and do so: {names}"
                    ));
                }
                self.sessions.insert(session, draft);
            }
        }
        Ok(())
    }

    /// How many are being made.
    pub fn count(&self) -> usize {
        usize::from(self.shared.is_some()) + self.sessions.len()
    }
}

/// Refuses names that nobody could tell from something else.
fn check_name(name: &str) -> Result<(), String> {
    if name.len() > NAME_BYTES {
        return Err(format!(
            "the name of a session has {NAME_BYTES} bytes at most; give a shorter one"
        ));
    }
    if name.chars().any(char::is_control) {
        return Err("the name of a session is one line of plain letters; give another".into());
    }
    if name.starts_with("OSC from ") || name.starts_with("client ") || name == THE_FILE {
        return Err(format!(
            "`{name}` is how others are called who have no session; give another name"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chronus_control::CLIENT_WORDS;
    use chronus_engine::Patch;
    use chronus_engine::patch::Setting;
    use chronus_shm::region::Whole;

    use super::*;

    fn set(id: &str, key: &str, value: f64) -> PatchRequest {
        PatchRequest::Set { id: id.into(), key: key.into(), setting: Setting::Number(value) }
    }

    fn origin(author: &str) -> Origin {
        Origin { author: author.into(), reason: "louder".into() }
    }

    #[test]
    fn changes_of_other_modules_are_kept_and_of_the_same_are_refused_with_their_author() {
        let first = Patch::first().text().to_owned();
        let mut history = History::default();
        let mut draft = Draft::of(&first, &history).expect("a draft");
        draft.change(&set("adsr", "attack", 20.0)).expect("a key");
        let mut other = Draft::of(&first, &history).expect("a draft");
        other.change(&set("sine", "gain", 0.125)).expect("a key");
        let second = other.document.to_string();
        history.note(&first, &second, &origin("ada"));
        let rebased = draft.rebased(&second, &history).expect("other modules");
        let text = rebased.document.to_string();
        assert!(text.contains("0.125") && text.contains("attack = 20"), "{text}");
        let late = other.rebased(&second, &history);
        let why = late.expect_err("the same module");
        assert!(why.starts_with("ada has changed `sine` meanwhile (louder)"), "{why}");
        // One that was begun on the present patch has no such trouble.
        let mut later = Draft::of(&second, &history).expect("a draft");
        later.change(&set("sine", "gain", 0.5)).expect("a key");
        later.rebased(&second, &history).expect("nothing has changed since");
    }

    #[test]
    fn sessions_outlive_a_supervisor_and_who_asks_now_and_then_is_not_forgotten() {
        let client = |number| ClientId { adapter: 0, address: [number; CLIENT_WORDS - 1] };
        let ledger = LedgerRegion::create().expect("memory");
        let ledger = LedgerRegion::map(&ledger).expect("it can be mapped");
        let mut drafts = Drafts::default();
        drafts.join(client(1), Some("ada".into())).expect("a name");
        for number in 2..2 + 2 * CLIENTS_MOST as u64 {
            drafts.hear(&client(1));
            drafts.join(client(number), Some("bob".into())).expect("a name");
        }
        drafts.note(&ledger);
        let next = Drafts::handed_down(&ledger.sessions);
        assert_eq!(next.session_of(&client(1)), Some("ada"));
        assert_eq!((next.session_of(&client(2)), next.clients.len()), (None, CLIENTS_MOST));
        for name in ["a\nb", "OSC from 127.0.0.1:9", "the patch file", &"x".repeat(65)] {
            let refused = drafts.join(client(1), Some(name.to_owned())).expect_err(name);
            assert!(refused.contains("give "), "{refused}");
        }
    }

    #[test]
    fn cables_count_for_both_of_their_ends() {
        let first = Patch::first().text().to_owned();
        let mut history = History::default();
        let mut draft = Draft::of(&first, &history).expect("a draft");
        draft.change(&set("filter", "cutoff", 500.0)).expect("a key");
        let mut other = Draft::of(&first, &history).expect("a draft");
        let (from, to) = ("sine.out".to_owned(), "filter.cutoff".to_owned());
        other.change(&PatchRequest::Connect { from, to, depth: Some(1.0) }).expect("a cable");
        let second = other.document.to_string();
        history.note(&first, &second, &origin("ada"));
        let why = draft.rebased(&second, &history).expect_err("a cable ends there");
        assert!(why.contains("`filter`"), "{why}");
    }

    #[test]
    fn who_names_a_session_makes_something_of_their_own() {
        let client = |number| ClientId { adapter: 0, address: [number; CLIENT_WORDS - 1] };
        let (mut drafts, history) = (Drafts::default(), History::default());
        let draft = || Draft::of(Patch::first().text(), &history).expect("a draft");
        drafts.put(&client(1), draft()).expect("room");
        assert!(drafts.get(&client(2)).is_some(), "all share it who name none");
        drafts.join(client(2), Some("ada".into())).expect("a name");
        assert!(drafts.get(&client(2)).is_none());
        drafts.put(&client(2), draft()).expect("room");
        drafts.join(client(3), Some("ada".into())).expect("a name");
        assert!(drafts.get(&client(3)).is_some() && drafts.count() == 2);
        assert!(drafts.take(&client(3)).is_some() && drafts.get(&client(2)).is_none());
        drafts.join(client(2), None).expect("none");
        assert!(drafts.get(&client(2)).is_some());
        for number in 0..SESSIONS_MOST as u64 {
            drafts.join(client(9), Some(number.to_string())).expect("a name");
            drafts.put(&client(9), draft()).expect("room");
        }
        drafts.join(client(9), Some("one more".into())).expect("a name");
        assert!(drafts.put(&client(9), draft()).expect_err("too many").contains("/patch/abort"));
    }
}
