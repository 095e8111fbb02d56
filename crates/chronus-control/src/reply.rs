//! What a client is told of what it asked.

use serde::{Deserialize, Serialize};

use crate::Tree;

/// A figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// A count.
    Count(u64),
    /// A measured figure.
    Figure(f64),
    /// A word.
    Text(String),
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// It is ordered, for this frame of the performance. Told where somebody waits for it.
    Ordered(u64),
    /// It is done; what there is to tell, which may be nothing.
    Done(String),
    /// It is done, but not as it was said: a number was clamped.
    Clamped(String),
    /// It is not done yet, and why; the answer follows.
    Wait(String),
    /// It is not done, and why.
    Failed(String),
    /// How the engine is.
    Status {
        /// Names and values, what matters most first.
        fields: Vec<(String, Value)>,
        /// All of it, as JSON.
        json: String,
    },
    /// What a module tells.
    Meter {
        /// Its id.
        module: String,
        /// Names and values.
        values: Vec<(String, f32)>,
    },
    /// How the recording is: names and values.
    Record(Vec<(String, Value)>),
    /// Everything that can be set, and where it stands.
    Tree(Tree),
}
