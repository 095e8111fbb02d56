//! Recording: what `/record/start` takes.

use chronus_control::Record;
use rosc::OscType;

use crate::arguments::named;

/// `[FILE [FORMAT]]`; an empty FILE stands for the date and the time.
pub(crate) fn start(args: &[OscType]) -> Result<Record, String> {
    let (file, format) = match args {
        [] => (None, None),
        [file] => (Some(word(file)?), None),
        [file, format] => (Some(word(file)?), Some(word(format)?)),
        _ => return Err(wanted()),
    };
    Ok(Record::Start { file: file.filter(|file| !file.is_empty()), format })
}

/// A text; or a whole number, for who types `take` number 7 or a format of 24 bits.
fn word(arg: &OscType) -> Result<String, String> {
    match arg {
        OscType::String(text) => named(text.trim().to_owned()),
        OscType::Int(number) => Ok(number.to_string()),
        OscType::Long(number) => Ok(number.to_string()),
        _ => Err(wanted()),
    }
}

fn wanted() -> String {
    "give nothing, or a FILE such as take1, then optionally a format: f32 or 24".into()
}
