//! Whether a patch can be played in time: it is played for a moment beside the sound, and measured.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use chronus_engine::{BLOCK_FRAMES, CHANNELS, Command, Controls, Directory, Engine, Note, Patch};
use chronus_os::memfd::Memfd;
use chronus_os::{alloc_guard, clock, float};

use crate::persistence::shared_assets::PackedPatch;

/// As much of a core may a patch take; the rest is for what else a worker does.
const LOAD_MAX: f64 = 0.8;
/// As much memory of its own may a patch take: it is copied, page by page, with every fork.
const MEMORY_MAX_MIB: usize = 256;
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
    pub fn check(self, packed: &PackedPatch, assets: &Arc<Memfd>) -> Result<f64, String> {
        let memory = catch_unwind(AssertUnwindSafe(|| self.check_memory(&packed.patch)));
        memory.map_err(|_| "a module of this patch panics".to_owned())??;
        let measured = catch_unwind(AssertUnwindSafe(|| self.measure(packed.clone(), assets)));
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

    /// Makes one module of each sort and counts: making all of a patch that is too large could take all
    /// memory that there is.
    fn check_memory(self, patch: &Patch) -> Result<(), String> {
        let mut sorts: Vec<((&str, usize), usize)> = Vec::new();
        let mut total = 0;
        for module in patch.modules() {
            let sort = (module.spec().kind, module.channels());
            let known = sorts.iter().find(|(known, _)| *known == sort).map(|(_, bytes)| *bytes);
            total += known.unwrap_or_else(|| {
                let before = alloc_guard::allocated();
                let specimen = module.specimen(self.rate_hz);
                let bytes = alloc_guard::allocated().wrapping_sub(before);
                drop(specimen);
                sorts.push((sort, bytes));
                bytes
            });
        }
        let mib = total >> 20;
        if mib <= MEMORY_MAX_MIB {
            return Ok(());
        }
        let largest =
            sorts.iter().max_by_key(|(_, bytes)| *bytes).map_or("", |((kind, _), _)| kind);
        Err(format!(
            "over budget: this patch takes {mib} MiB of memory, and {MEMORY_MAX_MIB} MiB is the most; \
             use fewer modules or fewer channels, of `{largest}` above all"
        ))
    }

    fn measure(self, packed: PackedPatch, assets: &Arc<Memfd>) -> Result<f64, String> {
        float::flush_denormals();
        let directory = Directory::of(&packed.patch);
        let controls = Controls::of(&packed.patch);
        let (patch, recordings) = packed.open(assets);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persistence::shared_assets::{SharedAssets, Stock};
    use std::fmt::Write as _;

    fn check(count: usize, kind: &str, more: &str, in_real_time: bool) -> Result<f64, String> {
        let mut text = "format = 1\n".to_owned();
        for n in 0..count {
            let _ = writeln!(text, "[[module]]\nid = \"m{n}\"\nkind = \"{kind}\"\n{more}");
        }
        let _ = writeln!(text, "[output]\nleft = \"m0.left\"\nright = \"m0.left\"");
        let patch = Patch::parse(&text, "heavy.toml").expect("a patch");
        let memory = Arc::new(chronus_shm::region::create_shared_assets().expect("memory"));
        let packed = SharedAssets::new(memory.clone(), Stock::default())
            .pack(patch, std::path::Path::new(""))?;
        Budget { in_real_time, rate_hz: 48_000 }.check(&packed, &memory)
    }

    #[test]
    fn a_patch_that_takes_too_much_time_is_refused_in_real_time_only() {
        let light = check(1, "supersaw", "", true).expect("light enough");
        assert!(light < 0.5, "{light}");
        let heavy = check(500, "supersaw", "channels = 16", false).expect("there is no deadline");
        assert!(heavy > LOAD_MAX, "{heavy}");
        let reason = check(500, "supersaw", "channels = 16", true).expect_err("too heavy");
        assert!(reason.contains("over budget") && reason.contains("of a core"), "{reason}");
    }

    #[test]
    fn a_patch_that_takes_too_much_memory_is_refused_before_it_is_made() {
        let reason = check(1000, "reverb", "channels = 16", false).expect_err("too large");
        assert!(reason.contains("MiB of memory") && reason.contains("`reverb`"), "{reason}");
    }
}
