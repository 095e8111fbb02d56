//! From TOML to a patch: every key is checked, and every mistake gets its place in the text.

use core::ops::Range;

use chronus_dsp::catalog::{self, CATALOG, CatalogEntry};
use chronus_dsp::{ModuleSpec, ParamSpec, PortSpec};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{PatchError, Source};
use super::{Cable, FORMAT, InputPort, MODULES_MAX, OutputPort, Patch, PatchModule, order};
use crate::names;

type Result<T> = core::result::Result<T, PatchError>;
type Value<'a> = Spanned<DeValue<'a>>;

/// See [`Patch::parse`].
pub(super) fn read(text: &str, file_name: &str) -> Result<Patch> {
    let source = Source { file_name, text };
    let document = DeTable::parse(text).map_err(|error| source.syntax_error(&error))?;
    let root = Section { source, table: document.get_ref(), at: 0..0, what: "a patch" };
    root.read_format()?;
    root.allow(&["format", "name", "module", "cable", "output"])?;
    let name = match root.table.get("name") {
        Some(name) => root.string(name, "the name")?.to_owned(),
        None => "untitled".to_owned(),
    };
    let modules = read_modules(&root)?;
    let (cables, order) = read_cables(&root, &modules)?;
    let output = root.section(root.required("output", "[output]")?, "[output]")?;
    output.allow(&["left", "right"])?;
    let heard = |side| output.output_port(output.required(side, "\"MODULE.OUTPUT\"")?, &modules);
    let (left, right) = (heard("left")?, heard("right")?);
    Ok(Patch { text: text.to_owned(), name, modules, cables, left, right, order })
}

fn read_modules(root: &Section) -> Result<Vec<PatchModule>> {
    let mut modules: Vec<PatchModule> = Vec::new();
    for section in root.sections("module", "[[module]]")? {
        if modules.len() == MODULES_MAX {
            let found = format!("more than {MODULES_MAX} modules");
            return Err(section.error(&section.at, found, "a patch has no more"));
        }
        modules.push(section.read_module(&modules)?);
    }
    Ok(modules)
}

/// The cables, and the order of the modules that follows from them.
fn read_cables(root: &Section, modules: &[PatchModule]) -> Result<(Vec<Cable>, Vec<usize>)> {
    let mut cables: Vec<Cable> = Vec::new();
    let sections = root.sections("cable", "[[cable]]")?;
    for section in &sections {
        section.allow(&["from", "to"])?;
        let from = section.required("from", "\"MODULE.OUTPUT\"")?;
        let to = section.required("to", "\"MODULE.INPUT\"")?;
        let cable = Cable {
            from: section.output_port(from, modules)?,
            to: section.input_port(to, modules)?,
        };
        if cables.contains(&cable) {
            let found = "this cable is there already";
            return Err(section.error(&from.span(), found, "remove one of the two"));
        }
        cables.push(cable);
    }
    let pairs: Vec<_> = cables.iter().map(|cable| (cable.from.module, cable.to.module)).collect();
    let order = order::order(modules.len(), &pairs).map_err(|circle| {
        let closing = (circle[circle.len() - 1], circle[0]);
        let cable = pairs.iter().position(|&pair| pair == closing).unwrap_or_default();
        let way: Vec<_> = circle.iter().chain(&circle[..1]).map(|&i| modules[i].id()).collect();
        let found = format!("the cables run in a circle: {}", way.join(" -> "));
        root.error(&sections[cable].at, found, "remove one of them")
    })?;
    Ok((cables, order))
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
        let id = self.read_id(others)?;
        let entry = self.read_kind()?;
        let params = entry.spec.params;
        let mut keys = vec!["id", "kind"];
        keys.extend(params.iter().map(|param| param.name));
        self.allow(&keys)?;
        let params = params
            .iter()
            .map(|spec| match self.table.get(spec.name) {
                Some(value) => self.read_param(spec, value),
                None => Ok(spec.default),
            })
            .collect::<Result<_>>()?;
        Ok(PatchModule { id, entry, params })
    }

    fn read_id(&self, others: &[PatchModule]) -> Result<String> {
        let value = self.required("id", "\"NAME\"")?;
        let id = self.string(value, "the id")?;
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if id.is_empty() || id.len() > 64 || !id.chars().all(is_allowed) {
            let right = "write 1 to 64 letters a-z, digits, `_` and `-`";
            return Err(self.error(&value.span(), format!("the id is \"{id}\""), right));
        }
        if others.iter().any(|other| other.id == id) {
            let found = format!("a second module with the id `{id}`");
            return Err(self.error(&value.span(), found, "give each module its own id"));
        }
        Ok(id.to_owned())
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
        let choice = value
            .get_ref()
            .as_str()
            .and_then(|name| spec.choices.iter().position(|choice| *choice == name))
            .map(|choice| choice as f32);
        let number = number(value.get_ref()).map(|number| number as f32);
        choice.or(number.filter(|&number| spec.accept(number) == Some(number))).ok_or_else(|| {
            let found = format!("`{}` is {}", spec.name, described(value.get_ref()));
            self.error(&value.span(), found, what_is_right(spec, value.get_ref()))
        })
    }

    fn output_port(&self, value: &'a Value<'a>, modules: &[PatchModule]) -> Result<OutputPort> {
        let outputs = |spec: &'static ModuleSpec| (spec.outputs, "output");
        let (module, output) = self.port(value, modules, outputs)?;
        Ok(OutputPort { module, output })
    }

    fn input_port(&self, value: &'a Value<'a>, modules: &[PatchModule]) -> Result<InputPort> {
        let inputs = |spec: &'static ModuleSpec| (spec.inputs, "input");
        let (module, input) = self.port(value, modules, inputs)?;
        Ok(InputPort { module, input })
    }

    /// The positions of module and port that "MODULE.PORT" names.
    fn port(
        &self,
        value: &'a Value<'a>,
        modules: &[PatchModule],
        ports_of: impl Fn(&'static ModuleSpec) -> (&'static [PortSpec], &'static str),
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
        let (ports, direction) = ports_of(modules[module].spec());
        let port = ports.iter().position(|port| port.name == port_name).ok_or_else(|| {
            let found = format!("module `{id}` has no {direction} `{port_name}`");
            let all = ports.iter().map(|port| port.name);
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
