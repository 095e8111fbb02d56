//! What is no mistake in a patch, and can hardly be meant.

use chronus_dsp::envelope::stages::{self, Wait};
use chronus_dsp::{ModuleSpec, SignalKind};

use crate::patch::{Cable, Patch, PatchModule, TargetPort};

/// A sentence for each thing to mind, in the order of the modules.
pub fn hints(patch: &Patch) -> Vec<String> {
    let is_heard = heard(patch);
    let mut hints = Vec::new();
    for (index, module) in patch.modules().iter().enumerate() {
        let of_module = [
            without_recording(module),
            (!is_heard[index]).then(|| leads_nowhere(patch, index)),
            opened_by_osc_only(patch, index).filter(|_| is_heard[index]),
            endless(module),
        ];
        hints.extend(of_module.into_iter().flatten());
    }
    hints.extend(patch.cables().iter().filter_map(|cable| deafening(patch, cable)));
    hints
}

/// A cable that makes sound louder by more than this, 40 dB, can hardly be meant.
const DEPTH_MAX: f32 = 100.0;

/// A cable whose depth makes sound louder than anybody wants it. All other levels have their ranges.
fn deafening(patch: &Patch, cable: &Cable) -> Option<String> {
    let TargetPort::Input(input) = cable.to.port else { return None };
    let [from, to] = [cable.from.module, cable.to.module].map(|it| &patch.modules()[it]);
    let (output, input) = (&from.spec().outputs[cable.from.output], &to.spec().inputs[input]);
    let is_sound = output.signal == SignalKind::Audio && input.signal == SignalKind::Audio;
    let depth = cable.depth.abs();
    (is_sound && depth > DEPTH_MAX).then(|| {
        let (from, to, db) = (from.id(), to.id(), 20.0 * depth.log10());
        format!(
            "mind that the cable from `{from}.{}` to `{to}.{}` makes what it carries {db:.0} dB louder; write a \
             smaller `depth`, such as 1",
            output.name, input.name
        )
    })
}

fn named(module: &PatchModule) -> String {
    format!("`{}`, of the kind `{}`,", module.id(), module.spec().kind)
}

/// A player that has nothing to play.
fn without_recording(module: &PatchModule) -> Option<String> {
    let is_needed = module.spec().recording.is_some_and(|recording| recording.is_needed);
    let is_silent = is_needed && module.file().is_none_or(str::is_empty);
    is_silent.then(|| {
        format!("mind that {} stays silent; give it a `file = \"NAME.wav\"`", named(module))
    })
}

/// Which modules an output, a bus or a meter hears in the end.
fn heard(patch: &Patch) -> Vec<bool> {
    let buses = patch.buses().iter().flat_map(|bus| [bus.left, bus.right]);
    let ports = buses.chain([patch.left(), patch.right()]);
    let meters = patch.modules().iter().enumerate();
    let meters = meters.filter(|(_, module)| !module.spec().meters.is_empty());
    let mut next: Vec<usize> =
        ports.map(|port| port.module).chain(meters.map(|(at, _)| at)).collect();
    let mut heard = vec![false; patch.modules().len()];
    let mut sources = vec![Vec::new(); patch.modules().len()];
    for cable in patch.cables() {
        sources[cable.to.module].push(cable.from.module);
    }
    while let Some(module) = next.pop() {
        if !std::mem::replace(&mut heard[module], true) {
            next.extend(&sources[module]);
        }
    }
    heard
}

fn leads_nowhere(patch: &Patch, index: usize) -> String {
    let module = &patch.modules()[index];
    let has_cable = patch.cables().iter().any(|cable| cable.from.module == index);
    let why = if has_cable { "what its cables lead to is not heard" } else { "no cable leaves it" };
    format!(
        "mind that {} leads nowhere: {why}; lead it to what is heard at [output], or take it out",
        named(module)
    )
}

