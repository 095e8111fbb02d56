//! Where all controls stand: parameter targets, texts, gates, held notes, musical time, mute. Together
//! with the patch this is all that a fresh engine needs to play on.

use arrayvec::ArrayVec;
use chronus_dsp::{BLOCK_FRAMES, CHANNELS_MAX, Instance, ModuleSpec, Note, TEXT_MAX};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::command::{Command, Handle, ParamIndex, TextPiece, TransportChange};
use crate::patch::{Patch, PatchModule};
use crate::schedule::Schedule;
use crate::timeline::Timeline;

/// The control state of a patch. Plain data; applying a command doesn't allocate.
#[derive(Clone, Debug, PartialEq)]
pub struct Controls {
    modules: Vec<ModuleControls>,
    /// Handle and position of every module, ascending.
    by_handle: Vec<(Handle, usize)>,
    timeline: Timeline,
    muted: bool,
    /// The text of which pieces are coming.
    incoming: Incoming,
    /// Modules that are to be put aside as soon as they come: an edit and what follows it may stand in the very
    /// block from which on they are bypassed.
    awaited: ArrayVec<Handle, AWAITED_MOST>,
}

/// As many modules may be awaited; the oldest is forgotten.
const AWAITED_MOST: usize = 32;

/// The block of a frame.
fn block_of(frame: u64) -> u64 {
    frame / BLOCK_FRAMES as u64
}

#[derive(Clone, Debug, PartialEq)]
struct ModuleControls {
    spec: &'static ModuleSpec,
    /// The parameters and texts as the patch has them.
    written: Settings,
    /// The parameters and texts as they are now.
    now: Settings,
    gate: bool,
    /// The block from which on the module is put aside, if it is.
    bypassed: Option<u64>,
    /// The notes that are held, in the order in which they began; at most [`NOTES_MAX`].
    notes: ArrayVec<Note, NOTES_MAX>,
}

/// What can be set of a module. The texts have room for any text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    params: Vec<f32>,
    texts: Vec<String>,
}

/// A text on its way.
#[derive(Clone, Debug, PartialEq)]
struct Incoming {
    module: Handle,
    text: u8,
    bytes: ArrayVec<u8, TEXT_MAX>,
}

/// As many notes are remembered as held, for each module that takes notes. There are no more voices.
pub const NOTES_MAX: usize = CHANNELS_MAX;

/// Why bytes are not the controls of this patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ControlsError {
    /// They are not controls at all.
    #[error("these bytes are not controls")]
    NotControls,
    /// They don't have the modules of this patch, or not their parameters, texts and notes.
    #[error("these are the controls of another patch")]
    OtherPatch,
    /// A parameter is not finite or out of its range, or a text is not right.
    #[error("module {0} of the patch can't be set so: these are the controls of another patch")]
    Value(usize),
}

/// What a command has changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effect<'a> {
    /// A parameter has this target now.
    Param {
        /// The position of the module in the patch.
        module: usize,
        /// The position of the parameter in its spec.
        param: usize,
        /// Held within its range.
        value: f32,
    },
    /// A gate was opened (or triggered again) or closed.
    Gate(usize, bool),
    /// A note began or ended.
    Note(usize, Note),
    /// A text is whole, and is this.
    Text {
        /// The position of the module in the patch.
        module: usize,
        /// The position of the text in its spec.
        text: usize,
        /// The text.
        value: &'a str,
    },
    /// The module at this position was put aside, or plays again.
    Bypass(usize, bool),
    /// The output is to fade out or in.
    Mute(bool),
    /// The sound is to start afresh.
    Restart,
    /// Only the controls have changed.
    Nothing,
}

impl Controls {
    /// As the patch says at frame 0, gates closed, not muted.
    pub fn of(patch: &Patch) -> Self {
        let modules: Vec<_> = patch.modules().iter().map(ModuleControls::of).collect();
        let handles = patch.modules().iter().map(PatchModule::handle);
        let mut by_handle: Vec<_> = handles.enumerate().map(|(at, handle)| (handle, at)).collect();
        by_handle.sort_unstable();
        let incoming = Incoming { module: Handle(u32::MAX), text: 0, bytes: ArrayVec::new() };
        let timeline = Timeline::new(patch.transport());
        let awaited = ArrayVec::new();
        Self { modules, by_handle, timeline, muted: false, incoming, awaited }
    }

