//! Where all controls stand: parameter targets, gates, mute. Together with the patch this is all
//! that a fresh engine needs to play on.

use arrayvec::ArrayVec;
use chronus_dsp::{CHANNELS_MAX, ModuleSpec, Note};
use thiserror::Error;

use crate::command::{Command, ModuleIndex, ParamIndex};
use crate::patch::{Patch, PatchModule};

/// The control state of a patch. Plain data; applying a command doesn't allocate.
#[derive(Clone, Debug, PartialEq)]
pub struct Controls {
    modules: Vec<ModuleControls>,
    muted: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct ModuleControls {
    spec: &'static ModuleSpec,
    params: Vec<f32>,
    gate: bool,
    /// The notes that are held, in the order in which they began; at most [`NOTES_MAX`].
    notes: ArrayVec<Note, NOTES_MAX>,
}

/// As many notes are remembered as held, for each module that takes notes. There are no more voices.
pub const NOTES_MAX: usize = CHANNELS_MAX;

/// Why bytes are not the controls of this patch.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum ControlsError {
    /// They do not begin as controls do.
    #[error("these bytes are not controls")]
    NotControls,
    /// They are longer or shorter than the controls of this patch.
    #[error("controls of {found} bytes, but this patch has {expected}: they are of another patch")]
    Length {
        /// How many bytes there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A parameter is not finite or out of its range.
    #[error("parameter {param} of module {module} can't be {value}: they are of another patch")]
    Value {
        /// The position of the module in the patch.
        module: u16,
        /// The position of the parameter in the spec.
        param: u16,
        /// What the bytes say.
        value: f32,
    },
    /// A gate or the mute is neither 0 nor 1, or a module without a gate has it open.
    #[error("a switch of the controls can't be {0}")]
    Switch(u8),
}

/// The first bytes; the last one is the version of the encoding.
const MAGIC: [u8; 4] = *b"CTL\x02";

impl Controls {
    /// As the patch says, gates closed, not muted.
    pub fn of(patch: &Patch) -> Self {
        let modules = patch
            .modules()
            .iter()
            .map(|module| ModuleControls {
                spec: module.spec(),
                params: module.params().to_vec(),
                gate: false,
                notes: ArrayVec::new(),
            })
            .collect();
        Self { modules, muted: false }
    }

    /// Applies a command and returns it as it takes effect: values held within their range.
    /// `None`, and nothing changes, if there is no such module, parameter or gate or the value is
    /// not finite. [`Command::Restart`] changes no control.
    pub fn apply(&mut self, command: &Command) -> Option<Command> {
        match *command {
            Command::SetParam { module, param, value } => {
                let controls = self.modules.get_mut(usize::from(module.0))?;
                let value = controls.spec.params.get(usize::from(param.0))?.accept(value)?;
                controls.params[usize::from(param.0)] = value;
                return Some(Command::SetParam { module, param, value });
            }
            Command::Gate { module, on } => {
                let controls = self.modules.get_mut(usize::from(module.0))?;
                if !controls.spec.gate {
                    return None;
                }
                controls.gate = on;
            }
            Command::Note { module, note } => {
                let controls = self.modules.get_mut(usize::from(module.0))?;
                let is_finite = note.key.is_finite() && note.velocity.is_finite();
                if !(controls.spec.notes && is_finite) {
                    return None;
                }
                let (key, velocity) = (note.key.clamp(0.0, 127.0), note.velocity.clamp(0.0, 1.0));
                let note = Note { key, velocity, ..note };
                controls.hold(note);
                return Some(Command::Note { module, note });
            }
            Command::Mute(muted) => self.muted = muted,
            Command::Restart => (),
        }
        Some(*command)
    }

    /// The target of a parameter, in its unit.
    pub fn param(&self, module: ModuleIndex, param: ParamIndex) -> Option<f32> {
        self.modules.get(usize::from(module.0))?.params.get(usize::from(param.0)).copied()
    }

    /// Whether the gate of a module is open; `false` for a module without one.
    pub fn gate(&self, module: ModuleIndex) -> bool {
        self.modules.get(usize::from(module.0)).is_some_and(|controls| controls.gate)
    }

    /// The notes that are held by a module, in the order in which they began.
    pub fn notes(&self, module: ModuleIndex) -> &[Note] {
        self.modules.get(usize::from(module.0)).map_or(&[], |controls| &controls.notes)
    }