/// An envelope or a drum whose gate has no cable.
fn opened_by_osc_only(patch: &Patch, index: usize) -> Option<String> {
    let module = &patch.modules()[index];
    let gate = gate_of(module.spec())?;
    let is_gate =
        |cable: &&Cable| cable.to.module == index && cable.to.port == TargetPort::Input(gate);
    if patch.cables().iter().any(|cable| is_gate(&cable)) {
        return None;
    }
    let id = module.id();
    Some(format!(
        "mind that {} opens only over OSC, by /gate/{id}: no cable ends at `{id}.gate`",
        named(module)
    ))
}

fn gate_of(spec: &ModuleSpec) -> Option<usize> {
    spec.inputs.iter().position(|input| input.name == "gate").filter(|_| spec.gate)
}

/// A contour that stays above or below 0 when its gate has closed.
fn endless(module: &PatchModule) -> Option<String> {
    if module.spec().kind != "contour" {
        return None;
    }
    let text = module.texts().first()?;
    let stages = stages::read(text).ok()?;
    let list = stages.list();
    let (stays, why) = match stages.wait() {
        // A loop is left wherever it is.
        Some((before, Wait::Loop(first))) if before == list.len() => {
            (list[first..].iter().find(|stage| stage.level != 0.0)?, "nothing follows its `loop`")
        }
        Some((before, Wait::Hold)) if before == list.len() => {
            (list.last()?, "nothing follows its `hold`")
        }
        _ => (list.last()?, "its last stage does not lead to 0"),
    };
    (stays.level != 0.0).then(|| {
        format!(
            "mind that {} never ends: {why}, so it may stay at {} when its gate has closed; \
             end its stages with one such as `0 500ms`",
            named(module),
            stays.level
        )
    })
}

