//! The processes of an engine, and what runs in them: the keeper, which starts the supervisor anew; the supervisor, which
//! orders, plays and watches; and the workers, which render.

pub(crate) mod adapters;
mod deeds;
pub(crate) mod keeper;
pub(crate) mod lead;
pub mod playback;
mod stall_monitor;
pub(crate) mod supervisor;
pub(crate) mod worker;