    /// Applies a command that takes effect at `frame` of the performance, at so many frames per second.
    /// `None`, and nothing changes, if there is no such module, parameter, text or gate or the value is
    /// not finite. [`Command::Edit`] is not for controls: see [`succeed`](Self::succeed).
    pub fn apply(&mut self, command: &Command, frame: u64, rate_hz: u32) -> Option<Effect<'_>> {
        match *command {
            Command::SetParam { module, param, value } => {
                let module = self.position(module)?;
                let param = usize::from(param.0);
                let controls = &mut self.modules[module];
                let value = controls.spec.params.get(param)?.accept(value)?;
                controls.now.params[param] = value;
                Some(Effect::Param { module, param, value })
            }
            Command::Gate { module, on } => {
                let module = self.position(module)?;
                let controls = &mut self.modules[module];
                controls.spec.gate.then(|| {
                    controls.gate = on;
                    Effect::Gate(module, on)
                })
            }
            Command::Note { module, note } => {
                let module = self.position(module)?;
                let controls = &mut self.modules[module];
                let is_finite = note.key.is_finite() && note.velocity.is_finite();
                if !(controls.spec.notes && is_finite) {
                    return None;
                }
                let (key, velocity) = (note.key.clamp(0.0, 127.0), note.velocity.clamp(0.0, 1.0));
                let note = Note { key, velocity, ..note };
                controls.hold(note);
                Some(Effect::Note(module, note))
            }
            Command::Text { module, piece } => self.take_piece(module, &piece),
            Command::Transport(change) => {
                self.timeline.change(change, frame, rate_hz);
                Some(Effect::Nothing)
            }
            Command::Bypass { module } => {
                let Some(module) = self.position(module) else {
                    if self.awaited.is_full() {
                        self.awaited.remove(0);
                    }
                    self.awaited.push(module);
                    return None;
                };
                self.modules[module].bypassed = Some(block_of(frame));
                Some(Effect::Bypass(module, true))
            }
            Command::Enable { module } => {
                let module = self.position(module)?;
                // What is put aside for a block does harm in it, perhaps because it was enabled there.
                let bypassed = &mut self.modules[module].bypassed;
                let ends = bypassed.take_if(|since| *since < block_of(frame));
                ends.map(|_| Effect::Bypass(module, false))
            }
            Command::Mute(muted) => {
                self.muted = muted;
                Some(Effect::Mute(muted))
            }
            Command::Restart => Some(Effect::Restart),
            Command::Edit { .. } => None,
        }
    }

    /// Takes over from the controls of the patch before this one, at `frame`. What the text of a patch
    /// says anew, it says; everything else stays where it was. Doesn't allocate.
    pub fn succeed(&mut self, old: &Self, frame: u64, rate_hz: u32) {
        for &(handle, at) in &self.by_handle {
            if let Some(before) = old.position(handle) {
                self.modules[at].succeed(&old.modules[before]);
            }
        }
        for module in &old.awaited {
            match self.position(*module) {
                Some(at) => self.modules[at].bypassed = Some(block_of(frame)),
                None => self.awaited.push(*module),
            }
        }
        self.timeline.succeed(&old.timeline, frame, rate_hz);
        self.muted = old.muted;
    }

    /// What has to be commanded so that `patch` plays as these controls say at `frame`, where `patch` has the same
    /// modules and says itself where their parameters and texts stand: gates, notes, what is bypassed, where
    /// musical time is, mute.
    pub fn gestures(&self, patch: &Patch, frame: u64, rate_hz: u32) -> Vec<Command> {
        let beat = self.timeline.at(frame, rate_hz).beat_at(0).max(0.0);
        let mut commands = vec![Command::Transport(TransportChange::Position(beat))];
        for (controls, module) in self.modules.iter().zip(patch.modules()) {
            let module = module.handle();
            if controls.bypassed.is_some() {
                commands.push(Command::Bypass { module });
            }
            if controls.gate {
                commands.push(Command::Gate { module, on: true });
            }
            commands
                .extend(controls.notes.iter().map(|note| Command::Note { module, note: *note }));
        }
        if self.muted {
            commands.push(Command::Mute(true));
        }
        commands
    }

    /// The position of a module in the patch.
    pub fn position(&self, module: Handle) -> Option<usize> {
        let found = self.by_handle.binary_search_by_key(&module, |(handle, _)| *handle).ok()?;
        Some(self.by_handle[found].1)
    }

    /// The target of a parameter, in its unit.
    pub fn param(&self, module: Handle, param: ParamIndex) -> Option<f32> {
        self.modules[self.position(module)?].now.params.get(usize::from(param.0)).copied()
    }

    /// A text of a module.
    pub fn text(&self, module: Handle, text: usize) -> Option<&str> {
        self.modules[self.position(module)?].now.texts.get(text).map(String::as_str)
    }

    /// Whether the gate of a module is open; `false` for a module without one.
    pub fn gate(&self, module: Handle) -> bool {
        self.position(module).is_some_and(|at| self.modules[at].gate)
    }

    /// Whether a module is put aside.
    pub fn is_bypassed(&self, module: Handle) -> bool {
        self.position(module).is_some_and(|at| self.modules[at].bypassed.is_some())
    }

    /// All modules that are put aside.
    pub fn bypassed(&self) -> impl Iterator<Item = Handle> + '_ {
        let all = self.by_handle.iter();
        all.filter(|(_, at)| self.modules[*at].bypassed.is_some()).map(|(handle, _)| *handle)
    }

    /// The notes that are held by a module, in the order in which they began.
    pub fn notes(&self, module: Handle) -> &[Note] {
        self.position(module).map_or(&[], |at| &self.modules[at].notes)
    }

    /// Where musical time stands.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
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
            && patch
                .modules()
                .iter()
                .enumerate()
                .all(|(at, module)| self.by_handle.binary_search(&(module.handle(), at)).is_ok())
    }

    /// Gathers the pieces of a text; with the last one it is there.
    fn take_piece(&mut self, module: Handle, piece: &TextPiece) -> Option<Effect<'_>> {
        let at = self.position(module)?;
        let text = usize::from(piece.text);
        self.modules[at].spec.texts.get(text)?;
        if piece.start == 0 {
            self.incoming = Incoming { module, text: piece.text, bytes: ArrayVec::new() };
        }
        let incoming = &mut self.incoming;
        let follows = (incoming.module, incoming.text) == (module, piece.text)
            && incoming.bytes.len() == usize::from(piece.start);
        if !follows || incoming.bytes.try_extend_from_slice(piece.content()).is_err() {
            return None;
        }
        if incoming.bytes.len() < usize::from(piece.total) {
            return Some(Effect::Nothing);
        }
        let whole = core::str::from_utf8(&incoming.bytes).ok()?;
        let value = &mut self.modules[at].now.texts[text];
        value.clear();
        value.push_str(whole);
        Some(Effect::Text { module: at, text, value })
    }

    /// Whether module `at` has other parameters or texts than module `before` of the controls `old`.
    pub(crate) fn differs(&self, at: usize, old: &Self, before: usize) -> bool {
        self.modules[at].now != old.modules[before].now
    }

    /// Has the module at a position play what these controls say; a new one from its beginning.
    pub(crate) fn bring(&self, at: usize, schedule: &mut Schedule, is_new: bool) {
        let controls = &self.modules[at];
        if is_new && controls.bypassed.is_some() {
            schedule.bypass(at, true, 0);
        }
        let Some(module) = schedule.module(at) else { return };
        for (param, value) in controls.now.params.iter().enumerate() {
            module.set_param(param, *value);
        }
        for (text, value) in controls.now.texts.iter().enumerate() {
            module.set_text(text, value);
        }
        if is_new {
            module.reset();
            self.trigger_held(at, module);
        }
    }

    /// Triggers the gate of the module at a position, if it is open, and begins the notes that it holds.
    pub(crate) fn trigger_held(&self, at: usize, module: &mut Instance) {
        let controls = &self.modules[at];
        if controls.gate {
            module.set_gate(true);
        }
        for note in &controls.notes {
            module.note(*note);
        }
    }

    /// The controls as bytes for the processes of this very program.
    ///
    /// # Panics
    /// Never: everything in them can be written.
    pub fn encode(&self) -> Vec<u8> {
        let modules = self.modules.iter().map(|module| ModuleData {
            written: module.written.clone(),
            now: module.now.clone(),
            gate: module.gate,
            bypassed: module.bypassed,
            notes: module.notes.iter().map(|n| (n.key, n.velocity, n.id)).collect(),
        });
        let incoming = &self.incoming;
        let data = ControlsData {
            modules: modules.collect(),
            timeline: self.timeline.clone(),
            muted: self.muted,
            incoming: (incoming.module, incoming.text, incoming.bytes.to_vec()),
            awaited: self.awaited.to_vec(),
        };
        postcard::to_allocvec(&data).expect("controls are plain data")
    }

    /// The controls that [`encode`](Self::encode) made these bytes of.
    ///
    /// # Errors
    /// If they are not controls of this patch, or a value is out of its range.
    pub fn decode(bytes: &[u8], patch: &Patch) -> Result<Self, ControlsError> {
        let (data, rest): (ControlsData, _) =
            postcard::take_from_bytes(bytes).map_err(|_| ControlsError::NotControls)?;
        if !rest.is_empty() {
            return Err(ControlsError::NotControls);
        }
        let mut controls = Self::of(patch);
        if data.modules.len() != controls.modules.len() {
            return Err(ControlsError::OtherPatch);
        }
        for (at, (module, data)) in controls.modules.iter_mut().zip(data.modules).enumerate() {
            let fits = module.written.same_counts(&data.written)
                && module.written.same_counts(&data.now)
                && (module.spec.gate || !data.gate)
                && data.notes.len() <= if module.spec.notes { NOTES_MAX } else { 0 };
            if !fits {
                return Err(ControlsError::OtherPatch);
            }
            for settings in [&data.written, &data.now] {
                settings.check(module.spec).then_some(()).ok_or(ControlsError::Value(at))?;
            }
            module.written.copy(&data.written);
            module.now.copy(&data.now);
            module.gate = data.gate;
            module.bypassed = data.bypassed;
            for (key, velocity, id) in data.notes {
                if !(0.0..=127.0).contains(&key) || !(0.0..=1.0).contains(&velocity) {
                    return Err(ControlsError::Value(at));
                }
                module.notes.push(Note { on: true, key, velocity, id });
            }
        }
        let (module, text, bytes) = data.incoming;
        let bytes = bytes[..].try_into().map_err(|_| ControlsError::NotControls)?;
        controls.incoming = Incoming { module, text, bytes };
        controls.awaited = data.awaited[..].try_into().map_err(|_| ControlsError::NotControls)?;
        if !data.timeline.is_sound() {
            return Err(ControlsError::NotControls);
        }
        controls.timeline = data.timeline;
        controls.muted = data.muted;
        Ok(controls)
    }
}