/// A message to send to a patch that says nothing by itself, so that nobody takes its silence for a fault: one that
/// makes it sound, unless it plays by itself or has nothing to be played with.
pub fn first_message(patch: &Patch) -> Option<String> {
    let mut modules = patch.modules().iter();
    if modules.clone().any(|module| module.spec().plays) {
        return None;
    }
    if let Some(module) = modules.clone().find(|module| module.spec().notes) {
        return Some(format!("/note/{}/on 60 0.9", module.id()));
    }
    let module = modules.find(|module| module.spec().gate)?;
    Some(format!("/gate/{} on", module.id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints_of(text: &str) -> Vec<String> {
        let text = format!("format = 1\n{text}");
        hints(&Patch::parse(&text, "p.toml").unwrap_or_else(|error| panic!("{error}")))
    }

    fn module(id: &str, kind: &str, rest: &str) -> String {
        format!("[[module]]\nid = \"{id}\"\nkind = \"{kind}\"\n{rest}\n")
    }

    fn cable(from: &str, to: &str) -> String {
        format!("[[cable]]\nfrom = \"{from}\"\nto = \"{to}\"\n")
    }

    const OUTPUT: &str = "[output]\nleft = \"a.out\"\nright = \"a.out\"\n";

    #[test]
    fn a_player_without_a_recording_is_warned_of() {
        let output = OUTPUT.replace("a.out", "a.left");
        let silent = hints_of(&(module("a", "sample", "") + &output));
        let expected =
            "mind that `a`, of the kind `sample`, stays silent; give it a `file = \"NAME.wav\"`";
        assert!(silent.contains(&expected.to_owned()), "{silent:?}");
        let file = hints_of(&(module("a", "sample", "file = \"a.wav\"") + &output));
        assert!(!file.iter().any(|hint| hint.contains("silent")), "{file:?}");
        let table = hints_of(&(module("a", "wavetable", "") + OUTPUT));
        assert!(table.is_empty(), "it has tables of its own: {table:?}");
    }

    #[test]
    fn what_leads_nowhere_is_told() {
        let lone = module("a", "sine", "") + &module("b", "sine", "") + &module("c", "vca", "");
        let found = hints_of(&format!("{lone}{}{OUTPUT}", cable("b.out", "c.in")));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("`b`, of the kind `sine`, leads nowhere: what its cables"));
        assert!(found[1].contains("`c`, of the kind `vca`, leads nowhere: no cable leaves it"));
        // By a parameter, by a bus, and at a meter it is heard.
        let parts = [
            module("a", "sine", ""),
            module("b", "sine", ""),
            module("c", "sine", ""),
            module("d", "sine", ""),
            module("m", "meter", ""),
            cable("b.out", "a.freq"),
            cable("d.out", "m.in"),
            "[[bus]]\nname = \"c\"\nleft = \"c.out\"\nright = \"c.out\"\n".to_owned(),
        ];
        let found = hints_of(&(parts.concat() + OUTPUT));
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn an_envelope_that_only_osc_can_open_is_told() {
        let parts = module("a", "adsr", "") + &module("keys", "voices", "");
        let found = hints_of(&format!("{parts}{}{OUTPUT}", cable("keys.gate", "a.in")));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("opens only over OSC, by /gate/a: no cable ends at `a.gate`"));
        let found = hints_of(&format!("{parts}{}{OUTPUT}", cable("keys.gate", "a.gate")));
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn a_cable_that_deafens_is_told() {
        let with = |depth: &str| {
            let parts = module("s", "sine", "") + &module("a", "vca", "") + &cable("s.out", "a.in");
            hints_of(&format!("{parts}depth = {depth}\n{OUTPUT}"))
        };
        for loud in ["1e30", "-1000.0", "101"] {
            let found = with(loud);
            assert_eq!(found.len(), 1, "{loud}: {found:?}");
            assert!(found[0].contains("from `s.out` to `a.in` makes what it carries"), "{found:?}");
        }
        assert!(with("1000")[0].contains("60 dB louder"));
        for usual in ["100", "-0.5", "0"] {
            assert!(with(usual).is_empty(), "{usual}");
        }
        // Of a parameter it is in its unit, and a gate is as open as can be.
        let parts = module("s", "sine", "") + &module("a", "sine", "") + &cable("s.out", "a.freq");
        assert!(hints_of(&format!("{parts}depth = 1e9\n{OUTPUT}")).is_empty());
    }

    #[test]
    fn a_contour_that_never_ends_is_told() {
        let with = |stages: &str| {
            let parts = module("a", "contour", &format!("stages = \"{stages}\""));
            let keys = module("keys", "voices", "") + &cable("keys.gate", "a.gate");
            hints_of(&(parts + &keys + OUTPUT))
        };
        for endless in ["1 10ms", "1 10ms, hold", "1 1ms, 0 1ms, loop", "1 1ms, hold, 0.5 1s"] {
            let found = with(endless);
            assert_eq!(found.len(), 1, "{endless}: {found:?}");
            assert!(found[0].contains("never ends"), "{found:?}");
        }
        for ends in [
            "1 10ms, hold, 0 1s",
            "1 1ms, 0 1ms",
            "1 1ms, 0.5 1ms, loop, 0 1s",
            "1 1ms, 0 1s, hold",
        ] {
            assert!(with(ends).is_empty(), "{ends}");
        }
    }

    fn message_of(text: &str) -> Option<String> {
        first_message(&Patch::parse(text, "a patch").expect("a patch"))
    }

    #[test]
    fn what_is_silent_until_it_is_played_says_how() {
        assert_eq!(
            message_of(include_str!("../../../patches/first.toml")),
            Some("/gate/adsr on".into())
        );
        let organ = message_of(include_str!("../../../patches/organ.toml"));
        assert_eq!(organ, Some("/note/voices/on 60 0.9".into()));
        assert_eq!(message_of(include_str!("../../../patches/groove.toml")), None);
        assert_eq!(message_of(include_str!("../../../patches/drone.toml")), None);
    }
}
