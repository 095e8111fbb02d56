//! Journals of earlier versions are rendered as long as the files that they name are those of then.

use std::path::Path;

use chronus::rendering::render_journal;
use chronus_journal::{Journal, old_digest};

#[path = "../../chronus-journal/tests/support/old.rs"]
mod old;

use old::old_journal;

#[test]
fn a_journal_of_before_is_rendered_as_long_as_its_files_are_those_of_then() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.wav");
    let write = |samples: &[f32]| {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 48_000,
            bits_per_sample: 32,
            sample_format: hound::SampleFormat::Float,
        };
        let mut file = hound::WavWriter::create(&path, spec).expect("a file");
        for sample in samples {
            file.write_sample(*sample).expect("written");
        }
        file.finalize().expect("whole");
    };
    let samples = vec![0.5; 48_000];
    let text = "format = 1\n[[module]]\nid = \"s\"\nkind = \"wavetable\"\nfile = \"a.wav\"\n\
                [output]\nleft = \"s.out\"\nright = \"s.out\"\n";
    let bytes = old_journal(5, text, folder.path(), old_digest(&samples));
    let render = || {
        let journal = Journal::read_from(&bytes[..], Path::new("old.journal")).expect("read");
        render_journal(journal)
    };
    let error = render().expect_err("it is not there").to_string();
    assert!(error.contains("there is no recording"), "{error}");
    write(&samples);
    assert_eq!(render().expect("rendered").len(), 2 * 640);
    write(&samples[1..]);
    let error = render().expect_err("it is another").to_string();
    assert!(error.contains("is not the recording that was played"), "{error}");
}
