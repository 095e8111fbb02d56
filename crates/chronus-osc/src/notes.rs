//! Notes: what `/note/<module>/on` and `/off` take.

use chronus_control::values::{self, Told};
use chronus_engine::range::shown;
use chronus_engine::{ALL_NOTES, Note};
use rosc::OscType;

use crate::arguments::{number, whole};

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
    Ok(values::velocity(number(arg, values::VELOCITIES)?, told))
}

fn key_of(arg: &OscType, told: Told<'_>) -> Result<f32, String> {
    Ok(values::key(number(arg, values::KEYS)?, told))
}

fn note_id(arg: &OscType) -> Result<u32, String> {
    if let Some(whole) = whole(arg) {
        return values::note_id(whole);
    }
    let id = number(arg, &values::note_ids())?;
    Err(format!("{} is no id of a note; give {}", shown(id), values::note_ids()))
}
