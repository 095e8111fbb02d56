//! A patch as a text that is edited: modules and cables come and go, and the comments and the layout of
//! its writer stay.

use std::collections::{BTreeMap, BTreeSet};

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, Value};

use super::joining::{self, End};
use super::{FORMAT, NAME_RULE, Patch, PatchModule, is_name};
use crate::command::ParamIndex;
use crate::controls::Controls;
use crate::names;
use crate::range::Range;
use chronus_dsp::catalog::{self, CATALOG};
use chronus_dsp::{ModuleSpec, ParamSpec, PortSpec};

/// What a key of a module is set to.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Setting {
    /// A number.
    Number(f64),
    /// A text, or the name of a choice.
    Text(String),
}

/// The module of a port that is written as `MODULE.PORT`.
pub fn module_of(port: &str) -> &str {
    port.split_once('.').map_or(port, |(module, _)| module)
}

/// See the file's head. What is wrong with the whole is found when it is read as a [`Patch`].
#[derive(Clone, Debug)]
pub struct Document(DocumentMut);

impl Document {
    /// The text of a patch.
    ///
    /// # Errors
    /// If it is not TOML.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error| format!("this patch is not TOML: {error}"))
    }

    /// Whether it says which format of patch it is.
    pub fn has_format(&self) -> bool {
        self.0.contains_key("format")
    }

    /// Adds a module.
    ///
    /// # Errors
    /// A sentence, if the id can't be had or there is no such kind.
    pub fn create(&mut self, id: &str, kind: &str) -> Result<(), String> {
        if !is_name(id) {
            return Err(format!("a module can't be called `{id}`; {NAME_RULE}"));
        }
        if self.module(id).is_ok() {
            return Err(format!("there is a module `{id}` already; give each module its own id"));
        }
        if catalog::find(kind).is_none() {
            let kinds = CATALOG.iter().map(|entry| entry.spec.kind);
            let right = names::instead(kind, "kinds", kinds);
            return Err(format!("there is no kind of module `{kind}`; {right}"));
        }
        let mut table = Table::new();
        table["id"] = toml_edit::value(id);
        table["kind"] = toml_edit::value(kind);
        self.tables("module")?.push(table);
        Ok(())
    }

    /// Takes a module away, with all its cables.
    ///
    /// # Errors
    /// A sentence, if there is no such module.
    pub fn delete(&mut self, id: &str) -> Result<(), String> {
        self.module(id)?;
        self.tables("module")?.retain(|table| text_of(table, "id") != Some(id));
        let is_of = |table: &Table, key| {
            text_of(table, key).and_then(|port| port.split_once('.')).is_some_and(|it| it.0 == id)
        };
        if self.0.contains_key("cable") {
            self.tables("cable")?.retain(|cable| !is_of(cable, "from") && !is_of(cable, "to"));
        }
        Ok(())
    }

    /// The modules in which another document differs: those that only one has, that are set otherwise, or at which other
    /// cables begin or end. What is heard counts as a module called `output`, and a bus as one of its name.
    pub fn differences(&self, other: &Self) -> BTreeSet<String> {
        let (here, there) = (self.by_module(), other.by_module());
        let all = here.keys().chain(there.keys());
        all.filter(|id| here.get(*id) != there.get(*id)).cloned().collect()
    }

    /// What is said of each module, whatever the order and the comments.
    fn by_module(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut said = BTreeMap::<String, BTreeSet<String>>::new();
        let tables = |key: &str| {
            let found = self.0.get(key).and_then(|item| item.as_array_of_tables());
            found.into_iter().flat_map(|tables| tables.iter()).collect::<Vec<_>>()
        };
        let lines = |table: &Table| -> Vec<String> {
            let line = |(key, item): (&str, &toml_edit::Item)| {
                let value = item.as_value().map(|value| value.clone().decorated("", ""));
                format!("{key}={}", value.map_or_else(|| item.to_string(), |it| it.to_string()))
            };
            table.iter().map(line).collect()
        };
        for key in ["module", "bus"] {
            for table in tables(key) {
                let id = text_of(table, if key == "module" { "id" } else { "name" });
                said.entry(id.unwrap_or_default().to_owned()).or_default().extend(lines(table));
            }
        }
        for cable in tables("cable") {
            let line = lines(cable).join(" ");
            for port in [text_of(cable, "from"), text_of(cable, "to")].into_iter().flatten() {
                let module = module_of(port).to_owned();
                said.entry(module).or_default().insert(line.clone());
            }
        }
        if let Some(output) = self.0.get("output").and_then(|item| item.as_table()) {
            said.entry("output".into()).or_default().extend(lines(output));
        }
        said
    }

    /// Adds a module with these settings; what is to be told all the same, as [`Document::set`] does.
    ///
    /// # Errors
    /// A sentence for each thing that is wrong; then all is as it was.
    pub fn create_with(
        &mut self,
        id: &str,
        kind: &str,
        settings: &[(String, Setting)],
    ) -> Result<String, String> {
        let mut draft = self.clone();
        draft.create(id, kind)?;
        let (mut told, mut wrong) = (Vec::new(), Vec::new());
        for (key, setting) in settings {
            match draft.set(id, key, setting) {
                Ok(sentence) if sentence.is_empty() => {}
                Ok(sentence) => told.push(sentence),
                Err(reason) => wrong.push(reason),
            }
        }
        if wrong.is_empty() {
            *self = draft;
            return Ok(told.join(" | "));
        }
        Err(wrong.join(" | "))
    }

    /// Sets a key of a module: a parameter, a text, its channels or its file. A number out of range is clamped, and
    /// a sentence returned that says so; otherwise nothing is to be told.
    ///
    /// # Errors
    /// A sentence, if there is no such module or key, or the key can't have this value; then all is as it was.
    pub fn set(&mut self, id: &str, key: &str, setting: &Setting) -> Result<String, String> {
        let spec = self.module(id)?;
        let keys = keys_of(spec);
        if !keys.contains(&key) {
            let right = names::instead(key, "it has", keys.iter().copied());
            return Err(format!(
                "module `{id}` of the kind `{}` has no `{key}`; {right}",
                spec.kind
            ));
        }
        // A text may be one number, and who sends it as such means its digits.
        let is_text = key == "file" || spec.texts.iter().any(|text| text.name == key);
        let (value, told) = match setting {
            Setting::Number(number) if is_text => (number.to_string().into(), String::new()),
            Setting::Number(number) => match spec.params.iter().find(|param| param.name == key) {
                Some(param) => clamped(param, *number),
                None => (value_of(setting), String::new()),
            },
            Setting::Text(text) => {
                let text_spec = spec.texts.iter().find(|text| text.name == key);
                // One that is too long for a module may say the same in fewer bytes.
                let taken = text_spec.and_then(|spec| spec.take(text).ok());
                (taken.as_deref().unwrap_or(text).into(), String::new())
            }
        };
        check_value(spec.kind, key, &value)?;
        self.put_in_module(id, key, value)?;
        Ok(told)
    }

    fn put_in_module(&mut self, id: &str, key: &str, value: Value) -> Result<(), String> {
        let is_it = |table: &&mut Table| text_of(table, "id") == Some(id);
        if let Some(table) = self.tables("module")?.iter_mut().find(is_it) {
            put(table, key, value);
        }
        Ok(())
    }

    /// Adds a cable, or gives the one that is there another depth.
    ///
    /// # Errors
    /// A sentence, if one of the ports is not there.
    pub fn connect(&mut self, from: &str, to: &str, depth: Option<f64>) -> Result<(), String> {
        self.check_cable(from, to)?;
        if let Some(depth) = depth.filter(|depth| !(*depth as f32).is_finite()) {
            return Err(format!("a depth of {depth:e} is none; give a number such as 0.5"));
        }
        let cables = self.tables("cable")?;
        let found = cables.iter_mut().find(|cable| is_cable(cable, from, to));
        if let Some(cable) = found {
            let Some(depth) = depth else {
                return Err(format!("there is a cable from {from} to {to} already"));
            };
            put(cable, "depth", value_of(&Setting::Number(depth)));
            return Ok(());
        }
        let mut cable = Table::new();
        cable["from"] = toml_edit::value(from);
        cable["to"] = toml_edit::value(to);
        if let Some(depth) = depth {
            cable["depth"] = Item::Value(value_of(&Setting::Number(depth)));
        }
        cables.push(cable);
        Ok(())
    }

    /// Takes a cable away.
    ///
    /// # Errors
    /// A sentence, if there is none.
    pub fn disconnect(&mut self, from: &str, to: &str) -> Result<(), String> {
        let cables = self.tables("cable")?;
        let before = cables.len();
        cables.retain(|cable| !is_cable(cable, from, to));
        if cables.len() < before {
            return Ok(());
        }
        let there: Vec<_> = cables
            .iter()
            .filter(|cable| text_of(cable, "to") == Some(to))
            .filter_map(|cable| text_of(cable, "from"))
            .collect();
        let there = if there.is_empty() {
            format!("no cable ends at {to}")
        } else {
            format!("cables come there from {}", names::list(there))
        };
        Err(format!("there is no cable from {from} to {to}; {there}"))
    }

    /// Sets what is heard.
    ///
    /// # Errors
    /// A sentence, if one of the ports is not there.
    pub fn set_output(&mut self, left: &str, right: &str) -> Result<(), String> {
        self.check_port(left, true)?;
        self.check_port(right, true)?;
        let output = self.0.entry("output").or_insert_with(toml_edit::table);
        let output = output.as_table_mut().ok_or("[output] is not a table of this patch")?;
        put(output, "left", left.into());
        put(output, "right", right.into());
        Ok(())
    }

    /// Writes down where the controls stand.
    pub fn write_controls(&mut self, patch: &Patch, controls: &Controls) {
        for module in patch.modules() {
            for (key, value) in changes(module, controls) {
                // The module is in the patch, the key is one of its own, and it has had this value.
                let _ = self.put_in_module(module.id(), key, value_of(&value));
            }
        }
        let (was, now) = (patch.transport(), controls.timeline().now());
        if was != now {
            let item = self.0.entry("transport").or_insert_with(toml_edit::table);
            if let Some(table) = item.as_table_mut() {
                put(table, "tempo", now.tempo_bpm.into());
                put(table, "beats_per_bar", i64::from(now.beats_per_bar).into());
                put(table, "playing", now.playing.into());
            }
        }
    }

    /// What kind of module this is.
    fn module(&self, id: &str) -> Result<&'static ModuleSpec, String> {
        let modules: Vec<&Table> = match self.0.get("module") {
            Some(Item::ArrayOfTables(tables)) => tables.iter().collect(),
            _ => Vec::new(),
        };
        let ids: Vec<_> = modules.iter().filter_map(|table| text_of(table, "id")).collect();
        let Some(table) = modules.iter().find(|table| text_of(table, "id") == Some(id)) else {
            let right = names::instead(id, "modules", ids.iter().copied());
            return Err(format!("there is no module `{id}`; {right}"));
        };
        let kind = text_of(table, "kind").unwrap_or_default();
        let entry = catalog::find(kind);
        entry.map(|entry| entry.spec).ok_or_else(|| format!("there is no kind `{kind}`"))
    }

    /// Finds the spec of a module and the name of a port; one of an output, or of an input or parameter.
    fn check_port<'a>(
        &self,
        name: &'a str,
        is_output: bool,
    ) -> Result<(&'a str, &'static ModuleSpec, &'a str), String> {
        let Some((id, port)) = name.split_once('.') else {
            return Err(format!("`{name}` names no port; write MODULE.PORT, as in sine.out"));
        };
        let spec = self.module(id)?;
        let (what, ports): (_, Vec<_>) = if is_output {
            ("output", spec.outputs.iter().map(|port| port.name).collect())
        } else {
            let params = spec.params.iter().map(|param| param.name);
            ("input", spec.inputs.iter().map(|port| port.name).chain(params).collect())
        };
        if ports.contains(&port) {
            return Ok((id, spec, port));
        }
        let right = names::instead(port, &format!("{what}s"), ports.iter().copied());
        Err(format!("module `{id}` has no {what} `{port}`; {right}"))
    }

    /// Finds both ends of a cable, and refuses one that can only be a mistake.
    fn check_cable(&self, from: &str, to: &str) -> Result<(), String> {
        let is = |name, is_output| self.check_port(name, is_output).is_ok();
        if !is(from, true) && !is(to, false) && is(from, false) && is(to, true) {
            return Err(format!("`{from}` is an input, and `{to}` an output: swap FROM and TO"));
        }
        let (from_id, from_spec, output) = self.check_port(from, true)?;
        let (to_id, to_spec, input) = self.check_port(to, false)?;
        let end = |id, ports: &'static [PortSpec], name: &str| {
            let port = ports.iter().find(|port| port.name == name)?;
            Some(End::new(id, ports, port))
        };
        let start = end(from_id, from_spec.outputs, output);
        // Without one, it ends at a parameter.
        let target = end(to_id, to_spec.inputs, input);
        let mistake = start.zip(target).and_then(|(from, to)| joining::mistake(&from, &to));
        mistake.map_or(Ok(()), |(found, right)| Err(format!("{found}; {right}")))
    }

    /// The tables `[[key]]`, of which there may be none yet.
    fn tables(&mut self, key: &str) -> Result<&mut ArrayOfTables, String> {
        let item = self.0.entry(key).or_insert_with(|| ArrayOfTables::new().into());
        let inline =
            || format!("this patch does not write [[{key}]] in double brackets; edit the file");
        item.as_array_of_tables_mut().ok_or_else(inline)
    }
}

