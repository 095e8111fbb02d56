//! Journals are read as they were written, and those of before.

use super::*;
use old::old_journal;

#[path = "../tests/support/old.rs"]
mod old;

#[test]
fn a_journal_is_read_as_written_and_up_to_where_it_was_cut() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("a.journal");
    let score = score_of(&Patch::first());
    let mut writer =
        JournalWriter::create(File::create(&path).expect("a file"), &path, &score, 44_100)
            .expect("create");
    let mut entries: Vec<Entry> =
        (0..3).map(|n| Entry { sequence: n, frame: n * 7, payload: [n, 1, 2, 3, 4] }).collect();
    for entry in &entries {
        writer.command(entry);
    }
    let quiet = Patch::first().text().replace("gain = 0.5", "gain = 0.25");
    let edited = Arc::new(Score { text: quiet, ..score.clone() });
    writer.score(&edited);
    let edit = Command::Edit { number: 1 }.encode();
    entries.push(Entry { sequence: 3, frame: 99, payload: edit });
    writer.command(&entries[3]);
    let change = Change::Withhold { sequence: 1 };
    let amendment = Amendment { number: 0, block: 5, change };
    writer.amendment(&amendment);
    writer.reached(640);
    writer.gap(9);
    writer.finish(1280);
    let journal = Journal::read(&path).expect("read");
    assert_eq!((journal.rate_hz, journal.frames, journal.complete), (44_100, 1280, true));
    assert_eq!(journal.amendments, [amendment]);
    assert_eq!((journal.entries, journal.gaps), (entries.clone(), vec![9]));
    assert_eq!((journal.edits.len(), journal.edits[&1].0.modules()[0].params()[1]), (1, 0.25));
    assert_eq!(journal.scores, [score, (*edited).clone()]);

    let bytes = std::fs::read(&path).expect("bytes");
    std::fs::write(&path, &bytes[..bytes.len() - 65]).expect("cut");
    let journal = Journal::read(&path).expect("read");
    assert_eq!((journal.frames, journal.complete, journal.entries.len()), (640, false, 4));
    assert!(Journal::is_one(&path));
}

fn score_of(patch: &Patch) -> Score {
    let text = patch.text().to_owned();
    let content = ContentDigest([7; 32]);
    let played = Played { module: "a".into(), file: "a.wav".into(), content };
    Score {
        text,
        folder: PathBuf::from("songs"),
        recordings: vec![played],
        origin: Origin::default(),
    }
}

#[test]
fn an_edit_without_its_score_ends_a_journal() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("c.journal");
    let score = score_of(&Patch::first());
    let mut writer =
        JournalWriter::create(File::create(&path).expect("a file"), &path, &score, 48_000)
            .expect("create");
    let edit = Command::Edit { number: 1 }.encode();
    for (sequence, payload) in [[4, 0, 0, 0, 0], edit, [4, 0, 0, 0, 0]].into_iter().enumerate() {
        writer.command(&Entry { sequence: sequence as u64, frame: 0, payload });
    }
    writer.finish(64);
    let journal = Journal::read(&path).expect("read");
    assert_eq!((journal.entries.len(), journal.complete), (1, false));
    assert_eq!(journal.damage, Some("the patch of an edit is missing"));
}

#[test]
fn what_is_whole_ends_before_an_edit_whose_score_is_damaged() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("d.journal");
    let score = score_of(&Patch::first());
    let mut bytes = header(&score, 48_000).expect("a header");
    let command = |sequence, payload| Record::Command(Entry { sequence, frame: 0, payload });
    command(0, [4, 0, 0, 0, 0]).encode(&mut bytes);
    let before = bytes.len();
    Record::Score(Arc::new(score)).encode(&mut bytes);
    let within = before + RECORD_BYTES + 5;
    command(1, Command::Edit { number: 1 }.encode()).encode(&mut bytes);
    let whole = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        let whole = whole_part(&File::open(&path).expect("a file"), 48_000).expect("ours");
        (whole.bytes, whole.commands)
    };
    assert_eq!(whole(&bytes), (bytes.len() as u64, 2));
    assert_eq!(whole(&bytes[..within]), (before as u64, 1));
    // Such a text still decodes; only its checksum tells.
    bytes[within] ^= 1;
    assert_eq!(whole(&bytes), (before as u64, 1));
}

