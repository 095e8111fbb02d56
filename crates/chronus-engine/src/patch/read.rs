//! From TOML to a patch: every key is checked, and every mistake gets its place in the text.

use core::ops::Range;

use chronus_dsp::catalog::{self, CATALOG, CatalogEntry};
use chronus_dsp::{CHANNEL_COUNTS, ModuleSpec, ParamSpec, TEXT_MAX, TextSpec};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{PatchError, Source};
use super::joining::{self, End};
use super::{
    BUSES_MAX, Bus, CABLES_MAX, Cable, DRIVES_MAX, FORMAT, MODULES_MAX, OutputPort, Patch,
    PatchModule, PatchTransport, Safety, Target, TargetPort, order,
};
use crate::command::{BEATS_PER_BAR_MAX, Handle, TEMPOS_BPM};
use crate::names;

type Result<T> = core::result::Result<T, PatchError>;
type Value<'a> = Spanned<DeValue<'a>>;

/// See [`Patch::parse`].
pub(super) fn read(text: &str, file_name: &str) -> Result<Patch> {
    let source = Source { file_name, text };
    let document = DeTable::parse(text).map_err(|error| source.syntax_error(&error))?;
    let root = Section { source, table: document.get_ref(), at: 0..0, what: "a patch" };
    root.read_format()?;
    root.allow(&["format", "name", "module", "cable", "output", "bus", "transport"])?;
    let name = match root.table.get("name") {
        Some(name) => root.string(name, "the name")?.to_owned(),
        None => "untitled".to_owned(),
    };
    let (mut modules, asked) = read_modules(&root)?;
    let (cables, order) = read_cables(&root, &mut modules, &asked)?;
    let output = root.section(root.required("output", "[output]")?, "[output]")?;
    output.allow(&["left", "right", "limiter", "dc_blocker"])?;
    let heard = |side| output.output_port(output.required(side, "\"MODULE.OUTPUT\"")?, &modules);
    let (left, right) = (heard("left")?, heard("right")?);
    let safety =
        Safety { dc_blocker: output.switch("dc_blocker")?, limiter: output.switch("limiter")? };
    Ok(Patch {
        text: text.to_owned(),
        name,
        next_handle: modules.len() as u32,
        buses: read_buses(&root, &modules)?,
        transport: read_transport(&root)?,
        modules,
        cables,
        left,
        right,
        safety,
        order,
    })
}

fn read_buses(root: &Section, modules: &[PatchModule]) -> Result<Vec<Bus>> {
    let mut buses: Vec<Bus> = Vec::new();
    for section in root.sections("bus", "[[bus]]")? {
        section.allow(&["name", "left", "right"])?;
        if buses.len() == BUSES_MAX {
            let found = format!("more than {BUSES_MAX} buses");
            return Err(section.error(&section.at, found, "a patch has no more"));
        }
        let (name, at) = section.read_name("name", "the name")?;
        if buses.iter().any(|bus| bus.name == name) {
            let found = format!("a second bus with the name `{name}`");
            return Err(section.error(&at, found, "give each bus its own name"));
        }
        let port =
            |side| section.output_port(section.required(side, "\"MODULE.OUTPUT\"")?, modules);
        buses.push(Bus { name, left: port("left")?, right: port("right")? });
    }
    Ok(buses)
}

fn read_transport(root: &Section) -> Result<PatchTransport> {
    let rest = PatchTransport { playing: true, tempo_bpm: 120.0, beats_per_bar: 4 };
    let Some(value) = root.table.get("transport") else { return Ok(rest) };
    let section = root.section(value, "[transport]")?;
    section.allow(&["tempo", "beats_per_bar", "playing"])?;
    let (least, most) = (*TEMPOS_BPM.start(), *TEMPOS_BPM.end());
    let beats = f64::from(BEATS_PER_BAR_MAX);
    let tempo_bpm = section.number_within("tempo", least, most)?.unwrap_or(rest.tempo_bpm);
    let beats_per_bar = match section.number_within("beats_per_bar", 1.0, beats)? {
        Some(beats) => beats.round() as u32,
        None => rest.beats_per_bar,
    };
    Ok(PatchTransport { playing: section.switch("playing")?, tempo_bpm, beats_per_bar })
}

