//! A table of a patch file, and what its keys say.

use core::ops::Range;

use chronus_dsp::catalog::{self, CATALOG, CatalogEntry};
use chronus_dsp::{CHANNEL_COUNTS, ModuleSpec, ParamSpec, TextSpec};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{PatchError, Source};
use super::joining::{self, End};
use super::rack::Rack;
use super::{Cable, FORMAT, OutputPort, PatchModule, Target, TargetPort};
use crate::command::Handle;
use crate::names;
use crate::range::Range as Numbers;

pub(super) type Result<T> = core::result::Result<T, PatchError>;
type Value<'a> = Spanned<DeValue<'a>>;

/// A table of the text, where it is, and what it describes.
pub(super) struct Section<'a> {
    pub source: Source<'a>,
    pub table: &'a DeTable<'a>,
    pub at: Range<usize>,
    what: &'static str,
}

impl<'a> Section<'a> {
    /// The whole of a patch file.
    pub fn root(source: Source<'a>, table: &'a DeTable<'a>) -> Self {
        Self { source, table, at: 0..0, what: "a patch" }
    }

    pub fn error(
        &self,
        at: &Range<usize>,
        found: impl Into<String>,
        right: impl Into<String>,
    ) -> PatchError {
        self.source.error(at, found, right)
    }

    /// Refuses keys other than these.
    pub fn allow(&self, keys: &[&str]) {
        self.allow_of(self.what, keys);
    }

    /// Refuses keys other than these, which are those of `whose`.
    fn allow_of(&self, whose: &str, keys: &[&str]) {
        for key in self.table.keys() {
            let word = key.get_ref().as_ref();
            if keys.contains(&word) {
                continue;
            }
            let found = format!("{whose} has no `{word}`");
            let is_near = names::near_miss(word, keys.iter().copied()).is_some();
            let right = match home_of(word).filter(|home| !is_near && *home != self.what) {
                Some(home) => format!("write it under {home}"),
                None => names::instead(word, "it has", keys.iter().copied()),
            };
            self.source.say(self.error(&key.span(), found, right));
        }
    }

    /// The value of a key that must be there. `example` is what to write.
    pub fn required(&self, key: &str, example: &str) -> Result<&'a Value<'a>> {
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
    pub fn switch(&self, key: &str) -> Result<bool> {
        let Some(value) = self.table.get(key) else { return Ok(true) };
        value.get_ref().as_bool().ok_or_else(|| {
            let found = format!("`{key}` is {}", described(value.get_ref()));
            self.error(&value.span(), found, "write true or false")
        })
    }

    pub fn string(&self, value: &'a Value<'a>, what: &str) -> Result<&'a str> {
        value.get_ref().as_str().ok_or_else(|| {
            let found = format!("{what} is {}", described(value.get_ref()));
            self.error(&value.span(), found, "write a string in quotes")
        })
    }

