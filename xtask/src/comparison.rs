//! What was played, frame by frame beside what the journal gives.

use std::error::Error;
use std::path::{Path, PathBuf};

use chronus_engine::BLOCK_FRAMES;

/// What comparing came to.
#[derive(Debug, Default)]
pub struct Comparison {
    /// How many frames were compared.
    pub frames: u64,
    /// Those that differ.
    pub different: Vec<u64>,
    /// Frames that a supervisor had not written to its file when it died; nobody knows how they would have
    /// been.
    pub unwritten: u64,
}

/// A file of sound, and the frame of the performance with which it begins. A supervisor that takes over
/// writes another file.
struct Take {
    path: PathBuf,
    start: u64,
}

/// As the engine's log tells.
fn takes(folder: &Path, first: &str, log: &str) -> Vec<Take> {
    let mut takes = vec![(folder.join(first), Some(0))];
    for line in log.lines() {
        if let Some((_, name)) = line.split_once("the sound goes on in ") {
            takes.push((folder.join(name), None));
        } else if let Some((_, rest)) = line.split_once("the sound goes on at frame ")
            && let Some((_, start)) = takes.last_mut()
        {
            *start = rest.split(',').next().and_then(|frame| frame.parse().ok());
        }
    }
    // One that was killed before its sound went on has written nothing.
    takes.into_iter().filter_map(|(path, start)| Some(Take { path, start: start? })).collect()
}

/// Compares in pieces, because a free-running campaign plays for an hour.
///
/// # Errors
/// If a file can't be read, frames were played twice or not at all, or all is silent, which proves nothing.
pub fn compare(
    folder: &Path,
    (played, expected): (&str, &str),
    log: &str,
) -> Result<Comparison, Box<dyn Error>> {
    let mut expected = hound::WavReader::open(folder.join(expected))?;
    let length = u64::from(expected.duration());
    let mut expected = expected.samples::<f32>();
    let (mut found, mut at, mut loud) = (Comparison::default(), 0, 0_u64);
    for (number, take) in takes(folder, played, log).iter().enumerate() {
        let mut file = hound::WavReader::open(&take.path)?;
        let frames = u64::from(file.duration());
        if take.start < at || take.start + frames > length {
            return Err(format!("{} does not fit into the journal", take.path.display()).into());
        }
        for _ in at..take.start {
            for _ in 0..2 {
                expected.next().ok_or("cut short")??;
            }
        }
        found.unwritten += take.start - at;
        let mut samples = file.samples::<f32>();
        for frame in 0..frames {
            // Who takes over fades its first block in.
            let is_faded = number > 0 && frame < BLOCK_FRAMES as u64;
            let mut differs = false;
            for _ in 0..2 {
                let heard = samples.next().ok_or("cut short")??;
                let expected = expected.next().ok_or("cut short")??;
                let is_right = heard.to_bits() == expected.to_bits()
                    || is_faded && heard.abs() <= expected.abs();
                differs |= !is_right;
                loud += u64::from(heard.abs() > 0.05);
            }
            if differs {
                found.different.push(take.start + frame);
            }
        }
        found.frames += frames;
        at = take.start + frames;
    }
    if at != length {
        return Err(format!("{at} frames were played, and the journal gives {length}").into());
    }
    if loud == 0 {
        return Err("silence proves nothing".into());
    }
    Ok(found)
}
