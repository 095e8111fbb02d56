//! From TOML to a patch: every key is checked, and every mistake gets its place in the text. What is wrong is noted
//! and the rest read on, so that all mistakes are told at once.

use toml::de::DeTable;

use super::error::{Mistakes, Source};
use super::rack::Rack;
use super::section::{Result, Section};
use super::{
    BUSES_MAX, Bus, CABLES_MAX, Cable, DRIVES_MAX, MODULES_MAX, Patch, PatchModule, PatchTransport,
    Safety, TargetPort, order, syntax,
};
use crate::range::Range;

/// See [`Patch::parse_all`].
pub(super) fn read(text: &str, file_name: &str) -> core::result::Result<Patch, Mistakes> {
    let (noted, files, clamped) = Default::default();
    let source = Source { file_name, text, noted: &noted, files: &files, clamped: &clamped };
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut mistakes = syntax::mistakes(source, &errors);
    let root = Section::root(source, document.get_ref());
    let patch = if mistakes.is_empty() || syntax::costs_only_keys(text, &mistakes) {
        source.note(root.read_format()).and_then(|()| read_patch(&root))
    } else {
        None
    };
    if let Some(patch) = patch.filter(|_| mistakes.is_empty() && noted.borrow().is_empty()) {
        let mut clamped = clamped.take();
        clamped.sort_by_key(|it| (it.line, it.column));
        return Ok(Patch { clamped, ..patch });
    }
    let of_syntax = mistakes.len();
    mistakes.extend(noted.take());
    Err(Mistakes { files: files.take(), ..syntax::without_echoes(mistakes, of_syntax) })
}

/// The patch, or what there is of it: it counts only if nothing was noted.
fn read_patch(root: &Section) -> Option<Patch> {
    let source = root.source;
    root.allow(&["format", "name", "module", "cable", "output", "bus", "transport"]);
    let name = root.table.get("name").map(|name| root.string(name, "the name").map(str::to_owned));
    let name = source.note(name.transpose());
    let mut rack = read_modules(root);
    let wired = read_cables(root, &mut rack);
    let output = root.required("output", "[output]");
    let output = output.and_then(|value| root.section(value, "[output]"));
    let output = source.note(output);
    let heard = output.as_ref().map(|output| {
        output.allow(&["left", "right", "limiter", "dc_blocker"]);
        let heard = |side| source.note(output.port_of(side, &rack));
        let (left, right) = (heard("left"), heard("right"));
        let switch = |key| source.note(output.switch(key));
        (left, right, switch("dc_blocker"), switch("limiter"))
    });
    let buses = read_buses(root, &rack);
    let transport = read_transport(root);
    let (left, right, dc_blocker, limiter) = heard?;
    let (cables, order) = wired?;
    Some(Patch {
        text: source.text.to_owned(),
        clamped: Vec::new(),
        name: name?.unwrap_or_else(|| "untitled".to_owned()),
        next_handle: rack.modules.len() as u32,
        buses,
        transport: transport?,
        modules: rack.modules,
        cables,
        left: left?,
        right: right?,
        safety: Safety { dc_blocker: dc_blocker?, limiter: limiter? },
        order,
    })
}

fn read_buses(root: &Section, rack: &Rack) -> Vec<Bus> {
    let mut buses: Vec<Bus> = Vec::new();
    for section in root.sections("bus", "[[bus]]") {
        section.allow(&["name", "left", "right"]);
        if buses.len() == BUSES_MAX {
            let found = format!("more than {BUSES_MAX} buses");
            root.source.say(section.error(&section.at, found, "a patch has no more"));
            break;
        }
        let name = section.read_name("name", "the name");
        let name = name.and_then(|(name, at)| {
            if !buses.iter().any(|bus| bus.name == name) {
                return Ok(name);
            }
            let found = format!("a second bus with the name `{name}`");
            Err(section.error(&at, found, "give each bus its own name"))
        });
        let name = root.source.note(name);
        let [left, right] =
            ["left", "right"].map(|side| root.source.note(section.port_of(side, rack)));
        if let (Some(name), Some(left), Some(right)) = (name, left, right) {
            buses.push(Bus { name, left, right });
        }
    }
    buses
}

fn read_transport(root: &Section) -> Option<PatchTransport> {
    let rest = PatchTransport { playing: true, tempo_bpm: 120.0, beats_per_bar: 4 };
    let Some(value) = root.table.get("transport") else { return Some(rest) };
    let section = root.source.note(root.section(value, "[transport]"))?;
    section.allow(&["tempo", "beats_per_bar", "playing"]);
    let tempo_bpm = root.source.note(section.number_within("tempo", &Range::of_tempo()));
    let beats_per_bar = section.number_within("beats_per_bar", &Range::of_bars());
    let beats_per_bar = root.source.note(beats_per_bar);
    Some(PatchTransport {
        playing: root.source.note(section.switch("playing"))?,
        tempo_bpm: tempo_bpm?.unwrap_or(rest.tempo_bpm),
        beats_per_bar: beats_per_bar?.map_or(rest.beats_per_bar, |beats| beats.round() as u32),
    })
}