    /// The table `value`, which is written under the header `what`.
    pub fn section(&self, value: &'a Value<'a>, what: &'static str) -> Result<Section<'a>> {
        let table = value.get_ref().as_table().ok_or_else(|| {
            let found = format!("{what} is {}", described(value.get_ref()));
            self.error(&value.span(), found, format!("write it as a table under {what}"))
        })?;
        Ok(Section { source: self.source, table, at: value.span(), what })
    }

    /// The tables under the header `[[key]]`, in the order of the text.
    pub fn sections(&self, key: &str, what: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.table.get(key) else {
            return Vec::new();
        };
        let array = value.get_ref().as_array().ok_or_else(|| {
            let found = format!("`{key}` is {}", described(value.get_ref()));
            self.error(&value.span(), found, format!("write {what} in double brackets"))
        });
        let array = self.source.note(array).into_iter().flatten();
        array.filter_map(|value| self.source.note(self.section(value, what))).collect()
    }

    pub fn read_format(&self) -> Result<()> {
        let example = FORMAT.to_string();
        let value = self.required("format", &example)?;
        if number(value.get_ref()) == Some(FORMAT as f64) {
            return Ok(());
        }
        let found = format!("the format is {}", described(value.get_ref()));
        let right = format!("this version reads `format = {FORMAT}`");
        Err(self.error(&value.span(), found, right))
    }

    /// The module with this id, as far as it can be read: what is wrong with a parameter costs only that.
    pub fn read_module(&self, id: &str, index: usize) -> Option<PatchModule> {
        let entry = self.source.note(self.read_kind());
        let may_play = entry.is_none_or(|entry| entry.spec.recording.is_some());
        let file = self.table.get("file").filter(|_| may_play);
        let file = file.and_then(|value| {
            let file = self.source.note(self.string(value, "the file"))?;
            self.source.names(id, file, &value.span());
            Some(file)
        });
        let entry = entry?;
        let spec = entry.spec;
        let mut keys = vec!["id", "kind", "channels"];
        keys.extend(spec.params.iter().map(|param| param.name));
        keys.extend(spec.texts.iter().map(|text| text.name));
        keys.extend(spec.recording.map(|_| "file"));
        self.allow_of(&format!("module `{id}` of the kind `{}`", spec.kind), &keys);
        let param = |spec: &ParamSpec| {
            let value = self.table.get(spec.name);
            value.and_then(|value| self.source.note(self.read_param(spec, value)))
        };
        let text = |spec: &TextSpec| {
            let value = self.table.get(spec.name);
            value.and_then(|value| self.source.note(self.read_text(spec, value)))
        };
        let params = spec.params.iter();
        let texts = spec.texts.iter();
        Some(PatchModule {
            id: id.to_owned(),
            handle: Handle(index as u32),
            entry,
            params: params.map(|spec| param(spec).unwrap_or(spec.default)).collect(),
            texts: texts
                .map(|spec| text(spec).unwrap_or_else(|| spec.default.to_owned()))
                .collect(),
            file: file.map(str::to_owned),
            content: None,
            channels: 1,
        })
    }

    fn read_text(&self, spec: &TextSpec, value: &'a Value<'a>) -> Result<String> {
        let text = self.string(value, spec.name)?;
        spec.take(text).map_err(|reason| {
            let mut shown: String = text.chars().take(SHOWN).collect();
            if shown.len() < text.len() {
                shown.push('…');
            }
            self.error(&value.span(), format!("`{}` is \"{shown}\"", spec.name), reason)
        })
    }

    pub fn number_within(&self, key: &str, range: &Numbers) -> Result<Option<f64>> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let wanted = number(value.get_ref()).filter(|number| number.is_finite());
        let within = wanted.map(|wanted| self.source.within(range, wanted, &value.span()));
        within.map(Some).ok_or_else(|| {
            let found = format!("`{key}` is {}", described(value.get_ref()));
            let right = format!("write a number from {} to {}", range.least, range.most);
            self.error(&value.span(), found, right)
        })
    }

    pub fn read_channels(&self) -> Result<Option<usize>> {
        let Some(value) = self.table.get("channels") else { return Ok(None) };
        let asked = number(value.get_ref());
        let fits = |count: &usize| asked == Some(*count as f64);
        CHANNEL_COUNTS.into_iter().find(fits).map(Some).ok_or_else(|| {
            let found = format!("`channels` is {}", described(value.get_ref()));
            self.error(&value.span(), found, "write 1, 4, 8 or 16")
        })
    }

    pub fn read_depth(&self) -> Result<f32> {
        let Some(value) = self.table.get("depth") else { return Ok(1.0) };
        let depth = number(value.get_ref()).map(|depth| depth as f32);
        depth.filter(|depth| depth.is_finite()).ok_or_else(|| {
            let found = format!("`depth` is {}", described(value.get_ref()));
            self.error(&value.span(), found, "write a number")
        })
    }

    /// A name that OSC addresses may hold, and where it is.
    pub fn read_name(&self, key: &str, what: &str) -> Result<(String, Range<usize>)> {
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
        let number = number(value.get_ref()).and_then(|wanted| {
            if spec.is_enumeration() || !wanted.is_finite() {
                return spec.accept(wanted as f32).filter(|it| *it == wanted as f32);
            }
            let range = Numbers::of(spec, format!("{}: ", spec.name));
            spec.accept(self.source.within(&range, wanted, &value.span()) as f32)
        });
        choice.or(number).ok_or_else(|| {
            let found = format!("`{}` is {}", spec.name, described(value.get_ref()));
            self.error(&value.span(), found, what_is_right(spec, value.get_ref()))
        })
    }

    /// The output that a key names, which must be there.
    pub fn port_of(&self, key: &str, rack: &Rack) -> Result<OutputPort> {
        self.output_port(self.required(key, "\"MODULE.OUTPUT\"")?, rack)
    }

    pub fn output_port(&self, value: &'a Value<'a>, rack: &Rack) -> Result<OutputPort> {
        let (module, output) = self.port(value, rack, "output", output_names)?;
        Ok(OutputPort { module, output })
    }

