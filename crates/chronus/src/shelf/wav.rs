//! WAV files that patches play.

use std::io;
use std::path::Path;

/// What recordings may be, to go on after what is wrong with one.
const READABLE: &str = "read are WAV files of 8, 16, 24 or 32-bit integers or 32-bit floats, \
                        uncompressed and whole; save or convert it as such";

/// What is wrong with a WAV file.
fn why(error: &hound::Error) -> String {
    match error {
        hound::Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            "it ends too early".into()
        }
        hound::Error::IoError(error) => error.to_string(),
        hound::Error::FormatError(why) => format!("it is no WAV file, or a broken one ({why})"),
        hound::Error::Unsupported => "its samples are of another kind".into(),
        other => other.to_string(),
    }
}

/// Reads a WAV file: interleaved samples from -1 to 1, channels and rate.
///
/// # Errors
/// A sentence with the name of the file.
pub fn read_wav(path: &Path) -> Result<(Vec<f32>, usize, u32), String> {
    let wrong = |why: &dyn std::fmt::Display| {
        format!("can't read the recording {}: {why}; {READABLE}", path.display())
    };
    let mut reader = hound::WavReader::open(path).map_err(|error| match error {
        hound::Error::IoError(error) if error.kind() == io::ErrorKind::NotFound => format!(
            "there is no recording {}; `file` counts from the folder of the patch file",
            path.display()
        ),
        error => wrong(&why(&error)),
    })?;
    let spec = reader.spec();
    if spec.sample_rate == 0 {
        return Err(wrong(&"its sample rate is 0"));
    }
    let samples: Result<Vec<f32>, hound::Error> = match spec.sample_format {
        hound::SampleFormat::Float => reader.samples::<f32>().collect(),
        hound::SampleFormat::Int => {
            let full_scale = 2_f32.powi(i32::from(spec.bits_per_sample) - 1);
            reader.samples::<i32>().map(|sample| Ok(sample? as f32 / full_scale)).collect()
        }
    };
    let samples = samples.map_err(|error| wrong(&why(&error)))?;
    if samples.is_empty() {
        return Err(wrong(&"it holds no sound"));
    }
    let finite = |sample: f32| if sample.is_finite() { sample } else { 0.0 };
    let samples = samples.into_iter().map(finite).collect();
    Ok((samples, usize::from(spec.channels), spec.sample_rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A WAV file of these fields, with so many bytes of sound that its head says to be `length`.
    fn file(coding: u16, rate_hz: u32, bits: u16, bytes: usize, length: u32) -> Vec<u8> {
        let frame_bytes = bits / 8;
        let mut file = b"RIFF".to_vec();
        file.extend(length.saturating_add(36).to_le_bytes());
        file.extend(b"WAVEfmt \x10\0\0\0");
        file.extend(coding.to_le_bytes());
        file.extend(1_u16.to_le_bytes());
        file.extend(rate_hz.to_le_bytes());
        file.extend(rate_hz.saturating_mul(u32::from(frame_bytes)).to_le_bytes());
        file.extend([frame_bytes, bits].map(u16::to_le_bytes).concat());
        file.extend(b"data");
        file.extend(length.to_le_bytes());
        file.resize(file.len() + bytes, 1);
        file
    }

    fn read(content: &[u8]) -> Result<(Vec<f32>, usize, u32), String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.wav");
        std::fs::write(&path, content).expect("a file");
        read_wav(&path)
    }

    #[test]
    fn what_is_said_to_be_read_is_read() {
        const PCM: u16 = 1;
        const FLOAT: u16 = 3;
        for (coding, bits) in [(PCM, 8), (PCM, 16), (PCM, 24), (PCM, 32), (FLOAT, 32)] {
            let bytes = 4 * usize::from(bits) / 8;
            let found = read(&file(coding, 44_100, bits, bytes, bytes as u32));
            let (samples, channels, rate_hz) = found.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((samples.len(), channels, rate_hz), (4, 1, 44_100), "{coding} {bits}");
        }
    }

    #[test]
    fn real_files_that_are_not_read_are_told_why_and_what_is() {
        const A_LAW: u16 = 6;
        for (what, content) in [
            ("A-law", file(A_LAW, 8_000, 8, 4, 4)),
            ("64-bit floats", file(3, 48_000, 64, 16, 16)),
            ("an odd size", file(1, 48_000, 16, 5, 5)),
            ("a pipe's length", file(1, 48_000, 16, 4, u32::MAX)),
            ("cut off", file(1, 48_000, 16, 4, 400)),
            ("no sound", file(1, 48_000, 16, 0, 0)),
            ("no WAV file", b"ID3\x03, a song".to_vec()),
        ] {
            let error = read(&content).expect_err(what);
            assert!(error.contains("8, 16, 24 or 32-bit integers"), "{what}: {error}");
        }
        let error = read(&file(1, 0, 16, 4, 4)).expect_err("no rate");
        assert!(error.contains("its sample rate is 0"), "{error}");
    }

    #[test]
    fn a_file_that_is_missing_is_said_to_be() {
        let error = read_wav(Path::new("/nowhere/a.wav")).expect_err("there is none");
        assert!(error.starts_with("there is no recording /nowhere/a.wav;"), "{error}");
    }
}