fn read_modules(root: &Section) -> Rack {
    let mut rack = Rack::default();
    for section in root.sections("module", "[[module]]") {
        if rack.modules.len() + rack.broken.len() == MODULES_MAX {
            let found = format!("more than {MODULES_MAX} modules");
            root.source.say(section.error(&section.at, found, "a patch has no more"));
            break;
        }
        let id = section.read_name("id", "the id").and_then(|(id, at)| {
            let is_taken = rack.modules.iter().any(|other| other.id == id);
            if is_taken || rack.broken.contains(&id) {
                let found = format!("a second module with the id `{id}`");
                return Err(section.error(&at, found, "give each module its own id"));
            }
            Ok(id)
        });
        let id = root.source.note(id);
        rack.has_nameless |= id.is_none();
        let module = section.read_module(id.as_deref().unwrap_or("?"), rack.modules.len());
        let asked = root.source.note(section.read_channels());
        match (id, module) {
            (Some(_), Some(module)) => {
                rack.modules.push(module);
                rack.asked.push(asked.flatten());
            }
            (Some(id), None) => rack.broken.push(id),
            (None, _) => {}
        }
    }
    rack
}

/// The cables, and the order of the modules that follows from them.
fn read_cables(root: &Section, rack: &mut Rack) -> Option<(Vec<Cable>, Vec<usize>)> {
    let mut cables: Vec<Cable> = Vec::new();
    let mut drives = vec![0; rack.modules.len()];
    let sections = root.sections("cable", "[[cable]]");
    let mut read = Vec::new();
    for section in &sections {
        section.allow(&["from", "to", "depth"]);
        if read.len() == CABLES_MAX {
            let found = format!("more than {CABLES_MAX} cables");
            root.source.say(section.error(&section.at, found, "a patch has no more"));
            break;
        }
        if let Some(cable) = read_cable(section, rack, &cables, &mut drives) {
            cables.push(cable);
            read.push(section);
        }
    }
    let pairs: Vec<_> = cables.iter().map(|cable| (cable.from.module, cable.to.module)).collect();
    let order = order::order(rack.modules.len(), &pairs);
    settle_channels(&mut rack.modules, &rack.asked, &cables, &order);
    if root.source.has_noted() {
        // What is missing may be what would have made them fit.
        return None;
    }
    for (cable, section) in cables.iter().zip(&read) {
        let [from, to] = [cable.from.module, cable.to.module].map(|module| &rack.modules[module]);
        if from.channels != to.channels && from.channels != 1 && to.channels != 1 {
            let found = format!(
                "a cable of {} channels to `{}`, which has {}",
                from.channels, to.id, to.channels
            );
            let right = "a cable joins equal numbers of channels, or 1 and any";
            root.source.say(section.error(&section.at, found, right));
        }
    }
    Some((cables, order))
}

/// A cable that may be added to these. `drives` counts those that end at the parameters of each module.
fn read_cable(
    section: &Section,
    rack: &Rack,
    others: &[Cable],
    drives: &mut [usize],
) -> Option<Cable> {
    let source = section.source;
    let depth = source.note(section.read_depth());
    let from = source.note(section.required("from", "\"MODULE.OUTPUT\""));
    let to = source.note(section.required("to", "\"MODULE.INPUT\""));
    let (from, to) = (from?, to?);
    if let Some(mistake) = section.reversal(from, to, rack) {
        source.say(mistake);
        return None;
    }
    let start = source.note(section.output_port(from, rack));
    let end = source.note(section.target(to, rack));
    let cable = Cable { from: start?, to: end?, depth: depth? };
    let mut checked = || -> Result<()> {
        if others.iter().any(|other| (other.from, other.to) == (cable.from, cable.to)) {
            let found = "this cable is there already";
            return Err(section.error(&from.span(), found, "remove one of the two"));
        }
        if matches!(cable.to.port, TargetPort::Param(_)) {
            let count = &mut drives[cable.to.module];
            *count += 1;
            if *count > DRIVES_MAX {
                let id = rack.modules[cable.to.module].id();
                let found = format!("more than {DRIVES_MAX} cables to parameters of `{id}`");
                return Err(section.error(&to.span(), found, "a module takes no more"));
            }
        }
        section.check_joining(&cable, from, &rack.modules)
    };
    source.note(checked()).map(|()| cable)
}

/// A module that the text gives no channels has as many as the widest cable that leads to it.
fn settle_channels(
    modules: &mut [PatchModule],
    asked: &[Option<usize>],
    cables: &[Cable],
    order: &[usize],
) {
    for &index in order {
        let heard = cables.iter().filter(|cable| cable.to.module == index);
        let widest = heard.map(|cable| modules[cable.from.module].channels).max().unwrap_or(1);
        modules[index].channels = asked[index].unwrap_or(widest);
    }
}
