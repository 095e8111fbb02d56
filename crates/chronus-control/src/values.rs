//! Numbers and choices as they are meant. There is one rule for all: the nearest number within the range is taken, and that
//! is told.

use chronus_engine::names::{self, near_miss};
use chronus_engine::patch::{Setting, choice_meant};
use chronus_engine::range::{Range, shown};
use chronus_engine::{ALL_NOTES, ParamSpec};

/// Sentences about what is done all the same.
pub type Told<'a> = &'a mut Vec<String>;

/// The number within the range that is nearest; if that is another, it is told.
pub fn within(wanted: f64, range: &Range, told: Told<'_>) -> f64 {
    let (value, clamped) = range.clamp(wanted);
    told.extend(clamped.map(|clamped| clamped.to_string()));
    value
}

/// A finite number.
///
/// # Errors
/// A sentence that names what would be right.
pub fn finite(value: f64, wanted: &str) -> Result<f64, String> {
    if value.is_finite() { Ok(value) } else { Err(format!("{value} is not finite; give {wanted}")) }
}

/// The values of a parameter, as a phrase, with the names of its choices.
pub fn range_of(spec: &ParamSpec) -> String {
    let names = if spec.choices.is_empty() {
        String::new()
    } else {
        format!(" ({})", spec.choices.join(", "))
    };
    Range::of(spec, "").says + &names
}

/// What a parameter is to be set to, within its range.
pub fn clamped(wanted: f64, spec: &ParamSpec, told: Told<'_>) -> f32 {
    within(wanted, &Range { says: range_of(spec), ..Range::of(spec, "") }, told) as f32
}

/// A number in the unit of a parameter, or the name of one of its choices, as a number that is not clamped yet.
///
/// # Errors
/// A sentence that names what would be right.
pub fn value_of(wanted: &Setting, spec: &ParamSpec) -> Result<f64, String> {
    if let Setting::Text(text) = wanted
        && let Some(choice) = spec.choices.iter().position(|choice| choice == text)
    {
        return Ok(choice as f64);
    }
    let range = range_of(spec);
    let number = match wanted {
        Setting::Number(number) => finite(*number, &range),
        Setting::Text(text) => {
            let wrong = || format!("\"{text}\" is not a number; give {range}");
            text.trim().parse().map_err(|_| wrong()).and_then(|number| finite(number, &range))
        }
    };
    if !spec.is_enumeration() {
        return number;
    }
    let number = number.map_err(|_| no_choice(wanted, spec))?;
    // Where choices are called by numbers, as the stages of a phaser, the name is meant.
    let text = number.to_string();
    let named = spec.choices.iter().position(|choice| *choice == text);
    Ok(named.map_or(number.round(), |choice| choice as f64))
}

fn no_choice(wanted: &Setting, spec: &ParamSpec) -> String {
    let name = spec.name;
    let Setting::Text(word) = wanted else { return not_set_by_this(spec) };
    let meant = choice_meant(spec, word);
    match meant.or_else(|| near_miss(word, spec.choices.iter().copied())) {
        Some(near) => {
            format!(
                "`{name}` has no choice \"{word}\"; did you mean `{near}`? {}",
                all_choices(spec)
            )
        }
        None => format!("`{name}` has no choice \"{word}\"; {}", all_choices(spec)),
    }
}

/// What is told of a value that is neither a number nor a name.
pub fn not_set_by_this(spec: &ParamSpec) -> String {
    format!("`{}` is not set by this; {}", spec.name, all_choices(spec))
}

fn all_choices(spec: &ParamSpec) -> String {
    format!("choices: {}", names::list(spec.choices.iter().copied()))
}

/// What a velocity may be.
pub const VELOCITIES: &str = "a velocity from 0 to 1, such as 0.8";
/// What a key may be.
pub const KEYS: &str = "a MIDI note number from 0 to 127; 60 is middle C";

/// How hard a note is played, 0 to 1.
pub fn velocity(wanted: f64, told: Told<'_>) -> f64 {
    let hint = if wanted > 1.0 { "; of MIDI's 0 to 127 send the 127th part" } else { "" };
    let says = format!("0 to 1{hint}");
    let range =
        Range { what: "a velocity of ".into(), least: 0.0, most: 1.0, unit: String::new(), says };
    within(wanted, &range, told)
}

/// A pitch as a MIDI note number.
pub fn key(wanted: f64, told: Told<'_>) -> f32 {
    let says = "0 to 127, and 60 is middle C".to_owned();
    let range = Range { what: "key ".into(), least: 0.0, most: 127.0, unit: String::new(), says };
    within(wanted, &range, told) as f32
}

/// The id of a note. It is a name: one out of range is none, since another would be another note.
///
/// # Errors
/// A sentence that names what would be right.
pub fn note_id(wanted: i64) -> Result<u32, String> {
    let id = u32::try_from(wanted).ok().filter(|id| (1..ALL_NOTES).contains(id));
    id.ok_or_else(|| format!("{wanted} is no id of a note; give {}", note_ids()))
}

/// What the id of a note may be.
pub fn note_ids() -> String {
    format!("a whole number from 1 to {}", ALL_NOTES - 1)
}

/// The beats in a bar.
///
/// # Errors
/// A sentence, if it is no whole number.
pub fn beats_per_bar(wanted: f64, told: Told<'_>) -> Result<u32, String> {
    if wanted.fract() != 0.0 {
        let most = chronus_engine::command::BEATS_PER_BAR_MAX;
        return Err(format!(
            "a bar can't have {} beats; give the beats in a bar, a whole number from 1 to {most}",
            shown(wanted)
        ));
    }
    Ok(within(wanted, &Range::of_bars(), told) as u32)
}

/// A tempo in beats per minute.
pub fn tempo(wanted: f64, told: Told<'_>) -> f64 {
    within(wanted, &Range::of_tempo(), told)
}

/// A beat to go on from, counted from 0.
pub fn position(wanted: f64, told: Told<'_>) -> f64 {
    let most = chronus_engine::command::BEAT_MAX;
    let says = format!("0 to {most}, counted from 0");
    let range = Range { what: "beat ".into(), least: 0.0, most, unit: String::new(), says };
    within(wanted, &range, told)
}
