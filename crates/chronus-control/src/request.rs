//! What a client asks, by names as people use them.

use chronus_engine::patch::Setting;
use serde::{Deserialize, Serialize};

/// What a client asks. [`resolve`](crate::resolve()) finds what it means in the patch that plays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// A parameter takes another value: a number in its unit, or the name of a choice.
    Set {
        /// The module's id.
        module: String,
        /// The parameter.
        param: String,
        /// Its value.
        value: Setting,
    },
    /// A gate opens or closes.
    Gate {
        /// The module's id.
        module: String,
        /// Whether it opens.
        on: bool,
    },
    /// A note begins; one of no velocity ends.
    NoteOn {
        /// The module's id.
        module: String,
        /// Its pitch as a MIDI note number, 0 to 127; 60 is middle C, and fractions are microtones.
        key: f64,
        /// How hard it is played, 0 to 1.
        velocity: f64,
        /// Which note it is, if several may sound at one pitch.
        id: Option<u32>,
    },
    /// A note ends, or all of them.
    NoteOff {
        /// The module's id.
        module: String,
        /// Its pitch; without it all notes end.
        key: Option<f64>,
        /// Which note it is, if it began with an id.
        id: Option<u32>,
    },
    /// A text of a module, such as a pattern.
    Text {
        /// The module's id.
        module: String,
        /// Which text.
        text: String,
        /// What it says.
        value: String,
    },
    /// A module that is bypassed tries again.
    Enable {
        /// The module's id.
        module: String,
    },
    /// Musical time runs on, or stops where it is.
    Play(bool),
    /// Another tempo, in beats per minute.
    Tempo(f64),
    /// Musical time goes on from this beat, counted from 0.
    Position(f64),
    /// So many beats are in a bar.
    BeatsPerBar(f64),
    /// The output falls silent, or is heard again.
    Mute(bool),
    /// What a module tells: level, peak or the like.
    Meter {
        /// The module's id.
        module: String,
    },
    /// Something about the patch itself.
    Patch(PatchRequest),
    /// How the engine is.
    Status,
    /// Everything that can be set, with its range and where it stands.
    Tree,
    /// To be told of events from now on, or not any more.
    Events(bool),
    /// To be told of everything that anybody sets from now on, or not any more.
    Changes(bool),
    /// A fault, on purpose.
    Chaos(Chaos),
    /// Something for the recorder.
    Record(Record),
}

/// What is asked of the patch. All but the last four gather until `Commit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PatchRequest {
    /// A new module.
    Create {
        /// Its id.
        id: String,
        /// Its kind.
        kind: String,
        /// Keys and what they are set to.
        settings: Vec<(String, Setting)>,
    },
    /// A module and its cables go.
    Delete {
        /// Its id.
        id: String,
    },
    /// A new cable, or another depth.
    Connect {
        /// MODULE.OUTPUT.
        from: String,
        /// MODULE.INPUT or MODULE.PARAMETER.
        to: String,
        /// What the signal is multiplied by.
        depth: Option<f64>,
    },
    /// A cable goes.
    Disconnect {
        /// MODULE.OUTPUT.
        from: String,
        /// MODULE.INPUT or MODULE.PARAMETER.
        to: String,
    },
    /// A key of a module.
    Set {
        /// Its id.
        id: String,
        /// Which key.
        key: String,
        /// What it is set to.
        setting: Setting,
    },
    /// What is heard.
    Output {
        /// MODULE.OUTPUT.
        left: String,
        /// MODULE.OUTPUT.
        right: String,
    },
    /// All that was gathered takes effect.
    Commit {
        /// Why, for those who play along and for the journal.
        reason: Option<String>,
    },
    /// What this client gathers is apart from what others gather, together with all others who name the same session;
    /// without a name it is what all share who name none.
    Session {
        /// Its name.
        name: Option<String>,
    },
    /// All that was gathered is forgotten.
    Abort,
    /// A patch file takes the place of the patch.
    Load {
        /// Its name.
        file: String,
    },
    /// The patch as it is goes into a file.
    Save {
        /// Its name.
        file: String,
        /// Whether a file of this name may be there already.
        overwrite: bool,
    },
}

/// What the recorder shall do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// Begin a recording.
    Start {
        /// The file within the folder of recordings; without it the date and the time.
        file: Option<String>,
        /// The format of the samples, as a word; without it that of the engine.
        format: Option<String>,
    },
    /// End it.
    Stop,
    /// Tell how it is.
    Status,
}

/// A fault to cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Chaos {
    /// Send a signal to a worker.
    Kill {
        /// Whom.
        target: Target,
        /// Which signal, by its Linux number.
        signal: i32,
    },
    /// Have a worker crash by itself.
    Crash {
        /// Who.
        target: Target,
        /// How.
        how: Crash,
    },
}

/// Which worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// The one that goes first.
    Primary,
    /// One that does not.
    Standby,
    /// The one in this slot.
    Slot(u8),
    /// All of them in the same moment.
    Workers,
    /// The checkpoints.
    Checkpoints,
    /// Workers and checkpoints.
    Everybody,
    /// The supervisor itself.
    Supervisor,
}

/// How a worker crashes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Crash {
    /// A write to an address that is not mapped.
    Segfault,
    /// A panic.
    Panic,
    /// An abort.
    Abort,
    /// An endless loop.
    Loop,
    /// An endless sleep.
    Sleep,
    /// Not a crash, but a bit of its state that flips.
    Flip,
}
