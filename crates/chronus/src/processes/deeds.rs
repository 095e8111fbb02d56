//! The deeds of the module kind `fault`, as a worker does them. Armed in workers only: elsewhere the module
//! lets its signal pass.

use std::fs::File;
use std::hint::{black_box, spin_loop};
use std::sync::OnceLock;
use std::time::Duration;

use chronus_engine::fault::{self, Deed};
use chronus_os::memfd::Access;
use chronus_os::{child, deeds};
use chronus_shm::control_board::LogRegion;
use chronus_shm::region::WorkerView;

static VIEW: OnceLock<&'static WorkerView> = OnceLock::new();

/// From here on, deeds are done.
pub fn arm(view: &'static WorkerView) {
    let _ = VIEW.set(view);
    fault::arm(perform);
}

fn perform(deed: Deed) {
    match deed {
        Deed::Segfault => child::die_by_segfault(),
        Deed::Panic => panic!("told to panic"),
        Deed::Abort => child::die_by_abort(),
        Deed::Loop => loop {
            spin_loop();
        },
        Deed::Sleep => loop {
            std::thread::sleep(Duration::from_secs(3600));
        },
        Deed::StackOverflow => drop(black_box(call_oneself(1))),
        Deed::WriteLog => write_log(),
        Deed::WriteSlot => write_slots(),
        Deed::SystemCall => drop(black_box(File::open("/etc/passwd"))),
        Deed::ForkBomb => deeds::multiply(),
        Deed::GrowSlot => grow_slot(),
        Deed::None
        | Deed::Nan
        | Deed::Infinity
        | Deed::Runaway
        | Deed::Denormals
        | Deed::Allocate => {}
    }
}

fn call_oneself(depth: u64) -> [u64; 64] {
    let mut frame = black_box([depth; 64]);
    if depth != 0 {
        frame[0] ^= call_oneself(depth.wrapping_add(1))[1];
    }
    black_box(frame)
}

fn write_log() {
    let Some(view) = VIEW.get() else { return };
    let log: &LogRegion = &view.log;
    deeds::overwrite(std::ptr::from_ref(log).expose_provenance(), size_of::<LogRegion>());
}

/// The slots of others lie behind the worker's own in the same memory.
fn grow_slot() {
    let Some(view) = VIEW.get() else { return };
    let own = view.own_slot();
    deeds::grow(own.start().expose_provenance(), own.bytes());
}

/// No slot but the worker's own is mapped, so it has to ask for them first.
fn write_slots() {
    let Some(view) = VIEW.get() else { return };
    let memory = view.slots_memory();
    if let Ok(slots) = memory.map(Access::Write, 0, memory.bytes()) {
        deeds::overwrite(slots.start().expose_provenance(), slots.bytes());
    }
}