    /// Whether the output is muted.
    pub fn muted(&self) -> bool {
        self.muted
    }

    /// Whether these are controls of this patch (of its modules in their order).
    pub fn fits(&self, patch: &Patch) -> bool {
        self.modules
            .iter()
            .map(|controls| controls.spec)
            .eq(patch.modules().iter().map(PatchModule::spec))
    }

    /// The controls as bytes: 4 bytes that say so, then for each module its parameters (`f32`,
    /// little-endian), its gate (one byte) and its held notes (their number in one byte, then 12 bytes
    /// each), then the mute (one byte).
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for module in &self.modules {
            bytes.extend(module.params.iter().flat_map(|value| value.to_le_bytes()));
            bytes.push(u8::from(module.gate));
            bytes.push(module.notes.len() as u8);
            for note in &module.notes {
                bytes.extend(note.key.to_le_bytes());
                bytes.extend(note.velocity.to_le_bytes());
                bytes.extend(note.id.to_le_bytes());
            }
        }
        bytes.push(u8::from(self.muted));
        bytes
    }

    /// The controls that [`encode`](Self::encode) made these bytes of.
    ///
    /// # Errors
    /// If they are not controls of this patch, or a value is out of its range.
    pub fn decode(bytes: &[u8], patch: &Patch) -> Result<Self, ControlsError> {
        let mut controls = Self::of(patch);
        let mut rest = bytes.strip_prefix(&MAGIC).ok_or(ControlsError::NotControls)?;
        let wrong_length =
            ControlsError::Length { found: bytes.len(), expected: controls.encode().len() };
        for (index, module) in controls.modules.iter_mut().enumerate() {
            for (param, target) in module.params.iter_mut().enumerate() {
                let value = f32::from_le_bytes(take(&mut rest).ok_or(wrong_length)?);
                if module.spec.params[param].accept(value) != Some(value) {
                    let (module, param) = (index as u16, param as u16);
                    return Err(ControlsError::Value { module, param, value });
                }
                *target = value;
            }
            let [gate] = take(&mut rest).ok_or(wrong_length)?;
            module.gate = switch(gate, module.spec.gate)?;
            let [count] = take(&mut rest).ok_or(wrong_length)?;
            if usize::from(count) > if module.spec.notes { NOTES_MAX } else { 0 } {
                return Err(ControlsError::Switch(count));
            }
            for _ in 0..count {
                let key = f32::from_le_bytes(take(&mut rest).ok_or(wrong_length)?);
                let velocity = f32::from_le_bytes(take(&mut rest).ok_or(wrong_length)?);
                let id = u32::from_le_bytes(take(&mut rest).ok_or(wrong_length)?);
                if !(0.0..=127.0).contains(&key) || !(0.0..=1.0).contains(&velocity) {
                    let (module, param) = (index as u16, 0);
                    return Err(ControlsError::Value { module, param, value: key });
                }
                module.notes.push(Note { on: true, key, velocity, id });
            }
        }
        let [muted] = take(&mut rest).ok_or(wrong_length)?;
        controls.muted = switch(muted, true)?;
        if rest.is_empty() { Ok(controls) } else { Err(wrong_length) }
    }

    pub(crate) fn module_count(&self) -> usize {
        self.modules.len()
    }

    /// Every parameter target as (module, parameter, value).
    pub(crate) fn param_values(&self) -> impl Iterator<Item = (usize, usize, f32)> {
        self.modules.iter().enumerate().flat_map(|(module, controls)| {
            controls.params.iter().enumerate().map(move |(param, &value)| (module, param, value))
        })
    }
}

impl ModuleControls {
    /// Remembers a note that begins, forgets one that ends. With no place left the first is forgotten, as
    /// the voice that holds it makes way.
    fn hold(&mut self, note: Note) {
        self.notes.retain(|held| !held.is_same(&note));
        if note.on {
            if self.notes.is_full() {
                self.notes.remove(0);
            }
            self.notes.push(note);
        }
    }
}

/// Takes the first `N` bytes off.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, others) = bytes.split_first_chunk()?;
    *bytes = others;
    Some(*first)
}

fn switch(byte: u8, may_be_on: bool) -> Result<bool, ControlsError> {
    match byte {
        0 => Ok(false),
        1 if may_be_on => Ok(true),
        _ => Err(ControlsError::Switch(byte)),
    }
}
