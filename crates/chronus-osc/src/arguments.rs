//! Arguments: as senders write them, and as the engine reads them.

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
        _ => Err(format!("{} arguments are too many; give {wanted}", args.len())),
    }
}

/// A finite number, from any type that can say one.
pub(crate) fn number(arg: &OscType) -> Result<f64, String> {
    let value = match arg {
        OscType::Int(value) => f64::from(*value),
        OscType::Long(value) => *value as f64,
        OscType::Float(value) => f64::from(*value),
        OscType::Double(value) => *value,
        OscType::Bool(value) => f64::from(u8::from(*value)),
        OscType::String(text) => text
            .trim()
            .parse()
            .map_err(|_| format!("\"{text}\" is not a number; give a number such as 0.5"))?,
        other => return Err(format!("{} is not a number; give a number such as 0.5", kind(other))),
    };
    if value.is_finite() {
        Ok(value)
    } else {
        Err(format!("{value} is not finite; give a number such as 0.5"))
    }
}

/// A gate: open or closed.
pub(crate) fn gate(arg: &OscType) -> Result<bool, String> {
    let wrong = |what: String| format!("{what} is not a gate; give 1, 0, true, false, on or off");
    match arg {
        OscType::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "on" | "true" => Ok(true),
            "off" | "false" => Ok(false),
            other => match other.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(value > 0.0),
                _ => Err(wrong(format!("\"{text}\""))),
            },
        },
        other => number(other).map(|value| value > 0.0).map_err(|_| wrong(kind(other).into())),
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
