//! Notes: what `/note/<module>/on` and `/off` take.

use chronus_engine::range::{Range, shown};
use chronus_engine::{ALL_NOTES, Note};
use rosc::OscType;

use crate::arguments::{Told, number, whole, within};

/// `KEY [VELOCITY [ID]]`. A number out of range is told and clamped.
pub(crate) fn on(args: &[OscType], told: Told<'_>) -> Result<Note, String> {
    let (key, velocity, id) = match args {
        [key] => (key, 0.8, 0),
        [key, velocity] => (key, velocity_of(velocity, told)?, 0),
        [key, velocity, id] => (key, velocity_of(velocity, told)?, note_id(id)?),
        _ => return Err("give KEY, then optionally VELOCITY and ID".into()),
    };
    // As in MIDI, a note of no velocity is over.
    Ok(Note { on: velocity > 0.0, key: key_of(key, told)?, velocity: velocity as f32, id })
}

/// `[KEY [ID]]`. A number out of range is told and clamped.
pub(crate) fn off(args: &[OscType], told: Told<'_>) -> Result<Note, String> {
    let off = |key, id| Note { on: false, key, velocity: 0.0, id };
    match args {
        [] => Ok(off(0.0, ALL_NOTES)),
        [key] => Ok(off(key_of(key, told)?, 0)),
        [key, id] => Ok(off(key_of(key, told)?, note_id(id)?)),
        _ => Err("give KEY, then optionally ID, or nothing for all notes".into()),
    }
}

fn velocity_of(arg: &OscType, told: Told<'_>) -> Result<f64, String> {
    let velocity = number(arg, "a velocity from 0 to 1, such as 0.8")?;
    let hint = if velocity > 1.0 { "; of MIDI's 0 to 127 send the 127th part" } else { "" };
    let says = format!("0 to 1{hint}");
    let range =
        Range { what: "a velocity of ".into(), least: 0.0, most: 1.0, unit: String::new(), says };
    Ok(within(velocity, &range, told))
}

fn key_of(arg: &OscType, told: Told<'_>) -> Result<f32, String> {
    let key = number(arg, "a MIDI note number from 0 to 127; 60 is middle C")?;
    let says = "0 to 127, and 60 is middle C".to_owned();
    let range = Range { what: "key ".into(), least: 0.0, most: 127.0, unit: String::new(), says };
    Ok(within(key, &range, told) as f32)
}

/// An id is a name: one out of range is none, since another would be another note.
fn note_id(arg: &OscType) -> Result<u32, String> {
    let wanted = format!("a whole number from 1 to {}", ALL_NOTES - 1);
    if let Some(whole) = whole(arg) {
        let id = u32::try_from(whole).ok().filter(|id| (1..ALL_NOTES).contains(id));
        return id.ok_or_else(|| format!("{whole} is no id of a note; give {wanted}"));
    }
    let id = number(arg, &wanted)?;
    Err(format!("{} is no id of a note; give {wanted}", shown(id)))
}
