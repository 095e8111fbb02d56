//! Arguments: as senders write them, and as the engine reads them.

use chronus_control::shortened_word;
use rosc::{OscMessage, OscPacket, OscType, encoder};

/// Reads arguments as typed on a command line: whole numbers, decimals, `true` and `false`, and text;
/// `i:`, `h:`, `f:`, `d:` or `s:` in front forces a type.
///
/// # Errors
/// A sentence about the argument that can't be read.
pub fn encode_arguments(words: &[String]) -> Result<Vec<OscType>, String> {
    words.iter().map(|word| encode_argument(word)).collect()
}

fn encode_argument(word: &str) -> Result<OscType, String> {
    let wrong = |kind: &str| format!("`{word}` is no {kind}");
    let forced = word.split_once(':').filter(|(kind, _)| kind.len() == 1);
    match forced {
        Some(("i", text)) => text.parse().map(OscType::Int).map_err(|_| wrong("32-bit int")),
        Some(("h", text)) => text.parse().map(OscType::Long).map_err(|_| wrong("64-bit int")),
        Some(("f", text)) => text.parse().map(OscType::Float).map_err(|_| wrong("float")),
        Some(("d", text)) => text.parse().map(OscType::Double).map_err(|_| wrong("double")),
        Some(("s", text)) => Ok(OscType::String(text.to_owned())),
        _ => Ok(guess(word)),
    }
}

fn guess(word: &str) -> OscType {
    if let Ok(int) = word.parse::<i32>() {
        OscType::Int(int)
    } else if let Ok(long) = word.parse::<i64>() {
        OscType::Long(long)
    } else if let Some(float) = word.parse::<f32>().ok().filter(|float| float.is_finite()) {
        // `nan` and `inf` are words, unless they are forced to be numbers.
        OscType::Float(float)
    } else if let Ok(truth) = word.parse::<bool>() {
        OscType::Bool(truth)
    } else {
        OscType::String(word.to_owned())
    }
}

/// An OSC message as bytes.
///
/// # Errors
/// A sentence, if the address does not begin with `/`.
pub fn message(address: &str, args: Vec<OscType>) -> Result<Vec<u8>, String> {
    if address.trim_matches('/').is_empty() {
        return Err("the address is missing; give one such as /status".into());
    }
    if !address.starts_with('/') {
        return Err(format!("an OSC address begins with `/`; did you mean `/{address}`?"));
    }
    encoder::encode(&OscPacket::Message(OscMessage { addr: address.to_owned(), args }))
        .map_err(|error| error.to_string())
}

/// The one argument of a message.
pub(crate) fn single<'a>(args: &'a [OscType], wanted: &str) -> Result<&'a OscType, String> {
    match args {
        [one] => Ok(one),
        [] => Err(format!("an argument is missing; give {wanted}")),
        _ => Err(format!("there are {} arguments, and one is wanted; give {wanted}", args.len())),
    }
}

/// Letters of the longest name. Files, modules and keys are called by fewer.
const LONGEST_NAME: usize = 255;

/// A name, if somebody could mean it. What is longer is refused here, before it is quoted in every sentence about it.
pub(crate) fn named(name: String) -> Result<String, String> {
    match name.chars().count() {
        0..=LONGEST_NAME => Ok(name),
        count => Err(format!(
            "a name of {count} letters is too long: `{}`; give one of {LONGEST_NAME} at most",
            shortened_word(&name)
        )),
    }
}

/// A finite number, from any type that can say one. `wanted` says which would be right.
pub(crate) fn number(arg: &OscType, wanted: &str) -> Result<f64, String> {
    let wrong = |what: String| format!("{what} is not a number; give {wanted}");
    let value = match arg {
        OscType::Int(value) => f64::from(*value),
        OscType::Long(value) => *value as f64,
        OscType::Float(value) => f64::from(*value),
        OscType::Double(value) => *value,
        OscType::Bool(value) => f64::from(u8::from(*value)),
        OscType::String(text) => text.trim().parse().map_err(|_| wrong(format!("\"{text}\"")))?,
        other => return Err(wrong(kind(other).into())),
    };
    chronus_control::values::finite(value, wanted)
}

/// A character is a text of one letter, as every address but `/ping` sees it.
pub(crate) fn plain(arg: &mut OscType) {
    if let OscType::Char(letter) = arg {
        *arg = OscType::String(letter.to_string());
    }
}

/// A whole number, exactly, if it is one.
pub(crate) fn whole(arg: &OscType) -> Option<i64> {
    match arg {
        OscType::Long(value) => Some(*value),
        OscType::String(text) if text.trim().parse::<i64>().is_ok() => text.trim().parse().ok(),
        other => {
            let value = number(other, "").ok().filter(|value| value.fract() == 0.0)?;
            // Up to there every whole number is a float.
            (value.abs() < 9e15).then_some(value as i64)
        }
    }
}

/// What may be given for on or off.
pub(crate) const ON_OR_OFF: &str = "1, 0, true, false, on or off";

/// On or off; of numbers, those above 0 are on.
pub(crate) fn is_on(arg: &OscType) -> Result<bool, String> {
    let wrong = |what: String| format!("{what} is neither on nor off; give {ON_OR_OFF}");
    match arg {
        OscType::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "on" | "true" => Ok(true),
            "off" | "false" => Ok(false),
            other => match other.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(value > 0.0),
                _ => Err(wrong(format!("\"{text}\""))),
            },
        },
        // What a button sends that knows nothing but to be pressed.
        OscType::Inf => Ok(true),
        OscType::Float(value) if !value.is_finite() => Err(wrong(value.to_string())),
        OscType::Double(value) if !value.is_finite() => Err(wrong(value.to_string())),
        other => number(other, "").map(|value| value > 0.0).map_err(|_| wrong(kind(other).into())),
    }
}

/// Whether a button that may bring along its state is pressed; without one it is.
pub(crate) fn is_pressed(args: &[OscType]) -> Result<bool, String> {
    match args {
        [] | [OscType::Nil] => Ok(true),
        [state] => is_on(state),
        _ => Err(format!(
            "there are {} arguments, and one is wanted at most; give none, or {ON_OR_OFF}",
            args.len()
        )),
    }
}

fn kind(arg: &OscType) -> &'static str {
    match arg {
        OscType::Nil => "nil",
        OscType::Inf => "infinity",
        OscType::Blob(_) => "a blob",
        OscType::Array(_) => "an array",
        OscType::Time(_) => "a timetag",
        OscType::Midi(_) => "a MIDI message",
        OscType::Color(_) => "a colour",
        OscType::Char(_) => "a character",
        _ => "this value",
    }
}