impl std::fmt::Display for Document {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.to_string();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        write!(formatter, "{text}{end}")
    }
}

/// The keys of a module that have another value than the patch says.
fn changes(module: &PatchModule, controls: &Controls) -> Vec<(&'static str, Setting)> {
    let mut changes = Vec::new();
    for (index, (spec, was)) in module.spec().params.iter().zip(module.params()).enumerate() {
        let now = controls.param(module.handle(), ParamIndex(index as u16));
        if let Some(now) = now.filter(|now| now != was) {
            changes.push((spec.name, param_setting(spec, now)));
        }
    }
    for (index, (spec, was)) in module.spec().texts.iter().zip(module.texts()).enumerate() {
        let now = controls.text(module.handle(), index);
        if let Some(now) = now.filter(|now| now != was) {
            changes.push((spec.name, Setting::Text(now.to_owned())));
        }
    }
    changes
}

/// A number as this parameter takes it, and a sentence if it is another than was given. Whoever names a choice by a
/// number may be as far off.
fn clamped(spec: &ParamSpec, wanted: f64) -> (Value, String) {
    if !wanted.is_finite() {
        return (value_of(&Setting::Number(wanted)), String::new());
    }
    let (value, told) = Range::of(spec, format!("{}: ", spec.name)).clamp(wanted);
    let Some(told) = told else { return (value_of(&Setting::Number(wanted)), String::new()) };
    // Through its shortest form, so that 0.1 does not become 0.10000000149.
    let short = (value as f32).to_string().parse().unwrap_or(value);
    (value_of(&Setting::Number(short)), told.to_string())
}

