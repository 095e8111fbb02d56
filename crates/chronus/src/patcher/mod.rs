//! The patcher: a thread of its own that reads, checks and saves patches, so that nothing of this takes
//! time from the sound. What it has found right it hands to the supervisor, which puts it in order.

mod budget;
mod drafts;
mod folder;
mod port;
mod waiting;
pub mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chronus_control::{ClientId, PatchRequest, Reply, Tree};
use chronus_engine::patch::{Document, Mistakes};
use chronus_engine::{Controls, Directory, Patch, PatchModule};
use chronus_os::memfd::Memfd;
use chronus_os::wake::Notifier;
use chronus_shm::ledger::{Edition, LedgerRegion};
use chronus_shm::region::View;
use rtrb::{Consumer, Producer, RingBuffer};

use crate::content;
use crate::control::outbox::{Outbox, Respond};
use crate::control::patch_port::{Job, PatchPort, Task};
use crate::log::counted;
use crate::patch_file::{contents, read_text};
use crate::performance::Performance;
use crate::persistence::shared_assets::{PackedPatch, SharedAssets, Stock};
use budget::Budget;
use chronus_journal::{Origin, Score};
use drafts::{Draft, Drafts, History};
use folder::Folder;
pub use port::FileWatch;
use port::{Bulletin, Desk, Entrance};
use waiting::{Asker, Fresh, Queue, Waiting};
use watch::Watched;

/// The supervisor's answer is looked for this often.
const LOOK: Duration = Duration::from_millis(1);
/// Whether the last edit has to be taken back is looked for this often.
const LOOK_IDLE: Duration = Duration::from_millis(100);
/// Where the controls stand is asked no more often to tell it.
const TREE_EVERY: Duration = Duration::from_millis(50);

/// A patch that was found right, for the supervisor.
#[derive(Debug)]
pub struct Edit {
    /// Its number and where it lies among the shared assets. Edits are counted from 1.
    pub edition: Edition,
    /// What it plays: the patch, for workers that start afresh, and its controls. In the end, what played before it.
    pub next: Performance<PackedPatch>,
    /// The same for the control history.
    pub twin: Performance<Edition>,
    /// What the journal keeps of it.
    pub score: Arc<Score>,
}

impl Edit {
    /// An edit whose command is not sealed yet.
    pub fn new(edition: Edition, packed: PackedPatch, score: Arc<Score>) -> Self {
        let controls = Controls::of(&packed.patch);
        let twin = Performance { edition, controls: controls.clone() };
        Self { edition, next: Performance { edition: packed, controls }, twin, score }
    }
}

/// What the patcher asks of the supervisor.
#[derive(Debug)]
pub enum Ask {
    /// To order this edit.
    Edit(Box<Edit>),
    /// Where the controls stand.
    Controls,
    /// To free what it has made.
    TakeBack(Box<Controls>),
}

/// What the supervisor answers.
#[derive(Debug)]
pub enum Answer {
    /// The edit is in order: every command from here on finds the new patch.
    Ordered,
    /// The edit has taken effect; what is left of it is to be freed by who made it. Freeing what another
    /// thread has allocated may wait for that thread, and the supervisor must wait for nobody.
    Over(Box<Edit>),
    /// The edit did harm and was taken back: the patch before it plays on.
    Refused(Box<Edit>, String),
    /// Where the controls stand, and the number of the last edit that has taken effect.
    Controls(Box<Controls>, u32),
}

/// The supervisor's side of the patcher.
#[derive(Debug)]
pub struct Line {
    /// What is asked.
    pub asks: Consumer<Ask>,
    /// What is answered.
    pub answers: Producer<Answer>,
}

/// What the patcher begins with.
pub struct Start {
    /// The file that the patch was read from, if any.
    pub file: Option<PathBuf>,
    /// Where patches are loaded from and saved to.
    pub folder: PathBuf,
    /// Whether patches must be light enough for real time.
    pub in_real_time: bool,
    /// Whether they may have modules that do harm, for trials.
    pub allow_chaos: bool,
    /// The rate, in frames per second.
    pub rate_hz: u32,
    /// Where packed patches and recordings go.
    pub assets: Arc<Memfd>,
    /// Where recordings come from.
    pub stock: Stock,
    /// So many ask it for something.
    pub ports: usize,
    /// Where it leaves word for the next.
    pub ledger: Arc<View<LedgerRegion>>,
}

