//! Audio files of others: whatever they hold, they are read within their limit or refused with a sentence.

use std::path::Path;

use chronus::content::{Limit, read_opened};
use chronus_files::Opened;
use chronus_os::memfd::file_holding;

/// So many bytes of samples may be read.
const LIMIT_BYTES: u64 = 1 << 20;

/// The target.
pub fn run(bytes: &[u8]) {
    let name = Path::new("fuzzed.wav");
    let file = file_holding("chronus-fuzz", bytes).expect("memory");
    let opened = Opened { file, bytes: bytes.len() as u64 };
    match read_opened(opened, name, Limit::of(LIMIT_BYTES)) {
        Ok(found) => {
            let content = found.content;
            assert!(content.channels > 0 && content.rate_hz > 0);
            assert!(!content.samples.is_empty());
            assert!(content.samples.len().is_multiple_of(content.channels));
            assert!(content.samples.iter().all(|sample| sample.is_finite()));
            assert!(size_of_val(content.samples.as_slice()) as u64 <= LIMIT_BYTES);
        }
        Err(sentence) => assert!(sentence.contains("fuzzed.wav"), "{sentence}"),
    }
}

/// A WAV and an AIFF file, and files that libraries decode.
pub fn seeds() -> Vec<Vec<u8>> {
    let wav = |coding: u8, bits: u8| {
        let mut file = b"RIFF\x54\0\0\0WAVEnote\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
        file.extend([coding, 0, 2, 0, 0x80, 0xbb, 0, 0, 0, 0, 0, 0, bits / 4, 0, bits, 0]);
        file.extend(b"data\x20\0\0\0");
        file.extend(0..32);
        file
    };
    let mut aiff = b"FORM\0\0\0\x32AIFFCOMM\0\0\0\x12\0\x01\0\0\0\x04\0\x10".to_vec();
    aiff.extend([0x40, 0x0e, 0xbb, 0x80, 0, 0, 0, 0, 0, 0]);
    aiff.extend(b"SSND\0\0\0\x10\0\0\0\0\0\0\0\0abcdefgh");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chronus/tests/data");
    let compressed = ["tone.flac", "tone.ogg", "tone.mp3"].map(|name| {
        std::fs::read(data.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    });
    [wav(1, 16), wav(1, 24), wav(3, 32), wav(3, 64), aiff].into_iter().chain(compressed).collect()
}
