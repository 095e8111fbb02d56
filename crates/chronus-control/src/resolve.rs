//! From names to what they mean in the patch that plays.

use chronus_engine::names;
use chronus_engine::{ALL_NOTES, Command, Directory, Handle, Note, TransportChange};

use crate::{Capabilities, Order, Request, values};

/// What a request means.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// What is to be done.
    pub order: Order,
    /// What is done otherwise than it was said: numbers that were clamped.
    pub told: Vec<String>,
}

/// Finds what a request means in the patch that plays, and whether the client may ask for it.
///
/// # Errors
/// A sentence that names what would be right.
pub fn resolve(
    request: Request,
    directory: &Directory,
    may: Capabilities,
) -> Result<Resolved, String> {
    permit(&request, may)?;
    let mut told = Vec::new();
    let order = match request {
        Request::Set { module, param, value } => {
            let found = directory.param(&module, &param).map_err(|error| error.to_string())?;
            let (module, param, spec) = found;
            let value = values::clamped(values::value_of(&value, spec)?, spec, &mut told);
            Order::Command(Command::SetParam { module, param, value })
        }
        Request::Gate { module, on } => {
            let module = directory.gate(&module).map_err(|error| error.to_string())?;
            Order::Command(Command::Gate { module, on })
        }
        Request::NoteOn { module, key, velocity, id } => {
            let velocity = values::finite(velocity, values::VELOCITIES)?;
            let velocity = values::velocity(velocity, &mut told);
            let key = values::key(values::finite(key, values::KEYS)?, &mut told);
            let id = id.map_or(Ok(0), |id| values::note_id(id.into()))?;
            // As in MIDI, a note of no velocity is over.
            let note = Note { on: velocity > 0.0, key, velocity: velocity as f32, id };
            Order::Command(Command::Note { module: player(&module, directory)?, note })
        }
        Request::NoteOff { module, key, id } => {
            let (key, id) = match (key, id) {
                (None, _) => (0.0, ALL_NOTES),
                (Some(key), id) => {
                    let key = values::key(values::finite(key, values::KEYS)?, &mut told);
                    (key, id.map_or(Ok(0), |id| values::note_id(id.into()))?)
                }
            };
            let note = Note { on: false, key, velocity: 0.0, id };
            Order::Command(Command::Note { module: player(&module, directory)?, note })
        }
        Request::Text { module, text, value } => {
            let entry = directory.module(&module).map_err(|error| error.to_string())?;
            let (text, spec) = entry.text(&text).map_err(|error| error.to_string())?;
            Order::Text { module: entry.handle, text, value: spec.take(&value)? }
        }
        Request::Enable { module } => {
            let module = directory.module(&module).map_err(|error| error.to_string())?.handle;
            Order::Command(Command::Enable { module })
        }
        Request::Play(on) => transport(TransportChange::Play(on)),
        Request::Tempo(bpm) => {
            let bpm = values::finite(bpm, "a tempo in beats per minute")?;
            transport(TransportChange::Tempo(values::tempo(bpm, &mut told)))
        }
        Request::Position(beat) => {
            let beat = values::finite(beat, "a beat, counted from 0")?;
            transport(TransportChange::Position(values::position(beat, &mut told)))
        }
        Request::BeatsPerBar(beats) => {
            let beats = values::finite(beats, "the beats in a bar")?;
            transport(TransportChange::BeatsPerBar(values::beats_per_bar(beats, &mut told)?))
        }
        Request::Mute(on) => Order::Command(Command::Mute(on)),
        Request::Meter { module } => meter(&module, directory)?,
        Request::Patch(request) => Order::Patch(request),
        Request::Status => Order::Status,
        Request::Tree => Order::Tree,
        Request::Events(on) => Order::Events(on),
        Request::Changes(on) => Order::Changes(on),
        Request::Chaos(chaos) => Order::Chaos(chaos),
        Request::Record(record) => Order::Record(record),
    };
    Ok(Resolved { order, told })
}