/// The modules, and the channels that the text asks for.
fn read_modules(root: &Section) -> Result<(Vec<PatchModule>, Vec<Option<usize>>)> {
    let mut modules: Vec<PatchModule> = Vec::new();
    let mut channels = Vec::new();
    for section in root.sections("module", "[[module]]")? {
        if modules.len() == MODULES_MAX {
            let found = format!("more than {MODULES_MAX} modules");
            return Err(section.error(&section.at, found, "a patch has no more"));
        }
        modules.push(section.read_module(&modules)?);
        channels.push(section.read_channels()?);
    }
    Ok((modules, channels))
}

/// The cables, and the order of the modules that follows from them.
fn read_cables(
    root: &Section,
    modules: &mut [PatchModule],
    asked: &[Option<usize>],
) -> Result<(Vec<Cable>, Vec<usize>)> {
    let mut cables: Vec<Cable> = Vec::new();
    let sections = root.sections("cable", "[[cable]]")?;
    for section in &sections {
        section.allow(&["from", "to", "depth"])?;
        if cables.len() == CABLES_MAX {
            let found = format!("more than {CABLES_MAX} cables");
            return Err(section.error(&section.at, found, "a patch has no more"));
        }
        let from = section.required("from", "\"MODULE.OUTPUT\"")?;
        let to = section.required("to", "\"MODULE.INPUT\"")?;
        let cable = Cable {
            from: section.output_port(from, modules)?,
            to: section.target(to, modules)?,
            depth: section.read_depth()?,
        };
        if cables.iter().any(|other| (other.from, other.to) == (cable.from, cable.to)) {
            let found = "this cable is there already";
            return Err(section.error(&from.span(), found, "remove one of the two"));
        }
        let drives = |other: &&Cable| {
            other.to.module == cable.to.module && matches!(other.to.port, TargetPort::Param(_))
        };
        if drives(&&cable) && cables.iter().filter(drives).count() == DRIVES_MAX {
            let id = modules[cable.to.module].id();
            let found = format!("more than {DRIVES_MAX} cables to parameters of `{id}`");
            return Err(section.error(&to.span(), found, "a module takes no more"));
        }
        section.check_joining(&cable, from, modules)?;
        cables.push(cable);
    }
    let pairs: Vec<_> = cables.iter().map(|cable| (cable.from.module, cable.to.module)).collect();
    let order = order::order(modules.len(), &pairs);
    settle_channels(modules, asked, &cables, &order);
    for (cable, section) in cables.iter().zip(&sections) {
        let [from, to] = [cable.from.module, cable.to.module].map(|module| &modules[module]);
        if from.channels != to.channels && from.channels != 1 && to.channels != 1 {
            let found = format!(
                "a cable of {} channels to `{}`, which has {}",
                from.channels, to.id, to.channels
            );
            let right = "a cable joins equal numbers of channels, or 1 and any";
            return Err(section.error(&section.at, found, right));
        }
    }
    Ok((cables, order))
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

/// A table of the text, where it is, and what it describes.
struct Section<'a> {
    source: Source<'a>,
    table: &'a DeTable<'a>,
    at: Range<usize>,
    what: &'static str,
}

impl<'a> Section<'a> {
    fn error(
        &self,
        at: &Range<usize>,
        found: impl Into<String>,
        right: impl Into<String>,
    ) -> PatchError {
        self.source.error(at, found, right)
    }