    /// An input or a parameter; the inputs are counted first.
    pub fn target(&self, value: &'a Value<'a>, rack: &Rack) -> Result<Target> {
        let (module, index) = self.port(value, rack, "input", target_names)?;
        let inputs = rack.modules[module].spec().inputs.len();
        let port = match index.checked_sub(inputs) {
            None => TargetPort::Input(index),
            Some(param) => TargetPort::Param(param),
        };
        Ok(Target { module, port })
    }

    /// The mistake of a cable whose ends are the wrong way round.
    pub fn reversal(&self, from: &Value, to: &Value, rack: &Rack) -> Option<PatchError> {
        let named = |value: &Value, names: fn(&'static ModuleSpec) -> Vec<&'static str>| {
            let (id, port) = value.get_ref().as_str()?.split_once('.')?;
            let module = rack.modules.iter().find(|module| module.id() == id)?;
            names(module.spec()).contains(&port).then(|| (id.to_owned(), port.to_owned()))
        };
        if named(from, output_names).is_some() || named(to, target_names).is_some() {
            return None;
        }
        let ((id, port), _) = (named(from, target_names)?, named(to, output_names)?);
        let found = format!("module `{id}` has no output `{port}`");
        let right = format!("`{port}` is an input: swap `from` and `to`");
        Some(self.error(&from.span(), found, right))
    }

    /// Refuses a cable that can only be a mistake; `from` is where it begins in the text.
    pub fn check_joining(
        &self,
        cable: &Cable,
        from: &Value,
        modules: &[PatchModule],
    ) -> Result<()> {
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
        rack: &Rack,
        direction: &str,
        names_of: impl Fn(&'static ModuleSpec) -> Vec<&'static str>,
    ) -> Result<(usize, usize)> {
        let name = self.string(value, "a port")?;
        let Some((id, port_name)) = name.split_once('.') else {
            let found = format!("`{name}` names no port");
            return Err(self.error(&value.span(), found, "write MODULE.PORT, as in \"sine.out\""));
        };
        let Some(module) = rack.modules.iter().position(|module| module.id() == id) else {
            if rack.has_nameless || rack.broken.iter().any(|broken| broken == id) {
                return Err(PatchError::unsaid());
            }
            let ids = rack.modules.iter().map(PatchModule::id);
            let ids = ids.chain(rack.broken.iter().map(String::as_str));
            let found = format!("there is no module `{id}`");
            return Err(self.error(&value.span(), found, names::instead(id, "modules", ids)));
        };
        let ports = names_of(rack.modules[module].spec());
        let port = ports.iter().position(|port| *port == port_name).ok_or_else(|| {
            let found = format!("module `{id}` has no {direction} `{port_name}`");
            let all = ports.iter().copied();
            let right = names::instead(port_name, &format!("{direction}s"), all);
            self.error(&value.span(), found, right)
        })?;
        Ok((module, port))
    }
}

fn output_names(spec: &'static ModuleSpec) -> Vec<&'static str> {
    spec.outputs.iter().map(|port| port.name).collect()
}

fn target_names(spec: &'static ModuleSpec) -> Vec<&'static str> {
    let params = spec.params.iter().map(|param| param.name);
    spec.inputs.iter().map(|port| port.name).chain(params).collect()
}

/// As many letters are shown of a text that is wrong.
const SHOWN: usize = 80;

/// Where a key belongs that is written elsewhere.
fn home_of(key: &str) -> Option<&'static str> {
    Some(match key {
        "tempo" | "beats_per_bar" | "playing" => "[transport]",
        "left" | "right" | "limiter" | "dc_blocker" => "[output]",
        "from" | "to" | "depth" => "[[cable]]",
        "id" | "kind" | "channels" => "[[module]]",
        _ => return None,
    })
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

/// The choice that is meant by a note value as it is written elsewhere: 1/8., 1/8d, 1/8T.
pub fn choice_meant(spec: &ParamSpec, word: &str) -> Option<&'static str> {
    let spelled = word.trim().to_lowercase().replace('/', "_").replace('.', "d");
    spec.choices.iter().copied().find(|choice| *choice == spelled && *choice != word)
}

fn what_is_right(spec: &ParamSpec, value: &DeValue) -> String {
    if spec.is_enumeration() {
        let choices = || spec.choices.iter().copied();
        let word = value.as_str().unwrap_or_default();
        if let Some(meant) = choice_meant(spec, word) {
            return format!("did you mean `{meant}`? choices: {}", names::list(choices()));
        }
        return names::instead(word, "choices", choices());
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
