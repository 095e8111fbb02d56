//! A packet to requests. What is wrong becomes a failure with a sentence; the rest is taken.

use chronus_engine::names::{self, near_miss};
use chronus_engine::{
    ALL_NOTES, Command, Directory, Handle, ModuleEntry, Note, ParamSpec, TEXT_MAX, TransportChange,
};
use rosc::{OscMessage, OscPacket, OscType};

use crate::address::{ADDRESSES, Kind, parts};
use crate::arguments::{ON_OR_OFF, is_on, is_pressed, number, shown, single, whole};
use crate::pattern::{is_pattern, matches};
use crate::{Chaos, Crash, PatchRequest, Record, Request, Target, edits, guard, record};

/// What a packet asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// Requests, in the order of the packet.
    pub requests: Vec<Timed>,
    /// What can't be done, and what was clamped; the sender is told.
    pub failures: Vec<Failure>,
}

/// A request and when it shall take effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// The address that it came to.
    pub address: String,
    /// What is asked.
    pub request: Request,
    /// The timetag in nanoseconds since 1970; `None` for as soon as possible.
    pub time_wall_ns: Option<u64>,
}

/// Something to tell the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The address that it is about.
    pub address: String,
    /// A sentence that names what would be right.
    pub reason: String,
    /// Whether it was done all the same, clamped.
    pub clamped: bool,
}

/// Decodes a packet against the modules that there are. Never panics, whatever the bytes.
pub fn decode(packet: &[u8], directory: &Directory) -> Decoded {
    let mut decoded = Decoded::default();
    if let Err(reason) = guard::check(packet) {
        decoded.fail("", reason);
        return decoded;
    }
    decoded.element(packet, None, directory);
    decoded
}

impl Decoded {
    fn fail(&mut self, address: &str, reason: String) {
        self.failures.push(Failure { address: address.to_owned(), reason, clamped: false });
    }

    /// Takes a message, or a bundle element by element, so that one that is broken costs only itself.
    /// The nesting and the sizes have been checked.
    fn element(&mut self, element: &[u8], time: Option<u64>, directory: &Directory) {
        if let Some(content) = element.strip_prefix(b"#bundle\0") {
            let Some((time, mut rest)) = content.split_first_chunk::<8>() else { return };
            let time = wall_ns(u64::from_be_bytes(*time));
            while let Some((size, after)) = rest.split_first_chunk::<4>() {
                let size = u32::from_be_bytes(*size) as usize;
                let Some((inner, after)) = after.split_at_checked(size) else { return };
                self.element(inner, time, directory);
                rest = after;
            }
            return;
        }
        match rosc::decoder::decode_udp(element) {
            Ok((_, OscPacket::Message(message))) => self.message(&message, time, directory),
            Ok((_, OscPacket::Bundle(_))) => {}
            Err(error) => {
                self.fail(
                    "",
                    format!("this is not an OSC message ({error}); send the whole of one"),
                );
            }
        }
    }

    fn message(&mut self, message: &OscMessage, time: Option<u64>, directory: &Directory) {
        let address = message.addr.as_str();
        let found =
            ADDRESSES.iter().find_map(|known| Some((known, parts(known.pattern, address)?)));
        let Some((known, parts)) = found else {
            self.fail(address, unknown_address(address));
            return;
        };
        let mut requests = Vec::new();
        match self.understand(known.kind, &parts, message, directory, &mut requests) {
            Ok(()) => self.requests.extend(requests.into_iter().map(|request| Timed {
                address: address.to_owned(),
                request,
                time_wall_ns: time,
            })),
            Err(reason) => self.fail(address, reason),
        }
    }