    /// Refuses keys other than these: the first one in the text.
    fn allow(&self, keys: &[&str]) -> Result<()> {
        let unknown = self.table.keys().filter(|key| !keys.contains(&key.get_ref().as_ref()));
        match unknown.min_by_key(|key| key.span().start) {
            None => Ok(()),
            Some(key) => {
                let found = format!("{} has no `{}`", self.what, key.get_ref());
                let right = names::instead(key.get_ref(), "it has", keys.iter().copied());
                Err(self.error(&key.span(), found, right))
            }
        }
    }

    /// The value of a key that must be there. `example` is what to write.
    fn required(&self, key: &str, example: &str) -> Result<&'a Value<'a>> {
        self.table.get(key).ok_or_else(|| {
            let found = format!("{} without `{key}`", self.what);
            let right = if example.starts_with('[') {
                format!("add {example}")
            } else {
                format!("add `{key} = {example}`")
            };
            self.error(&self.at, found, right)
        })
    }

    /// A switch that is on where the text says nothing.
    fn switch(&self, key: &str) -> Result<bool> {
        let Some(value) = self.table.get(key) else { return Ok(true) };
        value.get_ref().as_bool().ok_or_else(|| {
            let found = format!("`{key}` is {}", described(value.get_ref()));
            self.error(&value.span(), found, "write true or false")
        })
    }