/// The patch that is played first.
pub struct First {
    /// Its packed patch.
    pub packed: PackedPatch,
    /// What the journal keeps of it.
    pub score: Score,
    /// Where it lies among the shared assets.
    pub edition: Edition,
}

/// What a patcher leaves to the next.
pub struct Left {
    /// The patch that plays, or will.
    pub patch: Patch,
    /// The shared assets.
    pub assets: SharedAssets,
    /// The number of the last edit.
    pub number: u32,
    /// Where names of recordings count from.
    pub base: PathBuf,
    /// What played before the last edit, as long as that may be taken back, and its number.
    pub before: Option<(u32, Patch)>,
    /// Where its names of recordings counted from.
    pub base_before: PathBuf,
}

/// What a patcher needs to be started: made before the first patch is known to be right.
pub struct Patcher {
    base: Patch,
    /// What played before the last edit, as long as that may be taken back, and its number.
    before: Option<(u32, Patch)>,
    /// The file that played then, and where names of recordings counted from.
    file_before: Option<PathBuf>,
    base_before: PathBuf,
    /// Those that are being made.
    drafts: Drafts,
    /// Who has changed what.
    history: History,
    /// Whose the last edit is.
    last_origin: Origin,
    /// As many were being made when a supervisor died.
    lost_drafts: u64,
    ledger: Arc<View<LedgerRegion>>,
    /// Those that are made and wait for their turn.
    waiting: Queue,
    folder: Folder,
    assets: SharedAssets,
    memory: Arc<Memfd>,
    budget: Budget,
    allow_chaos: bool,
    /// The number of the last edit.
    number: u32,
    bulletin: Bulletin,
    /// What was told last of everything that can be set, and when.
    last_tree: Option<(Instant, Tree)>,
    /// The files that are watched.
    watched: Watched,
    desk: Desk,
    /// Until it is started.
    entrance: Option<Entrance>,
    asks: Producer<Ask>,
    answers: Consumer<Answer>,
    notifier: Notifier,
}

impl Patcher {
    /// A patcher, `patch` as it is played first, and the supervisor's side. Names of recordings count from the folder of
    /// `remains`, or from where the patch lies. Modules that know their recordings find them in what `remains`.
    ///
    /// # Errors
    /// A sentence, if a recording of the patch can't be had.
    pub fn new(
        start: Start,
        patch: Patch,
        remains: Option<(PathBuf, PackedPatch)>,
        notifier: Notifier,
    ) -> Result<(Self, First, Line), String> {
        permit_trials(&patch, start.allow_chaos)?;
        let folder = Folder::new(start.folder.clone(), start.file.clone());
        let (memory, stock) = (start.assets.clone(), start.stock.clone());
        let (base, mut assets) = match remains {
            Some((base, packed)) => (
                base,
                SharedAssets::taken_over(memory, stock, 0, std::slice::from_ref(&packed), &packed),
            ),
            None => (folder.base().to_owned(), SharedAssets::new(memory, stock)),
        };
        let watched = Watched::default();
        watched.note(start.file.as_deref(), &patch, &base, &Fresh::All);
        let said = patch.remarks();
        let packed = assets.pack(patch, &base)?;
        for remark in said.iter().chain(&packed.remarks) {
            tracing::warn!("{remark}");
        }
        let score = Score::of(&packed.patch, packed.patch.text(), &base);
        let edition = assets.put_edition(0, &packed, &score, None)?;
        assets.needs(&edition, &packed);
        let (patch, base_before) = (packed.patch.clone(), base.clone());
        let left = Left { patch, assets, number: 0, base, before: None, base_before };
        let (mut patcher, line) = Self::taking_over(start, left, notifier);
        patcher.watched = watched;
        Ok((patcher, First { packed, score, edition }, line))
    }