fn param_setting(spec: &ParamSpec, value: f32) -> Setting {
    match spec.choices.get(value as usize) {
        Some(choice) => Setting::Text((*choice).to_owned()),
        // Through its shortest form, so that 0.1 does not become 0.10000000149.
        None => Setting::Number(value.to_string().parse().unwrap_or_else(|_| f64::from(value))),
    }
}

fn keys_of(spec: &'static ModuleSpec) -> Vec<&'static str> {
    let params = spec.params.iter().map(|param| param.name);
    let texts = spec.texts.iter().map(|text| text.name);
    params.chain(texts).chain(["channels"]).chain(spec.recording.map(|_| "file")).collect()
}

/// Refuses a value that this key of such a module can't have, whatever else it needs.
fn check_value(kind: &str, key: &str, value: &Value) -> Result<(), String> {
    const LINE: usize = 4;
    let text = format!(
        "format = {FORMAT}\n[[module]]\nid = \"it\"\n{key} = {value}\nkind = \"{kind}\"\n\
         [[module]]\nid = \"heard\"\nkind = \"sine\"\n\
         [output]\nleft = \"heard.out\"\nright = \"heard.out\"\n"
    );
    match Patch::parse(&text, "") {
        Err(error) if error.line == LINE => Err(format!("{}; {}", error.found, error.right)),
        _ => Ok(()),
    }
}

fn text_of<'a>(table: &'a Table, key: &str) -> Option<&'a str> {
    table.get(key)?.as_str()
}

