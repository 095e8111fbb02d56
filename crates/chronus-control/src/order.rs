//! What the engine is asked, found right: modules by their handles, numbers within their ranges.

use chronus_engine::{Command, Handle};

use crate::{Chaos, PatchRequest, Record};

/// What a request means in the patch that plays.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Something for the command log.
    Command(Command),
    /// A text for a module, found right.
    Text {
        /// Whose.
        module: Handle,
        /// Which one, by its position in the spec.
        text: u8,
        /// The text.
        value: String,
    },
    /// What a module tells, under these names.
    Meter {
        /// Which module.
        module: Handle,
        /// Its id.
        id: String,
        /// The names of its values.
        names: Vec<&'static str>,
    },
    /// Something about the patch itself.
    Patch(PatchRequest),
    /// How the engine is.
    Status,
    /// Everything that can be set.
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