    fn understand(
        &mut self,
        kind: Kind,
        parts: &[&str],
        message: &OscMessage,
        directory: &Directory,
        requests: &mut Vec<Request>,
    ) -> Result<(), String> {
        let args = &message.args;
        match kind {
            Kind::Param => return self.params(parts, message, directory, requests),
            Kind::Freq => return self.params(&["sine", "freq"], message, directory, requests),
            Kind::Amp => return self.params(&["sine", "gain"], message, directory, requests),
            Kind::Gate => {
                let on = is_on(single(args, ON_OR_OFF)?)?;
                for module in gates(parts[0], directory)? {
                    requests.push(Request::Command(Command::Gate { module, on }));
                }
            }
            Kind::NoteOn | Kind::NoteOff => {
                let note = if kind == Kind::NoteOn { note_on(args)? } else { note_off(args)? };
                for module in players(parts[0], directory)? {
                    requests.push(Request::Command(Command::Note { module, note }));
                }
            }
            Kind::Text => return texts(parts, args, directory, requests),
            Kind::Enable => {
                edits::none(args, ())?;
                for entry in matching(parts[0], directory)? {
                    requests.push(Request::Command(Command::Enable { module: entry.handle }));
                }
            }
            Kind::Events => requests.push(Request::Events(is_pressed(args)?)),
            // A toggle says 1 and 0; what stops may be a button, which says 0 when it is let go.
            Kind::Play => requests.push(transport(TransportChange::Play(is_pressed(args)?))),
            Kind::Halt if is_pressed(args)? => {
                requests.push(transport(TransportChange::Play(false)));
            }
            Kind::Tempo => requests.push(transport(edits::tempo(args)?)),
            Kind::BeatsPerBar => requests.push(transport(edits::meter(args)?)),
            Kind::Meter => requests.push(edits::none(args, meter(parts[0], directory)?)?),
            Kind::Position => requests.push(transport(edits::position(args)?)),
            Kind::Create => requests.push(Request::Patch(edits::create(args)?)),
            Kind::Delete => requests.push(Request::Patch(edits::delete(args)?)),
            Kind::Connect => requests.push(Request::Patch(edits::connect(args)?)),
            Kind::Disconnect => requests.push(Request::Patch(edits::disconnect(args)?)),
            Kind::Set => requests.push(Request::Patch(edits::set(args)?)),
            Kind::Output => requests.push(Request::Patch(edits::output(args)?)),
            Kind::Load => requests.push(Request::Patch(edits::load(args)?)),
            Kind::Save => requests.push(Request::Patch(edits::save(args)?)),
            Kind::Commit => {
                requests.push(Request::Patch(edits::none(args, PatchRequest::Commit)?));
            }
            Kind::Abort => requests.push(Request::Patch(edits::none(args, PatchRequest::Abort)?)),
            Kind::Start => requests.push(Request::Command(Command::Mute(!is_pressed(args)?))),
            Kind::Stop if is_pressed(args)? => requests.push(Request::Command(Command::Mute(true))),
            Kind::Halt | Kind::Stop => {}
            Kind::Status => requests.push(edits::none(args, Request::Status)?),
            Kind::Kill => requests.push(Request::Chaos(kill(args)?)),
            Kind::Crash => requests.push(Request::Chaos(crash(args)?)),
            Kind::Ping => requests.push(Request::Ping(args.clone())),
            Kind::Version => requests.push(edits::none(args, Request::Version)?),
            Kind::RecordStart => requests.push(Request::Record(record::start(args)?)),
            Kind::RecordStop => requests.push(Request::Record(edits::none(args, Record::Stop)?)),
            Kind::RecordStatus => {
                requests.push(Request::Record(edits::none(args, Record::Status)?));
            }
        }
        Ok(())
    }

    fn params(
        &mut self,
        parts: &[&str],
        message: &OscMessage,
        directory: &Directory,
        requests: &mut Vec<Request>,
    ) -> Result<(), String> {
        let modules = matching(parts[0], directory)?;
        let (one, mut any) = (modules.len() == 1, false);
        for entry in modules {
            let names: Vec<&str> = if is_pattern(parts[1]) {
                let names = entry.spec.params.iter().map(|param| param.name);
                names.filter(|name| matches(parts[1], name)).collect()
            } else if one || entry.param(parts[1]).is_ok() {
                vec![parts[1]]
            } else {
                Vec::new()
            };
            for name in names {
                any = true;
                let (param, spec) = entry.param(name).map_err(|error| error.to_string())?;
                let wanted = value_of(single(&message.args, &range_of(spec))?, spec)?;
                let value = wanted.clamp(f64::from(spec.min), f64::from(spec.max));
                if value != wanted {
                    self.clamped(&message.addr, spec, wanted, value);
                }
                let value = value as f32;
                let module = entry.handle;
                requests.push(Request::Command(Command::SetParam { module, param, value }));
            }
        }
        if any { Ok(()) } else { Err(format!("no parameter matches `{}`", parts[1])) }
    }