fn is_cable(cable: &Table, from: &str, to: &str) -> bool {
    text_of(cable, "from") == Some(from) && text_of(cable, "to") == Some(to)
}

fn value_of(setting: &Setting) -> Value {
    match setting {
        Setting::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            (*number as i64).into()
        }
        Setting::Number(number) => (*number).into(),
        Setting::Text(text) => text.as_str().into(),
    }
}

/// Sets a key and keeps the comment behind its value.
fn put(table: &mut Table, key: &str, value: Value) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            let decor = old.decor().clone();
            *old = value;
            *old.decor_mut() = decor;
        }
        None => table[key] = Item::Value(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first() -> Document {
        Document::parse(Patch::first().text()).expect("a patch")
    }

    #[test]
    fn a_number_where_a_text_belongs_is_its_digits() {
        let mut document = first();
        document.create("track", "steps").expect("a kind");
        document.set("track", "notes", &Setting::Number(-5.0)).expect("a key");
        document.set("track", "length", &Setting::Number(0.5)).expect("a key");
        let text = document.to_string();
        assert!(text.contains("notes = \"-5\"") && text.contains("length = 0.5"), "{text}");
        Patch::parse(&text, "edited").unwrap_or_else(|error| panic!("{error}\n{text}"));
    }

    #[test]
    fn edits_keep_comments_and_make_a_patch_that_reads() {
        let mut document = first();
        document.create("lfo", "sine").expect("a kind");
        document.set("lfo", "freq", &Setting::Number(20.0)).expect("a key");
        document.set("filter", "mode", &Setting::Text("notch".into())).expect("a key");
        document.connect("lfo.out", "filter.cutoff", Some(0.5)).expect("ports");
        document.connect("lfo.out", "filter.cutoff", Some(0.25)).expect("another depth");
        document.set_output("filter.out", "sine.out").expect("ports");
        let text = document.to_string();
        for comment in Patch::first().text().lines().filter(|line| line.starts_with('#')) {
            assert!(text.contains(comment), "{comment}");
        }
        let patch = Patch::parse(&text, "edited").unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(patch.modules().len(), 4);
        assert_eq!((patch.cables().len(), patch.cables()[2].depth), (3, 0.25));
        document.disconnect("lfo.out", "filter.cutoff").expect("a cable");
        document.delete("adsr").expect("a module");
        let patch = Patch::parse(&document.to_string(), "edited").expect("a patch");
        assert_eq!((patch.modules().len(), patch.cables().len()), (3, 0));
    }

    #[test]
    fn mistakes_are_told_at_once() {
        let mut document = first();
        document.create("keys", "voices").expect("a kind");
        document.create("track", "steps").expect("a kind");
        // Its file comes later.
        document.create("tape", "sample").expect("a kind");
        document.set("tape", "gain", &Setting::Number(0.5)).expect("a key");
        let before = document.to_string();
        let text = Setting::Text("x".into());
        let mistakes = [
            (document.create("sine", "sine"), "there is a module `sine` already"),
            (document.create("a b", "sine"), "a module can't be called `a b`"),
            (document.create("x", "sien"), "no kind of module `sien`; did you mean `sine`?"),
            (document.delete("filtr"), "no module `filtr`; did you mean `filter`?"),
            (
                document.set("filter", "cutof", &text).map(drop),
                "no `cutof`; did you mean `cutoff`?",
            ),
            (document.set("filter", "cutoff", &Setting::Number(f64::NAN)).map(drop), "20000"),
            (document.set("filter", "mode", &Setting::Text("notsch".into())).map(drop), "`notch`"),
            (document.set("filter", "channels", &Setting::Number(3.0)).map(drop), "channels"),
            (document.set("track", "pattern", &Setting::Text("x.q".into())).map(drop), "q"),
            (
                document.connect("sine.out", "filter.inn", None),
                "no input `inn`; did you mean `in`?",
            ),
            (document.connect("filter.in", "sine.out", None), "swap FROM and TO"),
            (document.connect("sine.out", "filter.cutoff", Some(1e99)), "a depth of 1e99 is none"),
            (document.connect("sine.ou", "filter.in", None), "no output `ou`; did you mean `out`?"),
            (document.connect("sine", "filter.in", None), "`sine` names no port"),
            (document.connect("sine.out", "adsr.in", None), "already"),
            (
                document.connect("keys.pitch", "adsr.gate", None),
                "`keys.pitch` is a pitch, and `adsr.gate` takes a gate: high notes would hold it \
                 open, low notes never open it; connect `keys.gate` instead",
            ),
            (document.disconnect("sine.out", "filter.in"), "cables come there from `adsr.out`"),
        ];
        for (found, expected) in mistakes {
            let found = found.expect_err(expected);
            assert!(found.contains(expected), "{found}");
        }
        assert_eq!(document.to_string(), before);
    }

    #[test]
    fn a_number_out_of_range_is_clamped_and_told() {
        let mut document = first();
        let told = document.set("filter", "cutoff", &Setting::Number(1e6)).expect("a key");
        assert_eq!(told, "cutoff: 1000000 Hz was clamped to 20000 Hz; the range is 20 to 20000 Hz");
        let told = document.create_with("x", "sine", &[("gain".into(), Setting::Number(-1.0))]);
        assert_eq!(told.as_deref(), Ok("gain: -1 was clamped to 0; the range is 0 to 1"));
        assert_eq!(document.set("x", "gain", &Setting::Number(0.5)).as_deref(), Ok(""));
        let patch = Patch::parse(&document.to_string(), "clamped").expect("a patch");
        assert_eq!(patch.modules()[2].params()[1], 20_000.0);
        // All that is wrong with a new module is told, and none of it is made.
        let before = document.to_string();
        let text = Setting::Text("loud".into());
        let settings = [
            ("frq".into(), text.clone()),
            ("gain".into(), text),
            ("freq".into(), Setting::Number(f64::NAN)),
        ];
        let wrong = document.create_with("y", "sine", &settings).expect_err("three mistakes");
        assert_eq!(wrong.split(" | ").count(), 3, "{wrong}");
        assert_eq!(document.to_string(), before);
    }

    #[test]
    fn controls_are_written_down() {
        use crate::command::{Command, TransportChange};
        let patch = Patch::first();
        let mut controls = Controls::of(&patch);
        let module = |at: usize| patch.modules()[at].handle();
        for command in [
            Command::SetParam { module: module(0), param: ParamIndex(0), value: 220.1 },
            Command::SetParam { module: module(2), param: ParamIndex(0), value: 1.0 },
            Command::Transport(TransportChange::Tempo(96.0)),
        ] {
            controls.apply(&command, 0, 48_000);
        }
        let mut document = first();
        document.write_controls(&patch, &controls);
        let text = document.to_string();
        assert!(text.contains("freq = 220.1"), "{text}");
        assert!(text.contains("mode = \"high-pass\""), "{text}");
        let saved = Patch::parse(&text, "saved").expect("a patch");
        assert_eq!(saved.transport().tempo_bpm, 96.0);
        assert_eq!(saved.modules()[0].params()[0], 220.1);
    }
}