#[derive(Serialize, Deserialize)]
struct ControlsData {
    modules: Vec<ModuleData>,
    timeline: Timeline,
    muted: bool,
    incoming: (Handle, u8, Vec<u8>),
    awaited: Vec<Handle>,
}

#[derive(Serialize, Deserialize)]
struct ModuleData {
    written: Settings,
    now: Settings,
    gate: bool,
    bypassed: Option<u64>,
    notes: Vec<(f32, f32, u32)>,
}

impl ModuleControls {
    fn of(module: &PatchModule) -> Self {
        let room = |text: &String| {
            let mut roomy = String::with_capacity(TEXT_MAX);
            roomy.push_str(text);
            roomy
        };
        let settings = || Settings {
            params: module.params().to_vec(),
            texts: module.texts().iter().map(room).collect(),
        };
        Self {
            spec: module.spec(),
            written: settings(),
            now: settings(),
            gate: false,
            bypassed: None,
            notes: ArrayVec::new(),
        }
    }

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

    fn succeed(&mut self, old: &Self) {
        for (param, now) in self.now.params.iter_mut().enumerate() {
            if self.written.params[param] == old.written.params[param] {
                *now = old.now.params[param];
            }
        }
        for (text, now) in self.now.texts.iter_mut().enumerate() {
            if self.written.texts[text] == old.written.texts[text] {
                now.clear();
                now.push_str(&old.now.texts[text]);
            }
        }
        self.gate = old.gate;
        self.bypassed = old.bypassed;
        self.notes.clone_from(&old.notes);
    }
}

impl Settings {
    fn same_counts(&self, other: &Self) -> bool {
        (self.params.len(), self.texts.len()) == (other.params.len(), other.texts.len())
    }

    /// Whether all of this could have been set.
    fn check(&self, spec: &ModuleSpec) -> bool {
        let mut params = self.params.iter().zip(spec.params);
        let mut texts = self.texts.iter().zip(spec.texts);
        params.all(|(value, spec)| spec.accept(*value) == Some(*value))
            && texts.all(|(text, spec)| text.len() <= TEXT_MAX && (spec.check)(text).is_ok())
    }

    fn copy(&mut self, from: &Self) {
        self.params.copy_from_slice(&from.params);
        for (text, from) in self.texts.iter_mut().zip(&from.texts) {
            text.clear();
            text.push_str(from);
        }
    }
}
