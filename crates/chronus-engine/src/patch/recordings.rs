//! The recordings that modules play: what a recording is, and where it can be had.

use core::fmt;
use core::str::FromStr;

use chronus_dsp::Recording;
use serde::{Deserialize, Serialize};

use super::{Patch, PatchModule};

/// What a recording is, wherever it lies and whatever its file is called: a digest of its rate, its channels and
/// its samples. Two recordings with the same digest sound alike, to the bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContentDigest(pub [u8; 32]);

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// This is no digest: it does not have 64 digits from 0 to f.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest has 64 digits from 0 to f")]
pub struct NoDigest;

impl FromStr for ContentDigest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Self, NoDigest> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 64 || !text.bytes().all(is_digit) {
            return Err(NoDigest);
        }
        let mut digest = [0; 32];
        for (at, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| NoDigest)?;
        }
        Ok(Self(digest))
    }
}

/// Where the recordings are that patches name.
pub trait Recordings {
    /// The recording of a module, prepared for its kind; `None` if it can't be had, and then the module is silent.
    fn get(&self, module: &PatchModule) -> Option<Recording>;
}

/// No recordings at all.
pub struct NoRecordings;

impl Recordings for NoRecordings {
    fn get(&self, _: &PatchModule) -> Option<Recording> {
        None
    }
}

impl PatchModule {
    /// Whether it names a recording that a module of its kind can play.
    pub fn plays_a_file(&self) -> bool {
        self.spec().recording.is_some() && self.file().is_some_and(|file| !file.is_empty())
    }

    /// What the recording is that it plays, if that was found out; else only its name is known.
    pub fn content(&self) -> Option<ContentDigest> {
        self.content
    }
}

impl Patch {
    /// This patch, with what the recordings of its modules are.
    #[must_use]
    pub fn with_contents(
        mut self,
        mut content_of: impl FnMut(&PatchModule) -> Option<ContentDigest>,
    ) -> Self {
        for module in &mut self.modules {
            module.content = content_of(module).filter(|_| module.plays_a_file());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = ContentDigest(core::array::from_fn(|at| 7 * at as u8));
        let text = digest.to_string();
        assert_eq!((text.len(), text.parse()), (64, Ok(digest)));
        for wrong in ["", &text[1..], &text.to_uppercase(), &text.replace('0', "ä")] {
            assert_eq!(wrong.parse::<ContentDigest>(), Err(NoDigest), "{wrong}");
        }
    }
}
