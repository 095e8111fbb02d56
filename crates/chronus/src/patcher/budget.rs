//! Whether a patch can be played in time: it is played for a moment beside the sound, and measured.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use chronus_engine::{BLOCK_FRAMES, CHANNELS, Command, Controls, Directory, Engine, Note};
use chronus_os::memfd::Memfd;
use chronus_os::{clock, float};

use crate::shelf::Plan;

/// As much of a core may a patch take; the rest is for what else a worker does.
const LOAD_MAX: f64 = 0.8;
/// Blocks that are measured; the quickest counts, because nothing else has disturbed it.
const BLOCKS: usize = 24;

/// What a patch may cost.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Whether there are deadlines at all.
    pub in_real_time: bool,
    /// The rate, in frames per second.
    pub rate_hz: u32,
}

impl Budget {
    /// Plays a patch with all gates open and a note in each module that takes notes. Returns how much of a
    /// core it takes.
    ///
    /// # Errors
    /// A sentence, if it is too much, or if it can't be played at all.
    pub fn check(self, plan: &Plan, shelf: &Arc<Memfd>) -> Result<f64, String> {
        let measured = catch_unwind(AssertUnwindSafe(|| self.measure(plan.clone(), shelf)));
        let load = measured.map_err(|_| "a module of this patch panics".to_owned())??;
        if self.in_real_time && load > LOAD_MAX {
            let (load, most) = (load * 100.0, LOAD_MAX * 100.0);
            return Err(format!(
                "over budget: this patch takes {load:.0} % of a core, and {most:.0} % is the most; \
                 use fewer modules or fewer channels"
            ));
        }
        Ok(load)
    }

    fn measure(self, plan: Plan, shelf: &Arc<Memfd>) -> Result<f64, String> {
        float::flush_denormals();
        let directory = Directory::of(&plan.patch);
        let controls = Controls::of(&plan.patch);
        let (patch, recordings) = plan.open(shelf);
        let mut engine = Engine::new(patch, self.rate_hz, controls, 0, &*recordings)
            .map_err(|error| error.to_string())?;
        for entry in directory.modules() {
            let module = entry.handle;
            if entry.has_gate() {
                engine.apply(0, &Command::Gate { module, on: true });
            }
            if entry.takes_notes() {
                let note = Note { on: true, key: 60.0, velocity: 0.8, id: 0 };
                engine.apply(0, &Command::Note { module, note });
            }
        }
        let mut block = [0.0; BLOCK_FRAMES * CHANNELS];
        let mut quickest_ns = u64::MAX;
        for _ in 0..BLOCKS {
            let start_ns = clock::thread_cpu_ns();
            engine.render(&mut block);
            quickest_ns = quickest_ns.min(clock::thread_cpu_ns() - start_ns);
        }
        let block_ns = BLOCK_FRAMES as f64 * 1e9 / f64::from(self.rate_hz);
        Ok(quickest_ns as f64 / block_ns)
    }
}