    fn clamped(&mut self, address: &str, spec: &ParamSpec, wanted: f64, value: f64) {
        let unit = unit_of(spec);
        let (wanted, value) = (shown(wanted), shown(value));
        let reason =
            format!("{wanted}{unit} was clamped to {value}{unit}; the range is {}", range_of(spec));
        self.failures.push(Failure { address: address.to_owned(), reason, clamped: true });
    }
}

fn unit_of(spec: &ParamSpec) -> String {
    if spec.unit.is_empty() { String::new() } else { format!(" {}", spec.unit) }
}

fn range_of(spec: &ParamSpec) -> String {
    let names = if spec.choices.is_empty() {
        String::new()
    } else {
        format!(" ({})", spec.choices.join(", "))
    };
    format!("{} to {}{}{names}", spec.min, spec.max, unit_of(spec))
}

/// A number, or the name of a choice.
fn value_of(arg: &OscType, spec: &ParamSpec) -> Result<f64, String> {
    if let OscType::String(text) = arg
        && let Some(choice) = spec.choices.iter().position(|choice| choice == text)
    {
        return Ok(choice as f64);
    }
    if !spec.is_enumeration() {
        return number(arg, &range_of(spec));
    }
    let number = number(arg, "").map_err(|_| no_choice(arg, spec))?;
    // Where choices are called by numbers, as the stages of a phaser, the name is meant.
    let text = number.to_string();
    let named = spec.choices.iter().position(|choice| *choice == text);
    Ok(named.map_or(number.round(), |choice| choice as f64))
}

fn no_choice(arg: &OscType, spec: &ParamSpec) -> String {
    let name = spec.name;
    let OscType::String(word) = arg else {
        return format!("`{name}` is not set by this; {}", all_choices(spec));
    };
    match near_miss(word, spec.choices.iter().copied()) {
        Some(near) => {
            format!(
                "`{name}` has no choice \"{word}\"; did you mean `{near}`? {}",
                all_choices(spec)
            )
        }
        None => format!("`{name}` has no choice \"{word}\"; {}", all_choices(spec)),
    }
}

fn all_choices(spec: &ParamSpec) -> String {
    format!("choices: {}", names::list(spec.choices.iter().copied()))
}

/// The modules that a name or a pattern means.
fn matching<'a>(part: &str, directory: &'a Directory) -> Result<Vec<&'a ModuleEntry>, String> {
    if !is_pattern(part) {
        return Ok(vec![directory.module(part).map_err(|error| error.to_string())?]);
    }
    let found: Vec<_> = directory.modules().filter(|entry| matches(part, &entry.id)).collect();
    if found.is_empty() { Err(format!("no module matches `{part}`")) } else { Ok(found) }
}

fn gates(part: &str, directory: &Directory) -> Result<Vec<Handle>, String> {
    if !is_pattern(part) {
        return Ok(vec![directory.gate(part).map_err(|error| error.to_string())?]);
    }
    let gated = those(part, "a gate", directory, ModuleEntry::has_gate)?;
    Ok(gated.iter().map(|entry| entry.handle).collect())
}

fn players(part: &str, directory: &Directory) -> Result<Vec<Handle>, String> {
    if !is_pattern(part) {
        return Ok(vec![directory.notes(part).map_err(|error| error.to_string())?]);
    }
    let players = those(part, "an input for notes", directory, ModuleEntry::takes_notes)?;
    Ok(players.iter().map(|entry| entry.handle).collect())
}

/// The modules that match a pattern and have what is asked for; there is at least one.
fn those<'a>(
    part: &str,
    what: &str,
    directory: &'a Directory,
    have: impl Fn(&ModuleEntry) -> bool,
) -> Result<Vec<&'a ModuleEntry>, String> {
    let mut found = matching(part, directory)?;
    found.retain(|entry| have(entry));
    if found.is_empty() {
        return Err(format!("no module with {what} matches `{part}`"));
    }
    Ok(found)
}