#[test]
fn what_is_damaged_is_told_apart_from_what_is_cut_short() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("d.journal");
    let score = score_of(&Patch::first());
    let mut writer =
        JournalWriter::create(File::create(&path).expect("a file"), &path, &score, 48_000)
            .expect("create");
    let payload = [4, 0, 0, 0, 0];
    writer.command(&Entry { sequence: 0, frame: 7, payload });
    writer.reached(640);
    writer.command(&Entry { sequence: 1, frame: 900, payload });
    writer.finish(1280);
    let whole = std::fs::read(&path).expect("bytes");
    let records = whole.len() - 4 * RECORD_BYTES;
    let read = |bytes: &[u8]| Journal::read_from(bytes, &path);
    let found = |bytes: &[u8]| {
        let journal = read(bytes).expect("a journal");
        (journal.damage, journal.unread_bytes, journal.frames, journal.last_frame())
    };
    assert_eq!(found(&whole), (None, 0, 1280, 1280));
    let rubbish = [&whole[..], b"rubbish"].concat();
    assert_eq!(found(&rubbish), (None, 7, 1280, 1280));
    assert_eq!(found(&whole[..whole.len() - 10]), (None, 0, 640, 900));
    let mut flipped = whole.clone();
    flipped[records + 2 * RECORD_BYTES + 9] ^= 1;
    assert_eq!(found(&flipped), (Some("a record is damaged"), 128, 640, 640));
    for cut in [3, 8, 19, 20, records - 1] {
        let error = read(&whole[..cut]).expect_err("cut").to_string();
        assert!(error.contains("is damaged: it ends within its"), "{cut}: {error}");
        std::fs::write(&path, &whole[..cut]).expect("cut");
        assert!(Journal::is_one(&path), "{cut}");
    }
    let mut other = whole;
    assert!(read(&other).expect("it is whole").is_exact());
    for version in [3, 9] {
        other[8] = version;
        let error = read(&other).expect_err("another version").to_string();
        let expected = format!("of version {version}, and this program reads those of 4 to 7");
        assert!(error.contains(&expected), "{error}");
    }
}

#[test]
fn journals_of_before_are_read_and_keep_to_the_files_that_they_name() {
    for version in [4, 5] {
        let bytes = old_journal(version, Patch::first().text(), Path::new("songs"), 7);
        let journal = Journal::read_from(&bytes[..], Path::new("old.journal")).expect("read");
        assert!(journal.complete && !journal.is_exact());
        let named = (PathBuf::from("songs/a.wav"), 7);
        assert_eq!(journal.named, [named.clone(), named]);
        assert_eq!((journal.edits.len(), journal.scores[1].recordings.len()), (1, 0));
    }
}

#[test]
fn a_journal_that_a_supervisor_left_is_as_long_as_was_played() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("e.journal");
    let mut bytes = header(&score_of(&Patch::first()), 48_000).expect("a header");
    Record::Reached(640).encode(&mut bytes);
    Record::Resumed(1000, 1024).encode(&mut bytes);
    let journal = Journal::read_from(&bytes[..], &path).expect("read");
    assert_eq!((journal.frames, journal.complete), (1000, false));
}

#[test]
fn anything_else_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("b.journal");
    std::fs::write(&path, b"RIFF....WAVE").expect("write");
    let error = Journal::read(&path).expect_err("not a journal").to_string();
    assert!(error.contains("give a file written by `chronus run --journal`"), "{error}");
}

#[test]
fn what_a_patch_leaves_out_is_what_it_was_when_it_was_played() {
    let text = "format = 1\n[[module]]\nid = \"s\"\nkind = \"sine\"\n[output]\nleft = \"s.out\"\n\
                right = \"s.out\"\n";
    let patch = Patch::parse(text, "s").expect("a patch");
    for (version, freq_hz) in [(4, 440.0), (5, 440.0), (7, 261.625_58)] {
        let bytes = if version == VERSION {
            header(&score_of(&patch), 48_000).expect("a header")
        } else {
            old_journal(version, text, Path::new("songs"), 7)
        };
        let journal = Journal::read_from(&bytes[..], Path::new("a.journal")).expect("read");
        assert_eq!(journal.patch.modules()[0].params()[0], freq_hz, "version {version}");
        assert_eq!(journal.is_exact(), version >= 6);
    }
}