    fn string(&self, value: &'a Value<'a>, what: &str) -> Result<&'a str> {
        value.get_ref().as_str().ok_or_else(|| {
            let found = format!("{what} is {}", described(value.get_ref()));
            self.error(&value.span(), found, "write a string in quotes")
        })
    }

    /// The table `value`, which is written under the header `what`.
    fn section(&self, value: &'a Value<'a>, what: &'static str) -> Result<Section<'a>> {
        let table = value.get_ref().as_table().ok_or_else(|| {
            let found = format!("{what} is {}", described(value.get_ref()));
            self.error(&value.span(), found, format!("write it as a table under {what}"))
        })?;
        Ok(Section { source: self.source, table, at: value.span(), what })
    }

    /// The tables under the header `[[key]]`, in the order of the text.
    fn sections(&self, key: &str, what: &'static str) -> Result<Vec<Section<'a>>> {
        let Some(value) = self.table.get(key) else {
            return Ok(Vec::new());
        };
        let array = value.get_ref().as_array().ok_or_else(|| {
            let found = format!("`{key}` is {}", described(value.get_ref()));
            self.error(&value.span(), found, format!("write {what} in double brackets"))
        })?;
        array.iter().map(|value| self.section(value, what)).collect()
    }

    fn read_format(&self) -> Result<()> {
        let example = FORMAT.to_string();
        let value = self.required("format", &example)?;
        if number(value.get_ref()) == Some(FORMAT as f64) {
            return Ok(());
        }
        let found = format!("the format is {}", described(value.get_ref()));
        let right = format!("this version reads `format = {FORMAT}`");
        Err(self.error(&value.span(), found, right))
    }

    fn read_module(&self, others: &[PatchModule]) -> Result<PatchModule> {
        let (id, at) = self.read_name("id", "the id")?;
        if others.iter().any(|other| other.id == id) {
            let found = format!("a second module with the id `{id}`");
            return Err(self.error(&at, found, "give each module its own id"));
        }
        let entry = self.read_kind()?;
        let spec = entry.spec;
        let mut keys = vec!["id", "kind", "channels"];
        keys.extend(spec.params.iter().map(|param| param.name));
        keys.extend(spec.texts.iter().map(|text| text.name));
        keys.extend(spec.recording.map(|_| "file"));
        self.allow(&keys)?;
        let param = |spec: &ParamSpec| match self.table.get(spec.name) {
            Some(value) => self.read_param(spec, value),
            None => Ok(spec.default),
        };
        let text = |spec: &TextSpec| match self.table.get(spec.name) {
            Some(value) => self.read_text(spec, value),
            None => Ok(spec.default.to_owned()),
        };
        let file = self.table.get("file");
        let file = file.map(|value| self.string(value, "the file").map(str::to_owned));
        Ok(PatchModule {
            id,
            handle: Handle(others.len() as u32),
            entry,
            params: spec.params.iter().map(param).collect::<Result<_>>()?,
            texts: spec.texts.iter().map(text).collect::<Result<_>>()?,
            file: file.transpose()?,
            content: None,
            channels: 1,
        })
    }

    fn read_text(&self, spec: &TextSpec, value: &'a Value<'a>) -> Result<String> {
        let text = self.string(value, spec.name)?;
        if text.len() > TEXT_MAX {
            let found = format!("`{}` is {} bytes long", spec.name, text.len());
            return Err(self.error(&value.span(), found, format!("write at most {TEXT_MAX}")));
        }
        (spec.check)(text).map_err(|reason| {
            self.error(&value.span(), format!("`{}` is \"{text}\"", spec.name), reason)
        })?;
        Ok(text.to_owned())
    }

    fn number_within(&self, key: &str, least: f64, most: f64) -> Result<Option<f64>> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let within = number(value.get_ref()).filter(|number| (least..=most).contains(number));
        within.map(Some).ok_or_else(|| {
            let found = format!("`{key}` is {}", described(value.get_ref()));
            self.error(&value.span(), found, format!("write a number from {least} to {most}"))
        })
    }

    fn read_channels(&self) -> Result<Option<usize>> {
        let Some(value) = self.table.get("channels") else { return Ok(None) };
        let asked = number(value.get_ref());
        let fits = |count: &usize| asked == Some(*count as f64);
        CHANNEL_COUNTS.into_iter().find(fits).map(Some).ok_or_else(|| {
            let found = format!("`channels` is {}", described(value.get_ref()));
            self.error(&value.span(), found, "write 1, 4, 8 or 16")
        })
    }

    fn read_depth(&self) -> Result<f32> {
        let Some(value) = self.table.get("depth") else { return Ok(1.0) };
        let depth = number(value.get_ref()).map(|depth| depth as f32);
        depth.filter(|depth| depth.is_finite()).ok_or_else(|| {
            let found = format!("`depth` is {}", described(value.get_ref()));
            self.error(&value.span(), found, "write a number")
        })
    }

    /// A name that OSC addresses may hold, and where it is.
    fn read_name(&self, key: &str, what: &str) -> Result<(String, Range<usize>)> {
        let value = self.required(key, "\"NAME\"")?;
        let name = self.string(value, what)?;
        if !super::is_name(name) {
            let right = super::NAME_RULE;
            return Err(self.error(&value.span(), format!("{what} is \"{name}\""), right));
        }
        Ok((name.to_owned(), value.span()))
    }

    fn read_kind(&self) -> Result<&'static CatalogEntry> {
        let kinds = CATALOG.iter().map(|entry| entry.spec.kind);
        let value = self.required("kind", "\"KIND\"")?;
        let kind = self.string(value, "the kind")?;
        catalog::find(kind).ok_or_else(|| {
            let found = format!("there is no kind of module `{kind}`");
            self.error(&value.span(), found, names::instead(kind, "kinds", kinds))
        })
    }

    fn read_param(&self, spec: &ParamSpec, value: &'a Value<'a>) -> Result<f32> {
        // Where choices are called by numbers, as the stages of a phaser, the name is meant.
        let name = match value.get_ref() {
            DeValue::String(name) => name.to_string(),
            // What has the choices `off` and `on` may be a truth; to others it is none of their choices.
            DeValue::Boolean(true) => "on".to_owned(),
            DeValue::Boolean(false) => "off".to_owned(),
            other => number(other).map(|number| number.to_string()).unwrap_or_default(),
        };
        let choice = spec.choices.iter().position(|choice| *choice == name);
        let choice = choice.map(|choice| choice as f32);
        let number = number(value.get_ref()).map(|number| number as f32);
        choice.or(number.filter(|&number| spec.accept(number) == Some(number))).ok_or_else(|| {
            let found = format!("`{}` is {}", spec.name, described(value.get_ref()));
            self.error(&value.span(), found, what_is_right(spec, value.get_ref()))
        })
    }

    fn output_port(&self, value: &'a Value<'a>, modules: &[PatchModule]) -> Result<OutputPort> {
        let names = |spec: &'static ModuleSpec| spec.outputs.iter().map(|port| port.name).collect();
        let (module, output) = self.port(value, modules, "output", names)?;
        Ok(OutputPort { module, output })
    }

    /// An input or a parameter; the inputs are counted first.
    fn target(&self, value: &'a Value<'a>, modules: &[PatchModule]) -> Result<Target> {
        let names = |spec: &'static ModuleSpec| {
            let params = spec.params.iter().map(|param| param.name);
            spec.inputs.iter().map(|port| port.name).chain(params).collect()
        };
        let (module, index) = self.port(value, modules, "input", names)?;
        let inputs = modules[module].spec().inputs.len();
        let port = match index.checked_sub(inputs) {
            None => TargetPort::Input(index),
            Some(param) => TargetPort::Param(param),
        };
        Ok(Target { module, port })
    }

    /// Refuses a cable that can only be a mistake; `from` is where it begins in the text.
    fn check_joining(&self, cable: &Cable, from: &Value, modules: &[PatchModule]) -> Result<()> {
        let TargetPort::Input(input) = cable.to.port else { return Ok(()) };
        let [start, end] = [cable.from.module, cable.to.module].map(|module| &modules[module]);
        let (outputs, inputs) = (start.spec().outputs, end.spec().inputs);
        let start = End::new(start.id(), outputs, &outputs[cable.from.output]);
        let end = End::new(end.id(), inputs, &inputs[input]);
        match joining::mistake(&start, &end) {
            Some((found, right)) => Err(self.error(&from.span(), found, right)),
            None => Ok(()),
        }
    }

    /// The positions of module and port that "MODULE.PORT" names.
    fn port(
        &self,
        value: &'a Value<'a>,
        modules: &[PatchModule],
        direction: &str,
        names_of: impl Fn(&'static ModuleSpec) -> Vec<&'static str>,
    ) -> Result<(usize, usize)> {
        let name = self.string(value, "a port")?;
        let Some((id, port_name)) = name.split_once('.') else {
            let found = format!("`{name}` names no port");
            return Err(self.error(&value.span(), found, "write MODULE.PORT, as in \"sine.out\""));
        };
        let Some(module) = modules.iter().position(|module| module.id() == id) else {
            let ids = modules.iter().map(PatchModule::id);
            let found = format!("there is no module `{id}`");
            return Err(self.error(&value.span(), found, names::instead(id, "modules", ids)));
        };
        let ports = names_of(modules[module].spec());
        let port = ports.iter().position(|port| *port == port_name).ok_or_else(|| {
            let found = format!("module `{id}` has no {direction} `{port_name}`");
            let all = ports.iter().copied();
            let right = names::instead(port_name, &format!("{direction}s"), all);
            self.error(&value.span(), found, right)
        })?;
        Ok((module, port))
    }
}

/// An integer or float of the text.
fn number(value: &DeValue) -> Option<f64> {
    match value {
        DeValue::Integer(integer) => {
            i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|number| number as f64)
        }
        DeValue::Float(float) => float.as_str().parse().ok(),
        _ => None,
    }
}

fn what_is_right(spec: &ParamSpec, value: &DeValue) -> String {
    if spec.is_enumeration() {
        let choices = spec.choices.iter().copied();
        return names::instead(value.as_str().unwrap_or_default(), "choices", choices);
    }
    let unit = if spec.unit.is_empty() { String::new() } else { format!(" {}", spec.unit) };
    format!("write a number from {} to {}{unit}", spec.min, spec.max)
}

/// A value as the text has it, for a message.
fn described(value: &DeValue) -> String {
    match value {
        DeValue::String(string) => format!("\"{string}\""),
        DeValue::Integer(integer) => integer.to_string(),
        DeValue::Float(float) => float.to_string(),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