    /// A patcher that goes on with what another has left, and the supervisor's side.
    pub fn taking_over(start: Start, left: Left, notifier: Notifier) -> (Self, Line) {
        let (asks_in, asks) = RingBuffer::new(4);
        let (answers, answers_out) = RingBuffer::new(4);
        let (desk, entrance) = port::desk(start.ports);
        let file = start.file.clone();
        let mut folder = Folder::new(start.folder, start.file);
        folder.set_base(left.base.clone());
        let watched = Watched::default();
        watched.note_taken_over(folder.file().map(PathBuf::as_path), &left.patch, &left.base);
        let patcher = Self {
            bulletin: Bulletin::new(Directory::of(&left.patch)),
            desk,
            last_tree: None,
            entrance: Some(entrance),
            base: left.patch,
            before: left.before,
            file_before: file,
            base_before: left.base_before,
            watched,
            drafts: Drafts::handed_down(&start.ledger.sessions),
            history: History::default(),
            last_origin: Origin::default(),
            lost_drafts: start.ledger.roster.drafts.swap(0, Ordering::AcqRel),
            ledger: start.ledger,
            waiting: Queue::default(),
            folder,
            assets: left.assets,
            memory: start.assets,
            budget: Budget { in_real_time: start.in_real_time, rate_hz: start.rate_hz },
            number: left.number,
            allow_chaos: start.allow_chaos,
            asks: asks_in,
            answers: answers_out,
            notifier,
        };
        (patcher, Line { asks, answers })
    }

    /// Starts the thread; the sides of the adapters, and of who watches the patch file.
    ///
    /// # Errors
    /// As the system says.
    pub fn serve(mut self, answers: Outbox) -> std::io::Result<(Vec<PatchPort>, FileWatch)> {
        let taken = || std::io::Error::other("the patcher was started before");
        let entrance = self.entrance.take().ok_or_else(taken)?;
        let (newest, watched) = (self.bulletin.reader(), self.watched.clone());
        let thread = std::thread::Builder::new().name("patcher".into());
        let thread = thread.spawn(move || self.work(&answers))?;
        Ok(entrance.open(thread.thread(), &newest, watched))
    }

    fn work(&mut self, answers: &Outbox) {
        if self.lost_drafts > 0 {
            let lost = counted(self.lost_drafts, "draft");
            let (was, is) = if self.lost_drafts == 1 { ("was", "is") } else { ("were", "are") };
            tracing::warn!(
                "{lost} of a patch that {was} being made {is} lost; send the changes again"
            );
        }
        while !self.desk.is_abandoned() {
            if let Some(Task { job, about, from, time_wall_ns }) = self.desk.next() {
                match job {
                    Job::Edit(request) => {
                        self.take_request(request, (about, from), time_wall_ns, answers);
                    }
                    Job::Tree => match self.tree() {
                        Ok(tree) => answers.reply(&about, Reply::Tree(tree), from),
                        Err(reason) => answers.fail(&about, &reason, from),
                    },
                }
            } else if self.desk.has_file_changed() {
                if let Err(reason) = self.reload() {
                    tracing::error!("{reason}; the patch before it plays on");
                }
            } else {
                let look = if self.waiting.is_empty() { LOOK_IDLE } else { LOOK };
                std::thread::park_timeout(look);
            }
            self.take_answers();
            while self.before.is_none()
                && let Some(mut next) = self.waiting.pop()
            {
                let told = self.play(&next);
                if let (Err(_), Some(asker), Some(draft)) = (&told, &next.asker, next.draft.take())
                    && self.drafts.get(&asker.client).is_none()
                {
                    // To be mended and committed again.
                    let _ = self.drafts.put(&asker.client, draft);
                    self.note_drafts();
                }
                next.answer(&told, answers);
            }
            self.waiting.tell(&self.last_origin, answers);
        }
    }

    fn take_request(
        &mut self,
        request: PatchRequest,
        (about, from): (String, ClientId),
        time_wall_ns: Option<u64>,
        answers: &Outbox,
    ) {
        self.drafts.hear(&from);
        let sets = matches!(request, PatchRequest::Set { .. } | PatchRequest::Create { .. });
        match self.take(
            request,
            Asker {
                about: about.clone(),
                client: from,
                name: name_of(&self.drafts, &from, answers),
            },
            time_wall_ns,
        ) {
            // What is told of a setting is that it was clamped.
            Ok(Some(told)) if sets && !told.is_empty() => answers.clamped(&about, &told, from),
            Ok(Some(told)) => answers.done(&about, &told, from),
            Ok(None) => {}
            Err(reason) => answers.fail(&about, &reason, from),
        }
    }

