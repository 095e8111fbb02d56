//! Everything that can be set or read of a patch: modules, and what each has, with range, unit and where it stands.

use chronus_engine::{Controls, ParamIndex, Patch, PatchModule};
use serde::{Deserialize, Serialize};

/// The modules of a patch, in its order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    /// The number of the edit since which they are these; 0 is the patch that was played first.
    pub edition: u32,
    /// What the patch is called.
    pub patch: String,
    /// The modules.
    pub modules: Vec<Branch>,
}

/// A module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Branch {
    /// What it is called in the patch.
    pub id: String,
    /// What its meters are called in shared memory.
    pub handle: u32,
    /// Its kind.
    pub kind: String,
    /// What it is, in a sentence.
    pub description: String,
    /// How many channels it has.
    pub channels: u32,
    /// Whether it is put aside.
    pub is_bypassed: bool,
    /// What it has.
    pub leaves: Vec<Leaf>,
}

/// Something that a module has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Leaf {
    /// A parameter.
    Parameter(Parameter),
    /// A text.
    Text {
        /// Its name.
        name: String,
        /// What it means.
        description: String,
        /// What it says.
        value: String,
    },
    /// A gate, and whether it is open.
    Gate(bool),
    /// An input for notes, and how many are held.
    Notes(u32),
    /// A value that it tells.
    Meter {
        /// Its name.
        name: String,
        /// What it means.
        description: String,
    },
    /// Where a cable ends.
    Input(Port),
    /// Where a cable begins.
    Output(Port),
}

/// A number that can be set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its unit; empty for a plain number.
    pub unit: String,
    /// The least.
    pub min: f32,
    /// The most.
    pub max: f32,
    /// What it is if nobody says otherwise.
    pub default: f32,
    /// Where it stands.
    pub value: f32,
    /// The names of its values, if it is a choice.
    pub choices: Vec<String>,
    /// What it means.
    pub description: String,
}

/// An input or an output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// What its signal means: audio, control, pitch, gate or trigger.
    pub signal: String,
    /// What goes there, or comes from there.
    pub description: String,
}

impl Tree {
    /// That of a patch whose controls stand so.
    pub fn of(edition: u32, patch: &Patch, controls: &Controls) -> Self {
        let modules = patch.modules().iter().map(|module| branch(module, controls)).collect();
        Self { edition, patch: patch.name().to_owned(), modules }
    }

    /// The module of this id.
    pub fn module(&self, id: &str) -> Option<&Branch> {
        self.modules.iter().find(|module| module.id == id)
    }
}

impl Branch {
    /// The parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.leaves.iter().find_map(|leaf| match leaf {
            Leaf::Parameter(parameter) if parameter.name == name => Some(parameter),
            _ => None,
        })
    }
}

fn branch(module: &PatchModule, controls: &Controls) -> Branch {
    let (spec, handle) = (module.spec(), module.handle());
    let mut leaves = Vec::new();
    for (index, param) in spec.params.iter().enumerate() {
        let value = controls.param(handle, ParamIndex(index as u16));
        leaves.push(Leaf::Parameter(Parameter {
            name: param.name.to_owned(),
            unit: param.unit.to_owned(),
            min: param.min,
            max: param.max,
            default: param.default,
            value: value.unwrap_or(module.params()[index]),
            choices: param.choices.iter().map(|choice| (*choice).to_owned()).collect(),
            description: param.doc.to_owned(),
        }));
    }
    for (index, text) in spec.texts.iter().enumerate() {
        leaves.push(Leaf::Text {
            name: text.name.to_owned(),
            description: text.doc.to_owned(),
            value: controls.text(handle, index).unwrap_or_default().to_owned(),
        });
    }
    if spec.gate {
        leaves.push(Leaf::Gate(controls.gate(handle)));
    }
    if spec.notes {
        leaves.push(Leaf::Notes(controls.notes(handle).len() as u32));
    }
    let outputs = spec.meters.iter().map(|output| &spec.outputs[*output]);
    leaves.extend(outputs.map(|output| Leaf::Meter {
        name: output.name.to_owned(),
        description: output.doc.to_owned(),
    }));
    let port = |port: &chronus_engine::PortSpec| Port {
        name: port.name.to_owned(),
        signal: port.signal.name().to_owned(),
        description: port.doc.to_owned(),
    };
    leaves.extend(spec.inputs.iter().map(|input| Leaf::Input(port(input))));
    leaves.extend(spec.outputs.iter().map(|output| Leaf::Output(port(output))));
    Branch {
        id: module.id().to_owned(),
        handle: handle.0,
        kind: spec.kind.to_owned(),
        description: spec.summary.to_owned(),
        channels: module.channels() as u32,
        is_bypassed: controls.is_bypassed(handle),
        leaves,
    }
}

#[cfg(test)]
mod tests {
    use chronus_engine::{Command, Handle};

    use super::*;

    #[test]
    fn everything_of_a_patch_is_there_with_its_range_and_where_it_stands() {
        let patch = Patch::first();
        let mut controls = Controls::of(&patch);
        let sine = patch.modules().iter().position(|it| it.id() == "sine").expect("a sine");
        let handle: Handle = patch.modules()[sine].handle();
        let param = ParamIndex(0);
        controls.apply(&Command::SetParam { module: handle, param, value: 523.25 }, 0, 48_000);
        let tree = Tree::of(3, &patch, &controls);
        assert_eq!((tree.edition, tree.modules.len()), (3, patch.modules().len()));
        let freq = tree.module("sine").and_then(|sine| sine.parameter("freq")).expect("freq");
        assert_eq!((freq.value, freq.unit.as_str()), (523.25, "Hz"));
        assert!(freq.min < freq.default && freq.default < freq.max && !freq.description.is_empty());
        let adsr = tree.module("adsr").expect("an envelope");
        assert!(adsr.leaves.contains(&Leaf::Gate(false)));
        let bytes = postcard::to_allocvec(&tree).expect("encoded");
        assert_eq!(postcard::from_bytes::<Tree>(&bytes).expect("decoded"), tree);
    }
}
