//! Journals: what can be read can be rendered, and a journal that was cut short holds the beginning of the
//! whole.

use std::fs::File;
use std::path::{Path, PathBuf};

use chronus::rendering::render_journal;
use chronus_engine::{BLOCK_FRAMES, Command, Patch};
use chronus_journal::JournalWriter;
use chronus_journal::{Journal, Origin, Score};
use chronus_replication::Entry;
use chronus_replication::amendment::{Amendment, Change};

use crate::instruments::{TEXTS, is_small};

/// As many blocks are rendered.
const BLOCKS: usize = 12;

/// The target.
pub fn run(bytes: &[u8]) {
    let name = Path::new("fuzzed.journal");
    let Ok(mut journal) = Journal::read_from(bytes, name) else { return };
    if let Ok(cut) = Journal::read_from(&bytes[..bytes.len() * 3 / 4], name) {
        assert!(journal.entries.starts_with(&cut.entries), "a cut journal holds something else");
        assert!(journal.amendments.starts_with(&cut.amendments));
    }
    let patches = journal.edits.values().map(|(patch, _)| patch).chain([&journal.patch]);
    // Files that a journal names are not to be read here.
    let names_files = |patch: &Patch| patch.modules().iter().any(|it| it.file().is_some());
    let is_unfit = |patch: &Patch| !is_small(patch) || names_files(patch);
    if patches.into_iter().any(is_unfit)
        || !journal.named.is_empty()
        || journal.scores.iter().any(|score| !score.recordings.is_empty())
    {
        return;
    }
    journal.frames = journal.frames.min((BLOCKS * BLOCK_FRAMES) as u64);
    let _ = render_journal(journal);
}

/// Journals with commands, an edit, gaps and amendments, written as the program does.
pub fn seeds() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("seed.journal");
    let score = |text: &str| Score {
        text: text.to_owned(),
        folder: PathBuf::from("songs"),
        recordings: Vec::new(),
        origin: Origin::default(),
    };
    let journal = |(first, second): (&str, &str)| {
        let mut writer = JournalWriter::create(
            File::create(&path).expect("a file"),
            &path,
            &score(first),
            8_000,
        )
        .expect("create");
        let commands = [Command::Mute(true), Command::Mute(false), Command::Restart];
        for (sequence, command) in commands.iter().enumerate() {
            let (sequence, frame) = (sequence as u64, sequence as u64 * 70);
            writer.command(&Entry { sequence, frame, payload: command.encode() });
        }
        writer.score(&score(second).into());
        let edit = Command::Edit { number: 1 }.encode();
        writer.command(&Entry { sequence: 3, frame: 300, payload: edit });
        let bypass = Command::Bypass { module: chronus_engine::Handle(1) };
        let changes = [Change::Withhold { sequence: 2 }, Change::Insert(bypass.encode())];
        for (number, change) in (0..).zip(changes) {
            writer.amendment(&Amendment { number, block: 5 + number, change });
        }
        writer.reached(640);
        writer.gap(3);
        writer.finish(1280);
        std::fs::read(&path).expect("it was written")
    };
    [(TEXTS[0], TEXTS[2]), (TEXTS[2], TEXTS[0])].into_iter().map(journal).collect()
}