fn meter(id: &str, directory: &Directory) -> Result<Request, String> {
    let entry = directory.module(id).map_err(|error| error.to_string())?;
    let names: Vec<_> = entry.told().collect();
    if names.is_empty() {
        let others = directory.modules().filter(|entry| entry.told().next().is_some());
        let others = names::list(others.map(|entry| entry.id.as_str()));
        return Err(format!("module `{id}` tells no values; modules that do: {others}"));
    }
    Ok(Request::Meter { module: entry.handle, id: id.to_owned(), names })
}

fn transport(change: TransportChange) -> Request {
    Request::Command(Command::Transport(change))
}

fn texts(
    parts: &[&str],
    args: &[OscType],
    directory: &Directory,
    requests: &mut Vec<Request>,
) -> Result<(), String> {
    let (part, name) = (parts[0], parts[1]);
    if !is_pattern(part) {
        let entry = directory.module(part).map_err(|error| error.to_string())?;
        requests.push(text(entry, name, args)?);
        return Ok(());
    }
    let what = format!("a text `{name}`");
    for entry in those(part, &what, directory, |entry| entry.text(name).is_ok())? {
        requests.push(text(entry, name, args)?);
    }
    Ok(())
}

fn text(entry: &ModuleEntry, name: &str, args: &[OscType]) -> Result<Request, String> {
    let (text, spec) = entry.text(name).map_err(|error| error.to_string())?;
    let value = match single(args, spec.doc)? {
        OscType::String(value) => value.clone(),
        // `notes` may be one number, and who types it means its digits.
        OscType::Int(value) => value.to_string(),
        OscType::Long(value) => value.to_string(),
        OscType::Float(value) if value.is_finite() => value.to_string(),
        OscType::Double(value) if value.is_finite() => value.to_string(),
        _ => return Err(format!("`{}` is a text; {}", spec.name, spec.doc)),
    };
    if value.len() > TEXT_MAX {
        return Err(format!(
            "a text of {} bytes is too long; write at most {TEXT_MAX}",
            value.len()
        ));
    }
    (spec.check)(&value)?;
    Ok(Request::Text { module: entry.handle, text, value })
}

fn note_on(args: &[OscType]) -> Result<Note, String> {
    let (key, velocity, id) = match args {
        [key] => (key, 0.8, 0),
        [key, velocity] => (key, velocity_of(velocity)?, 0),
        [key, velocity, id] => (key, velocity_of(velocity)?, note_id(id)?),
        _ => return Err("give KEY, then optionally VELOCITY and ID".into()),
    };
    // As in MIDI, a note of no velocity is over.
    Ok(Note { on: velocity > 0.0, key: key_of(key)?, velocity: velocity as f32, id })
}

fn note_off(args: &[OscType]) -> Result<Note, String> {
    let off = |key, id| Note { on: false, key, velocity: 0.0, id };
    match args {
        [] => Ok(off(0.0, ALL_NOTES)),
        [key] => Ok(off(key_of(key)?, 0)),
        [key, id] => Ok(off(key_of(key)?, note_id(id)?)),
        _ => Err("give KEY, then optionally ID, or nothing for all notes".into()),
    }
}

fn velocity_of(arg: &OscType) -> Result<f64, String> {
    let velocity = number(arg, "a velocity from 0 to 1, such as 0.8")?;
    if (0.0..=1.0).contains(&velocity) {
        return Ok(velocity);
    }
    Err(format!("a velocity of {} is out of range; it is from 0 to 1", shown(velocity)))
}

fn key_of(arg: &OscType) -> Result<f32, String> {
    let key = number(arg, "a MIDI note number from 0 to 127; 60 is middle C")?;
    if (0.0..=127.0).contains(&key) {
        return Ok(key as f32);
    }
    Err(format!("there is no key {}; keys are from 0 to 127, and 60 is middle C", shown(key)))
}

fn note_id(arg: &OscType) -> Result<u32, String> {
    let wanted = format!("a whole number from 1 to {}", ALL_NOTES - 1);
    if let Some(whole) = whole(arg) {
        let id = u32::try_from(whole).ok().filter(|id| (1..ALL_NOTES).contains(id));
        return id.ok_or_else(|| format!("{whole} is no id of a note; give {wanted}"));
    }
    let id = number(arg, &wanted)?;
    Err(format!("{} is no id of a note; give {wanted}", shown(id)))
}