    /// Everything that can be set, and where it stood a moment ago. However many ask, the supervisor is asked now and then.
    fn tree(&mut self) -> Result<Tree, String> {
        if let Some((since, tree)) = &self.last_tree
            && since.elapsed() < TREE_EVERY
        {
            return Ok(tree.clone());
        }
        let Answer::Controls(controls, sounding) = self.ask(Ask::Controls)? else {
            return Err("the engine gave no answer; send it again".into());
        };
        let before = self.before.as_ref().filter(|(number, _)| sounding < *number);
        let patch = before.map_or(&self.base, |(_, before)| before);
        let tree = Tree::of(sounding, patch, &controls);
        let _ = self.asks.push(Ask::TakeBack(controls));
        self.last_tree = Some((Instant::now(), tree.clone()));
        Ok(tree)
    }

    /// Does what is asked and returns what is to be told, or has a patch wait, which tells by itself.
    fn take(
        &mut self,
        request: PatchRequest,
        asker: Asker,
        time: Option<u64>,
    ) -> Result<Option<String>, String> {
        match request {
            PatchRequest::Commit { reason } => {
                return self.commit(asker, reason, time).map(|()| None);
            }
            PatchRequest::Session { name } => self.drafts.join(asker.client, name)?,
            PatchRequest::Abort => drop(self.drafts.take(&asker.client)),
            PatchRequest::Load { file } => return self.load(&file, asker, time).map(|()| None),
            PatchRequest::Save { file, overwrite } => return self.save(&file, overwrite).map(Some),
            change => return self.change(&asker.client, &change).map(Some),
        }
        self.note_drafts();
        Ok(Some(String::new()))
    }

    /// The patch that plays, or will when all that wait have had their turn; and where names of its recordings count
    /// from.
    fn latest(&self) -> (&Patch, &Path) {
        self.waiting.last().unwrap_or((&self.base, self.folder.base()))
    }

    /// Changes the patch that a client is making, or leaves it as it was if something is wrong.
    fn change(&mut self, client: &ClientId, request: &PatchRequest) -> Result<String, String> {
        let mut draft = match self.drafts.get(client) {
            Some(draft) => draft.clone(),
            None => Draft::of(self.latest().0.text(), &self.history)?,
        };
        let told = draft.change(request)?;
        self.drafts.put(client, draft)?;
        self.note_drafts();
        Ok(told)
    }

    /// Leaves word of sessions, and of how many patches are being made: whoever takes over tells that they are lost.
    fn note_drafts(&self) {
        self.drafts.note(&self.ledger);
    }

    fn commit(
        &mut self,
        asker: Asker,
        reason: Option<String>,
        time: Option<u64>,
    ) -> Result<(), String> {
        let Some(draft) = self.drafts.get(&asker.client) else {
            let lost = if self.lost_drafts > 0 {
                "; what was being made when the supervisor before died is lost"
            } else {
                ""
            };
            return Err(format!(
                "nothing to commit; begin with /patch/create, /patch/connect or the like{lost}"
            ));
        };
        let draft = draft.rebased(self.latest().0.text(), &self.history)?;
        let text = draft.document.to_string();
        let base = self.latest().1.to_owned();
        let fresh = Fresh::Modules(draft.touched.clone());
        let patch = self.parse(&text, "the edited patch", &base, &fresh).map_err(|mistakes| {
            let lines: Vec<_> = text.lines().collect();
            let sentences = mistakes.sentences(|error| {
                let line = lines.get(error.line.saturating_sub(1)).unwrap_or(&"").trim();
                format!("{}; {} (where it says: {line})", error.found, error.right)
            });
            sentences.join(" | ")
        })?;
        let origin = asker.origin(reason.unwrap_or_default());
        let draft = self.drafts.take(&asker.client);
        let waiting = Waiting::new(patch, base);
        let asker = Some(asker);
        self.wait(Waiting { fresh, time_wall_ns: time, asker, draft, origin, ..waiting });
        self.note_drafts();
        Ok(())
    }

    /// The patch that a text is, whose names of recordings count from `base`; it reads those of `fresh` modules.
    fn parse(&self, text: &str, name: &str, base: &Path, fresh: &Fresh) -> Result<Patch, Mistakes> {
        content::parse_patch(text, name, (base, self.assets.allowed()), |id| fresh.has(id))
    }

    fn load(&mut self, file: &str, asker: Asker, time: Option<u64>) -> Result<(), String> {
        let (path, text) = self.folder.load(file)?;
        let base = folder::parent(&path);
        let patch = self.parse(&text, file, &base, &Fresh::All);
        let patch = patch.map_err(|mistakes| mistakes.on_one_line())?;
        let waiting = Waiting::new(patch, base);
        let origin = asker.origin(format!("{file} was loaded"));
        // What was begun before belongs to the patch of then.
        let draft = self.drafts.take(&asker.client);
        let asker = Some(asker);
        self.wait(Waiting {
            file: Some(path),
            time_wall_ns: time,
            asker,
            draft,
            origin,
            ..waiting
        });
        self.note_drafts();
        Ok(())
    }