/// Refuses what a client may not ask for.
fn permit(request: &Request, may: Capabilities) -> Result<(), String> {
    let (is_permitted, what) = match request {
        Request::Status
        | Request::Tree
        | Request::Meter { .. }
        | Request::Events(_)
        | Request::Changes(_) => (true, ""),
        Request::Patch(_) => (may.edit, "edit"),
        Request::Chaos(_) => (may.chaos, "cause faults in"),
        _ => (may.play, "play"),
    };
    if is_permitted { Ok(()) } else { Err(format!("this client may not {what} this engine")) }
}

/// What a module tells.
///
/// # Errors
/// A sentence, if it tells nothing, or is not there.
pub fn meter(id: &str, directory: &Directory) -> Result<Order, String> {
    let entry = directory.module(id).map_err(|error| error.to_string())?;
    let names: Vec<_> = entry.meters().collect();
    if names.is_empty() {
        let others = directory.modules().filter(|entry| entry.meters().next().is_some());
        let others = names::list(others.map(|entry| entry.id.as_str()));
        return Err(format!("module `{id}` tells no values; modules that do: {others}"));
    }
    Ok(Order::Meter { module: entry.handle, id: id.to_owned(), names })
}

fn player(module: &str, directory: &Directory) -> Result<Handle, String> {
    directory.notes(module).map_err(|error| error.to_string())
}

fn transport(change: TransportChange) -> Order {
    Order::Command(Command::Transport(change))
}

#[cfg(test)]
mod tests {
    use chronus_engine::Patch;
    use chronus_engine::patch::Setting;

    use super::*;
    use crate::{Chaos, PatchRequest, Target};

    fn resolved(request: Request, may: Capabilities) -> Result<Resolved, String> {
        resolve(request, &Directory::of(&Patch::first()), may)
    }

    fn set(module: &str, param: &str, value: Setting) -> Request {
        Request::Set { module: module.into(), param: param.into(), value }
    }

    #[test]
    fn numbers_out_of_range_are_clamped_and_told_and_names_that_are_wrong_are_helped() {
        let play = Capabilities::parse("play").expect("a word");
        let loud = resolved(set("sine", "gain", Setting::Number(7.0)), play).expect("clamped");
        let Order::Command(Command::SetParam { value, .. }) = loud.order else {
            panic!("{loud:?}")
        };
        assert_eq!((value, loud.told.len()), (1.0, 1));
        let wrong = resolved(set("sien", "gain", Setting::Number(0.5)), play).expect_err("no such");
        assert!(wrong.contains("did you mean `sine`?"), "{wrong}");
        let wrong = resolved(set("sine", "gain", Setting::Number(f64::NAN)), play);
        assert!(wrong.expect_err("no number").contains("is not finite"));
        for bad in [f64::NAN, f64::INFINITY] {
            for request in [Request::Tempo(bad), Request::Position(bad), Request::BeatsPerBar(bad)]
            {
                assert!(resolved(request, play).expect_err("no number").contains("not finite"));
            }
        }
    }

    #[test]
    fn a_client_may_only_what_was_granted() {
        let ask = |request: &Request, may: &str| {
            resolved(request.clone(), Capabilities::parse(may).expect("words")).map(|_| ())
        };
        let gate = Request::Gate { module: "adsr".into(), on: true };
        let commit = Request::Patch(PatchRequest::Commit { reason: None });
        let kill = Request::Chaos(Chaos::Kill { target: Target::Primary, signal: 9 });
        for (request, needed, other) in [
            (gate, "play", "edit,chaos"),
            (commit, "edit", "play,chaos"),
            (kill, "chaos", "play,edit"),
        ] {
            ask(&request, needed).expect("granted");
            assert!(ask(&request, other).expect_err("not granted").contains("may not"));
        }
        for request in [Request::Status, Request::Tree, Request::Events(true)] {
            ask(&request, "none").expect("anybody may");
        }
    }
}
