//! What can be asked of the patch itself, and of musical time.

use chronus_control::values::{self, Told};
use chronus_control::{PatchRequest, shortened};
use chronus_engine::TransportChange;
use chronus_engine::command::{BEAT_MAX, BEATS_PER_BAR_MAX, TEMPOS_BPM};
use chronus_engine::patch::Setting;
use rosc::OscType;

use crate::arguments::{named, number, single};

type Args<'a> = &'a [OscType];

fn words(args: Args<'_>, wanted: &str) -> Result<Vec<String>, String> {
    let word = |arg: &OscType| match arg {
        OscType::String(text) => named(text.clone()),
        _ => Err(format!("give {wanted}")),
    };
    args.iter().map(word).collect()
}

/// What a key is set to.
fn setting(key: &str, arg: &OscType) -> Result<Setting, String> {
    match arg {
        OscType::String(file) if key == "file" => named(file.clone()).map(Setting::Text),
        OscType::String(text) => Ok(Setting::Text(text.clone())),
        other => number(other, "a number or a text").map(Setting::Number),
    }
}

pub(crate) fn create(args: Args<'_>) -> Result<PatchRequest, String> {
    let wanted = "ID and KIND, then keys and values in turn";
    if args.len() < 2 || !args.len().is_multiple_of(2) {
        return Err(format!("give {wanted}"));
    }
    let names = words(&args[..2], wanted)?;
    let mut settings = Vec::new();
    for pair in args[2..].chunks_exact(2) {
        let key = words(&pair[..1], wanted)?.remove(0);
        let setting = setting(&key, &pair[1])?;
        settings.push((key, setting));
    }
    Ok(PatchRequest::Create { id: names[0].clone(), kind: names[1].clone(), settings })
}

/// Puts what was changed in place, with a reason if there is one.
pub(crate) fn commit(args: Args<'_>) -> Result<PatchRequest, String> {
    match args {
        [OscType::String(reason)] if !reason.is_empty() => {
            let reason = shortened(reason).replace(char::is_control, " ");
            Ok(PatchRequest::Commit { reason: Some(reason) })
        }
        [OscType::String(_)] => Ok(PatchRequest::Commit { reason: None }),
        other => none(other, PatchRequest::Commit { reason: None })
            .map_err(|_| "give nothing, or a REASON as a text".into()),
    }
}

/// The session of a sender.
pub(crate) fn session(args: Args<'_>) -> Result<PatchRequest, String> {
    match &words(args, "NAME, or nothing")?[..] {
        [] => Ok(PatchRequest::Session { name: None }),
        [name] if name.trim().is_empty() => Ok(PatchRequest::Session { name: None }),
        [name] => Ok(PatchRequest::Session { name: Some(name.trim().to_owned()) }),
        _ => Err("give NAME, or nothing".into()),
    }
}

pub(crate) fn delete(args: Args<'_>) -> Result<PatchRequest, String> {
    match &words(args, "ID")?[..] {
        [id] => Ok(PatchRequest::Delete { id: id.clone() }),
        _ => Err("give ID".into()),
    }
}

pub(crate) fn connect(args: Args<'_>) -> Result<PatchRequest, String> {
    let wanted = "FROM and TO, as in sine.out filter.in, then optionally DEPTH";
    let (ports, depth) = match args {
        [_, _] => (args, None),
        [ports @ .., depth] if ports.len() == 2 => {
            (ports, Some(number(depth, "a depth such as 0.5")?))
        }
        _ => return Err(format!("give {wanted}")),
    };
    let ports = words(ports, wanted)?;
    Ok(PatchRequest::Connect { from: ports[0].clone(), to: ports[1].clone(), depth })
}

pub(crate) fn disconnect(args: Args<'_>) -> Result<PatchRequest, String> {
    match &words(args, "FROM and TO")?[..] {
        [from, to] => Ok(PatchRequest::Disconnect { from: from.clone(), to: to.clone() }),
        _ => Err("give FROM and TO, as in sine.out filter.in".into()),
    }
}

pub(crate) fn set(args: Args<'_>) -> Result<PatchRequest, String> {
    let [id, key, value] = args else { return Err("give ID, KEY and VALUE".into()) };
    let names = words(&[id.clone(), key.clone()], "ID, KEY and VALUE")?;
    let setting = setting(&names[1], value)?;
    Ok(PatchRequest::Set { id: names[0].clone(), key: names[1].clone(), setting })
}

pub(crate) fn output(args: Args<'_>) -> Result<PatchRequest, String> {
    match &words(args, "LEFT and RIGHT")?[..] {
        [left, right] => Ok(PatchRequest::Output { left: left.clone(), right: right.clone() }),
        [both] => Ok(PatchRequest::Output { left: both.clone(), right: both.clone() }),
        _ => Err("give LEFT and RIGHT, as in mix.out mix.out".into()),
    }
}

pub(crate) fn load(args: Args<'_>) -> Result<PatchRequest, String> {
    match &words(args, "FILE")?[..] {
        [file] => Ok(PatchRequest::Load { file: file.clone() }),
        _ => Err("give FILE".into()),
    }
}

pub(crate) fn save(args: Args<'_>) -> Result<PatchRequest, String> {
    match &words(args, "FILE")?.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [file] => Ok(PatchRequest::Save { file: (*file).to_owned(), overwrite: false }),
        [file, "overwrite"] => Ok(PatchRequest::Save { file: (*file).to_owned(), overwrite: true }),
        _ => Err("give FILE, then optionally overwrite".into()),
    }
}

/// For what takes no arguments. A button may say that it is pressed (`I`), and nil is as good as nothing.
pub(crate) fn none<T>(args: Args<'_>, request: T) -> Result<T, String> {
    let is_nothing = args.iter().all(|arg| matches!(arg, OscType::Nil | OscType::Inf));
    if is_nothing { Ok(request) } else { Err("this takes no arguments; send it alone".into()) }
}

pub(crate) fn tempo(args: Args<'_>, told: Told<'_>) -> Result<TransportChange, String> {
    let (least, most) = (*TEMPOS_BPM.start(), *TEMPOS_BPM.end());
    let wanted = format!("the tempo, from {least} to {most} beats per minute");
    let bpm = number(single(args, &wanted)?, &wanted)?;
    Ok(TransportChange::Tempo(values::tempo(bpm, told)))
}

pub(crate) fn meter(args: Args<'_>, told: Told<'_>) -> Result<TransportChange, String> {
    let most = f64::from(BEATS_PER_BAR_MAX);
    let wanted = format!("the beats in a bar, a whole number from 1 to {most}");
    let beats = number(single(args, &wanted)?, &wanted)?;
    Ok(TransportChange::BeatsPerBar(values::beats_per_bar(beats, told)?))
}

/// Where to go on: a beat, counted from 0.
pub(crate) fn position(args: Args<'_>, told: Told<'_>) -> Result<TransportChange, String> {
    let wanted = format!("the beat to go on from, from 0 to {BEAT_MAX}");
    let beat = number(single(args, &wanted)?, &wanted)?;
    Ok(TransportChange::Position(values::position(beat, told)))
}
