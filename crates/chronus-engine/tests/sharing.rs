//! In a large patch, outputs share signals. Nobody hears that, and what nobody should hear is still traced to where it
//! came from.
#![allow(clippy::format_push_string)] // A test may allocate.

mod common;

use chronus_engine::{
    BLOCK_FRAMES, Block, CHANNELS, Command, Directory, Engine, Handle, NoRecordings, Patch, Unsound,
};
use common::{bits, engine, gate, play, set};

/// Large enough that outputs are shared.
const GROUPS: usize = 30;

/// Groups of 16 voices, summed up. With a bus of each, all outputs are read from outside, and none is shared.
fn patch(first: &str, with_buses: bool) -> Patch {
    let mut text = "format = 1\n[transport]\nplaying = true\n".to_owned();
    let module = |id: &str, kind: &str, more: &str| {
        format!("[[module]]\nid = \"{id}\"\nkind = \"{kind}\"\nchannels = 16\n{more}\n")
    };
    let cable = |from: &str, to: &str, depth: &str| {
        format!("[[cable]]\nfrom = \"{from}\"\nto = \"{to}\"\n{depth}\n")
    };
    for g in 0..GROUPS {
        text +=
            &module(&format!("s{g}"), "sine", &format!("freq = {}.0\ngain = 0.03", 100 + 9 * g));
        text += &module(&format!("n{g}"), "lfo", "freq = 5.0");
        text += &module(&format!("e{g}"), "adsr", "attack = 30.0\nrelease = 50.0");
        text += &module(&format!("f{g}"), "biquad", &format!("cutoff = {}.0", 300 + 50 * g));
        text += &cable(&format!("s{g}.out"), &format!("e{g}.in"), "");
        text += &cable(&format!("e{g}.out"), &format!("f{g}.in"), "");
        text += &cable(&format!("n{g}.out"), &format!("f{g}.cutoff"), "depth = 0.5");
        if g > 0 || first.is_empty() {
            text += &cable(&format!("f{g}.out"), "all.in_1", "");
        }
        if with_buses {
            text +=
                &format!("[[bus]]\nname = \"b{g}\"\nleft = \"f{g}.out\"\nright = \"f{g}.out\"\n");
        }
    }
    text += first;
    text += "[[module]]\nid = \"all\"\nkind = \"merge\"\nchannels = 1\n";
    text += "[output]\nleft = \"all.out\"\nright = \"all.out\"\n";
    Patch::parse(&text, "sharing.toml").unwrap_or_else(|error| panic!("{error}"))
}

fn handle(patch: &Patch, id: &str) -> Handle {
    let modules = Directory::of(patch);
    let found = modules.modules().find(|module| module.id == id).map(|module| module.handle);
    found.expect("a module of this name")
}

/// What happens in some seconds: notes that begin and end anywhere, parameters, modules put aside, a new start.
fn events(patch: &Patch) -> Vec<(usize, Command)> {
    let mut events = Vec::new();
    for g in 0..GROUPS {
        let id = format!("e{g}");
        events.push((g * 411, gate(patch, &id, true)));
        events.push((g * 411 + 9000, gate(patch, &id, false)));
        events.push((30_000 + g * 7, gate(patch, &id, g % 3 != 0)));
        events.push((31_000 + g * 70, set(patch, &format!("s{g}"), "freq", 150.0 + g as f32)));
    }
    for (at, id) in [(15_007, "f3"), (15_100, "s4"), (15_200, "e5"), (15_999, "n6")] {
        let module = handle(patch, id);
        events.push((at, Command::Bypass { module }));
        events.push((at + 5003, Command::Enable { module }));
    }
    events.push((40_011, Command::Restart));
    events.sort_by_key(|(at, _)| *at);
    events
}

#[test]
fn sharing_changes_no_bit() {
    let (shared, plain) = (patch("", false), patch("", true));
    let heard = [&shared, &plain].map(|it| play(&mut engine(it), 0, 48_000, &events(it)));
    assert!(heard[0].iter().any(|sample| sample.abs() > 0.1), "it sounds");
    assert_eq!(bits(&heard[0]), bits(&heard[1]));
}

#[test]
fn an_edit_that_begins_or_ends_sharing_changes_no_bit() {
    let (shared, plain) = (patch("", false), patch("", true));
    let through = play(&mut engine(&shared), 0, 48_000, &events(&shared));
    let mut edited = engine(&shared);
    let events = events(&shared);
    let mut heard = Vec::new();
    for block in 0..48_000 / BLOCK_FRAMES {
        let start = block * BLOCK_FRAMES;
        let mut now = events.clone();
        now.retain(|(at, _)| (start..start + BLOCK_FRAMES).contains(at));
        if block % 20 == 7 {
            let next = if block % 40 == 7 { &plain } else { &shared };
            // Nothing may come before it that is applied after it.
            edit(&mut edited, if now.is_empty() { block % BLOCK_FRAMES } else { 0 }, next);
        }
        heard.extend(play(&mut edited, start, BLOCK_FRAMES, &now));
    }
    assert_eq!(bits(&heard), bits(&through));
}

fn edit(engine: &mut Engine, offset: usize, patch: &Patch) {
    let mut preparation = engine.prepare(patch.clone().succeeding(engine.patch()));
    while !preparation.step(&NoRecordings) {}
    engine.edit(offset, preparation);
}

/// One frame is far too loud in the third module of a group, which the last frame of a block does not tell; the next
/// one lets it pass.
const CLICK: &str = r#"
[[module]]
id = "click"
kind = "steps"
channels = 16
pattern = "x..............."
[[module]]
id = "loud"
kind = "mix"
channels = 16
[[module]]
id = "too_loud"
kind = "mix"
channels = 16
[[module]]
id = "after"
kind = "mix"
channels = 16
[[cable]]
from = "click.trigger"
to = "loud.a"
depth = 100.0
[[cable]]
from = "loud.out"
to = "too_loud.a"
depth = 100000.0
[[cable]]
from = "too_loud.out"
to = "after.a"
[[module]]
id = "later"
kind = "mix"
channels = 16
[[cable]]
from = "after.out"
to = "later.a"
[[cable]]
from = "later.out"
to = "all.in_1"
"#;

#[test]
fn what_is_too_loud_for_one_frame_is_traced_to_where_it_began() {
    for with_buses in [false, true] {
        let patch = patch(CLICK, with_buses);
        let mut engine = engine(&patch);
        for (at, command) in events(&patch).iter().take_while(|(at, _)| *at < BLOCK_FRAMES) {
            engine.apply(*at, command);
        }
        let mut block: Block = [0.0; BLOCK_FRAMES * CHANNELS];
        let found = (0..2000).find_map(|_| {
            engine.render(&mut block);
            engine.unsound()
        });
        let expected = (handle(&patch, "too_loud"), Unsound::Runaway);
        assert_eq!(found, Some(expected), "with buses: {with_buses}");
    }
}