    /// The file of the patch was written, or that of a recording: what they hold now is to be played, unless that is so
    /// already.
    fn reload(&mut self) -> Result<(), String> {
        let Some(path) = self.folder.file().cloned() else { return Ok(()) };
        let text = read_text(&path)?;
        let only_if_other = text == self.latest().0.text();
        let name = path.display().to_string();
        let base = folder::parent(&path);
        let patch = self.parse(&text, &name, &base, &Fresh::All);
        let patch = patch.map_err(|mistakes| mistakes.on_one_line())?;
        let waiting = Waiting::new(patch, base);
        let origin =
            Origin { author: drafts::THE_FILE.into(), reason: format!("{name} was saved") };
        self.wait(Waiting { only_if_other, file: Some(path), origin, ..waiting });
        Ok(())
    }

    /// A patch waits for its turn. What is made from now on is made of it.
    fn wait(&mut self, waiting: Waiting) {
        let (before, after) = (self.latest().0.text().to_owned(), waiting.patch.text());
        self.history.note(&before, after, &waiting.origin);
        self.waiting.push(waiting);
    }

    fn save(&mut self, file: &str, overwrite: bool) -> Result<String, String> {
        let path = self.folder.path_to_save(file)?;
        let Answer::Controls(controls, sounding) = self.ask(Ask::Controls)? else {
            return Err("the engine gave no answer; send it again".into());
        };
        let before = self.before.as_ref().filter(|(number, _)| sounding < *number);
        let (patch, own_file) = match before {
            Some((_, before)) => (before, self.file_before.as_ref()),
            None => (&self.base, self.folder.file()),
        };
        let document = Document::parse(patch.text()).map(|mut document| {
            document.write_controls(patch, &controls);
            document
        });
        let is_own = own_file.is_some_and(|own| chronus_files::is_same(own, &path));
        let _ = self.asks.push(Ask::TakeBack(controls));
        self.folder.save(file, &document?.to_string(), overwrite || is_own)?;
        self.read_recordings_anew();
        Ok(format!("saved as {}", path.display()))
    }

    /// What is saved names files, and means what they hold now.
    fn read_recordings_anew(&mut self) {
        let (latest, base) = self.latest();
        if latest.modules().iter().any(PatchModule::plays_a_file) {
            let waiting = Waiting::new(latest.clone(), base.to_owned());
            // Nobody has asked for more than the file, so nobody is told that it waits.
            self.waiting.push(Waiting { only_if_other: true, is_told: true, ..waiting });
        }
    }

    /// A patch as the successor of the one that plays: modules that are not read anew go on with their recordings.
    fn succeeding(&self, waiting: &Waiting) -> Patch {
        let patch = waiting.patch.clone().succeeding(&self.base);
        let is_moved = waiting.base != self.folder.base();
        patch.with_contents(|module| {
            let plays = self.base.modules().iter().find(|it| it.handle() == module.handle())?;
            let is_pinned = !is_moved && plays.file() == module.file();
            plays.content().filter(|_| is_pinned && !waiting.fresh.has(module.id()))
        })
    }

    /// Whether this is, to the last sample, what plays.
    fn plays_already(&self, packed: &PackedPatch) -> bool {
        let contents = |patch: &Patch| -> Vec<_> {
            patch.modules().iter().map(PatchModule::content).collect()
        };
        packed.patch.text() == self.base.text() && contents(&packed.patch) == contents(&self.base)
    }

