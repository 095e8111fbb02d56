//! The name of an output as a person types it: `auto`, `jack`, `pulse`, `null`, `wav:FILE`,
//! `alsa[:DEVICE]`.

use std::{fmt, path::PathBuf, str::FromStr};

/// Which device to connect to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OutputSpec {
    /// The first that answers: JACK, PulseAudio, ALSA if built in. Until one does, it is looked for.
    #[default]
    Auto,
    /// A JACK server, or PipeWire's.
    Jack,
    /// A PulseAudio server, or PipeWire's.
    Pulse,
    /// No sound, but the pace of a sound card.
    Null,
    /// A WAV file, written at the pace of a sound card.
    Wav(PathBuf),
    /// ALSA: the named device, or the default one.
    Alsa(Option<String>),
}

/// A name that is no output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseOutputError {
    /// Nothing known by that name.
    #[error("unknown output `{0}`: use auto, jack, pulse, null, wav:FILE or alsa[:DEVICE]")]
    Unknown(String),
    /// `wav` without a file.
    #[error("the output `wav` needs a file name, for example wav:out.wav")]
    NoFile,
}

impl FromStr for OutputSpec {
    type Err = ParseOutputError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, rest) = match text.split_once(':') {
            Some((name, rest)) => (name, Some(rest)),
            None => (text, None),
        };
        match (name, rest) {
            ("auto", None) => Ok(Self::Auto),
            ("jack", None) => Ok(Self::Jack),
            ("pulse", None) => Ok(Self::Pulse),
            ("null", None) => Ok(Self::Null),
            ("wav", None | Some("")) => Err(ParseOutputError::NoFile),
            ("wav", Some(file)) => Ok(Self::Wav(file.into())),
            ("alsa", None) => Ok(Self::Alsa(None)),
            ("alsa", Some(device)) if !device.is_empty() => Ok(Self::Alsa(Some(device.into()))),
            _ => Err(ParseOutputError::Unknown(text.into())),
        }
    }
}

impl fmt::Display for OutputSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Jack => f.write_str("jack"),
            Self::Pulse => f.write_str("pulse"),
            Self::Null => f.write_str("null"),
            Self::Wav(path) => write!(f, "wav:{}", path.display()),
            Self::Alsa(None) => f.write_str("alsa"),
            Self::Alsa(Some(device)) => write!(f, "alsa:{device}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_it_is_written() {
        for text in
            ["auto", "jack", "pulse", "null", "wav:/tmp/a:b.wav", "alsa", "alsa:hw:CARD=PCH,DEV=0"]
        {
            assert_eq!(text.parse::<OutputSpec>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_name_says_what_would_be_right() {
        for text in ["", "Jack", "null:x", "alsa:", "oss"] {
            let error = text.parse::<OutputSpec>().unwrap_err();
            assert!(error.to_string().contains("wav:FILE"), "{error}");
        }
        assert_eq!("wav:".parse::<OutputSpec>(), Err(ParseOutputError::NoFile));
        assert_eq!("wav".parse::<OutputSpec>(), Err(ParseOutputError::NoFile));
    }
}