fn kill(args: &[OscType]) -> Result<Chaos, String> {
    let (target, signal) = match args {
        [target] => (target, SIGNALS[0].1),
        [target, signal] => (target, signal_number(signal)?),
        _ => return Err(format!("give {TARGETS}, then optionally a signal")),
    };
    Ok(Chaos::Kill { target: target_of(target)?, signal })
}

fn crash(args: &[OscType]) -> Result<Chaos, String> {
    let wanted = || {
        "give primary, standby or a slot number, then segfault, panic, abort, loop, sleep or flip"
            .into()
    };
    let [target, OscType::String(how)] = args else { return Err(wanted()) };
    let how = match how.as_str() {
        "segfault" => Crash::Segfault,
        "panic" => Crash::Panic,
        "abort" => Crash::Abort,
        "loop" => Crash::Loop,
        "sleep" => Crash::Sleep,
        "flip" => Crash::Flip,
        _ => return Err(wanted()),
    };
    match target_of(target)? {
        target @ (Target::Primary | Target::Standby | Target::Slot(_)) => {
            Ok(Chaos::Crash { target, how })
        }
        _ => Err(wanted()),
    }
}

const TARGETS: &str = "primary, standby, a slot number from 0 to 3, workers, checkpoints, \
                       everybody or supervisor";

fn target_of(arg: &OscType) -> Result<Target, String> {
    match arg {
        OscType::String(text) if text == "primary" => return Ok(Target::Primary),
        OscType::String(text) if text == "standby" => return Ok(Target::Standby),
        OscType::String(text) if text == "workers" => return Ok(Target::Workers),
        OscType::String(text) if text == "checkpoints" => return Ok(Target::Checkpoints),
        OscType::String(text) if text == "everybody" => return Ok(Target::Everybody),
        OscType::String(text) if text == "supervisor" => return Ok(Target::Supervisor),
        _ => {}
    }
    match whole(arg) {
        Some(slot @ 0..=3) => Ok(Target::Slot(slot as u8)),
        _ => Err(format!("the target must be {TARGETS}")),
    }
}

/// The signals that may be sent, by their Linux numbers.
const SIGNALS: [(&str, i32); 19] = [
    ("KILL", 9),
    ("STOP", 19),
    ("CONT", 18),
    ("TERM", 15),
    ("SEGV", 11),
    ("BUS", 7),
    ("ILL", 4),
    ("FPE", 8),
    ("ABRT", 6),
    ("SYS", 31),
    ("TRAP", 5),
    ("ALRM", 14),
    ("USR1", 10),
    ("USR2", 12),
    ("PROF", 27),
    ("VTALRM", 26),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("HUP", 1),
];

fn signal_number(arg: &OscType) -> Result<i32, String> {
    let known = |number: i32| SIGNALS.iter().any(|(_, known)| *known == number).then_some(number);
    let found = match arg {
        OscType::String(text) => {
            let upper = text.to_ascii_uppercase();
            let name = upper.strip_prefix("SIG").unwrap_or(&upper);
            let by_name = SIGNALS.iter().find(|(known, _)| *known == name).map(|(_, n)| *n);
            by_name.or_else(|| name.parse().ok().and_then(known))
        }
        other => whole(other).and_then(|number| known(i32::try_from(number).ok()?)),
    };
    let names = SIGNALS.map(|(name, _)| name).join(", ");
    found.ok_or_else(|| format!("no such signal; the signals are {names}"))
}

fn unknown_address(address: &str) -> String {
    let near = near_miss(address, ADDRESSES.iter().map(|known| known.pattern));
    match near {
        Some(near) => format!("there is no such address; did you mean `{near}`?"),
        None => "there is no such address; docs/osc-reference.md lists them all".into(),
    }
}

/// A timetag in nanoseconds since 1970; `None` for "immediately" and for times before 1970.
fn wall_ns(timetag: u64) -> Option<u64> {
    const SECONDS_1900_TO_1970: u64 = 2_208_988_800;
    let seconds = (timetag >> 32).checked_sub(SECONDS_1900_TO_1970)?;
    let fraction_ns = ((timetag & 0xffff_ffff) * 1_000_000_000) >> 32;
    Some(seconds * 1_000_000_000 + fraction_ns)
}
