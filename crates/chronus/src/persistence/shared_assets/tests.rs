//! What lies among the shared assets stays there as long as anybody may read it, whoever writes it.

use chronus_journal::Origin;

use super::*;

/// A patch whose only module plays `file`.
fn patch(kind: &str, file: &str) -> Patch {
    let out = if kind == "sample" { "left" } else { "out" };
    let text = format!(
        "format = 1\n[[module]]\nid = \"s\"\nkind = \"{kind}\"\nfile = \"{file}\"\n\
         [output]\nleft = \"s.{out}\"\nright = \"s.{out}\"\n"
    );
    Patch::parse(&text, "a.toml").unwrap_or_else(|error| panic!("{error}"))
}

fn write(folder: &Path, file: &str, level: f32, samples: usize) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut file = hound::WavWriter::create(folder.join(file), spec).expect("a file");
    for _ in 0..samples {
        file.write_sample(level).expect("written");
    }
    file.finalize().expect("whole");
}

/// The samples that a worker finds for the only module of a packed patch.
fn found(packed: &PackedPatch, memory: &Arc<Memfd>) -> Vec<f32> {
    let (patch, recordings) = packed.clone().open(memory);
    recordings.get(&patch.modules()[0]).expect("a recording").samples().to_vec()
}

/// Has an edition play.
fn play(assets: &mut SharedAssets, number: u32, packed: &PackedPatch) {
    let text = packed.patch.text().to_owned();
    let score =
        Score { text, folder: PathBuf::new(), recordings: Vec::new(), origin: Origin::default() };
    let edition = assets.put_edition(number, packed, &score, None).expect("room");
    assets.needs(&edition, packed);
}

fn memory() -> Arc<Memfd> {
    Arc::new(chronus_shm::region::create_shared_assets().expect("memory"))
}

#[test]
fn the_same_content_has_one_place_whatever_its_file_is_called() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let memory = memory();
    let mut assets = SharedAssets::new(memory.clone(), Stock::default());
    write(folder, "a.wav", 0.25, 5_000);
    write(folder, "b.wav", 0.25, 5_000);
    let a = assets.pack(patch("sample", "a.wav"), folder).expect("a packed patch");
    let b = assets.pack(patch("sample", "b.wav"), folder).expect("a packed patch");
    assert_eq!(a.recordings, b.recordings);
    // A module that knows its recording needs no file.
    std::fs::remove_file(folder.join("a.wav")).expect("removed");
    play(&mut assets, 0, &a);
    assert_eq!(
        assets.pack(a.patch.clone(), folder).expect("a packed patch").recordings,
        a.recordings
    );
    // Nor does one of another kind that plays the same.
    let content = a.patch.modules()[0].content();
    let table = patch("wavetable", "a.wav").with_contents(|_| content);
    let table = assets.pack(table, folder).expect("a packed patch");
    assert_eq!(table.patch.modules()[0].content(), content);
    assert!(found(&table, &memory) != found(&a, &memory), "it is prepared");
    write(folder, "a.wav", 0.25, 4_000);
    let shorter = assets.pack(patch("sample", "a.wav"), folder).expect("a packed patch");
    assert_ne!(shorter.patch.modules()[0].content(), content);
}

#[test]
fn what_lies_there_since_long_ago_is_not_believed_and_costs_nothing_that_plays() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let memory = memory();
    let mut assets = SharedAssets::new(memory.clone(), Stock::default());
    let mut all = Vec::new();
    // Of many sizes, so that places are given back and taken anew, otherwise divided.
    for (number, samples) in (0..).zip([9_000, 3_000, 20_000, 2_000, 7_000, 1_500, 4_000, 6_000]) {
        write(folder, "a.wav", 0.01 * (number + 1) as f32, samples);
        let packed = assets.pack(patch("sample", "a.wav"), folder).expect("a packed patch");
        play(&mut assets, number, &packed);
        all.push(packed);
    }
    let playing = all.last().expect("some").clone();
    let expected = found(&playing, &memory);
    let mut assets = SharedAssets::taken_over(memory.clone(), Stock::default(), 0, &all, &playing);
    // The file that the first edition named holds something else by now.
    let first = assets.pack(all[0].patch.clone(), folder).expect("a packed patch");
    assert_eq!(found(&first, &memory), expected, "what it held is gone, so the file is read");
    let again = assets.pack(playing.patch.clone(), folder).expect("a packed patch");
    assert_eq!(again.recordings, playing.recordings, "it keeps its place");
    for number in 8..14 {
        write(folder, "b.wav", 0.5, 1_000 * number as usize);
        let packed = assets.pack(patch("sample", "b.wav"), folder).expect("a packed patch");
        assert_eq!(found(&playing, &memory), expected, "before edition {number}");
        drop(packed);
        play(&mut assets, number, &again);
    }
    assert_eq!(found(&playing, &memory), expected);
}

#[test]
fn more_than_the_memory_for_recordings_is_refused_and_given_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let stock = Stock { memory_bytes: 100_000, ..Stock::default() };
    let mut assets = SharedAssets::new(memory(), stock);
    for file in ["a.wav", "b.wav"] {
        write(folder, file, if file == "a.wav" { 0.1 } else { 0.2 }, 15_000);
    }
    let mut two = patch("sample", "a.wav").text().to_owned();
    two += "[[module]]\nid = \"t\"\nkind = \"sample\"\nfile = \"b.wav\"\n";
    let two = Patch::parse(&two, "two.toml").unwrap_or_else(|error| panic!("{error}"));
    let error = assets.pack(two, folder).expect_err("it is too much");
    for words in ["b.wav takes at least 1 MiB", "--sample-memory", "others take"] {
        assert!(error.contains(words), "{error}");
    }
    assets.pack(patch("sample", "b.wav"), folder).expect("one of them is not too much");
}