    /// Has a patch take the place of the one that plays.
    fn play(&mut self, waiting: &Waiting) -> Result<String, String> {
        permit_trials(&waiting.patch, self.allow_chaos)?;
        let (text, base) = (waiting.patch.text().to_owned(), waiting.base.clone());
        let patch = self.succeeding(waiting);
        let file = waiting.file.as_deref().or(self.folder.file().map(PathBuf::as_path));
        self.watched.note(file, &patch, &base, &waiting.fresh);
        let packed = self.assets.pack(patch, &base)?;
        if waiting.only_if_other && self.plays_already(&packed) {
            return Ok("its recordings hold what they held".into());
        }
        let (patch, time) = (packed.patch.clone(), waiting.time_wall_ns);
        // What is edited over OSC was told when it was set, and the rest when it was loaded.
        let of_file = waiting.file.as_ref().map(|_| waiting.patch.remarks());
        let remarks = [of_file.unwrap_or_default(), packed.remarks.clone()].concat();
        let load = self.budget.check(&packed, &self.memory)?;
        self.take_answers();
        // Not even an edit that is refused later shares its number with another.
        self.number += 1;
        let number = self.number;
        let origin = waiting.origin.clone();
        let score = Arc::new(Score { origin, ..Score::of(&patch, &text, &base) });
        let edition = self.assets.put_edition(number, &packed, &score, time)?;
        let needed = packed.clone();
        let edit = Edit::new(edition, packed, score);
        match self.ask(Ask::Edit(Box::new(edit)))? {
            Answer::Ordered => {}
            Answer::Refused(_, reason) => {
                return Err(format!("{reason}; what played before plays on"));
            }
            _ => return Err("the engine gave no answer; send it again".into()),
        }
        self.assets.needs(&edition, &needed);
        let contents = contents(&patch);
        let before = self.now_playing(patch);
        self.before = Some((number, before));
        self.last_origin = waiting.origin.clone();
        self.file_before = self.folder.file().cloned();
        self.base_before = self.folder.base().to_owned();
        self.folder.set_base(base);
        if let Some(file) = &waiting.file {
            self.folder.now_playing(file.clone());
        }
        for remark in &remarks {
            tracing::warn!("{remark}");
        }
        let told = format!("plays with {contents}, {:.1} % of a core", load * 100.0);
        Ok([&[told], &remarks[..]].concat().join("; "))
    }

    /// Has everybody find the modules of this patch from now on; returns the one before it.
    fn now_playing(&mut self, patch: Patch) -> Patch {
        self.bulletin.put(Directory::of(&patch));
        std::mem::replace(&mut self.base, patch)
    }

    /// Takes what the supervisor has said without being asked.
    fn take_answers(&mut self) {
        while let Ok(answer) = self.answers.pop() {
            self.take_answer(answer);
        }
    }

    fn take_answer(&mut self, answer: Answer) {
        let (edit, refused) = match answer {
            Answer::Refused(edit, reason) => (edit, Some(reason)),
            Answer::Over(edit) => (edit, None),
            Answer::Ordered | Answer::Controls(..) => return,
        };
        let Some((_, before)) = self.before.take_if(|(number, _)| *number == edit.edition.number)
        else {
            return;
        };
        if let Some(reason) = refused {
            self.now_playing(before);
            self.assets.withdraw(edit.edition.number);
            let base = std::mem::take(&mut self.base_before);
            self.folder.back_to(self.file_before.clone(), base);
            tracing::error!("{reason}; what played before plays on");
        }
    }

    /// Asks the supervisor and waits for its answer.
    fn ask(&mut self, ask: Ask) -> Result<Answer, String> {
        let gone = || "the engine is ending".to_owned();
        self.asks.push(ask).map_err(|_| gone())?;
        self.notifier.raise();
        loop {
            match self.answers.pop() {
                // One that was never ordered is the one that is asked for.
                Ok(answer @ Answer::Refused(..)) if self.before.is_none() => return Ok(answer),
                // What is left of the edit before is freed here.
                Ok(answer @ (Answer::Over(_) | Answer::Refused(..))) => self.take_answer(answer),
                Ok(answer) => return Ok(answer),
                Err(_) if self.answers.is_abandoned() => return Err(gone()),
                Err(_) => std::thread::sleep(LOOK),
            }
        }
    }
}

/// What a client is called: by its session, or as its adapter knows it.
fn name_of(drafts: &Drafts, client: &ClientId, answers: &Outbox) -> String {
    drafts.session_of(client).map_or_else(|| answers.name_of(client), str::to_owned)
}

/// Refuses a patch that could do harm on purpose, unless that is wanted.
fn permit_trials(patch: &Patch, allow_chaos: bool) -> Result<(), String> {
    match patch.trial().filter(|_| !allow_chaos) {
        None => Ok(()),
        Some(module) => Err(format!(
            "the module `{}` is of the kind `{}`, which does harm on purpose; to try that, run with --allow-chaos",
            module.id(),
            module.spec().kind
        )),
    }
}
