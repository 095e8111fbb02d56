//! The patch of a campaign, and the modules in it that can do harm.

use std::error::Error;
use std::fmt::Write as _;

use crate::engine::Engine;

/// Modules that can do harm; once all have, an edit puts new ones in their place.
const POISONS: usize = 8;

/// The modules of the patch that can do harm, each once.
#[derive(Default)]
pub struct Poisons {
    spent: usize,
    generation: u64,
}

impl Poisons {
    pub fn take(&mut self) -> String {
        self.spent += 1;
        poison(self.generation, self.spent - 1)
    }

    /// Once all are spent, an edit puts others in their places: one that did harm is not soon permitted to
    /// play again.
    pub fn renew_if_spent(&mut self, engine: &Engine) -> Result<(), Box<dyn Error>> {
        if self.spent < POISONS {
            return Ok(());
        }
        for at in 0..POISONS {
            engine.ask("/patch/delete", &[&poison(self.generation, at)])?;
        }
        (self.generation, self.spent) = (self.generation + 1, 0);
        for at in 0..POISONS {
            engine.ask("/patch/create", &[&poison(self.generation, at), "fault"])?;
        }
        for (from, to) in cables(self.generation) {
            engine.ask("/patch/connect", &[&from, &to])?;
        }
        engine.ask("/patch/commit", &[])
    }
}

fn poison(generation: u64, at: usize) -> String {
    format!("poison{generation}_{at}")
}

/// The modules that can do harm stand one after the other between envelope and filter.
fn cables(generation: u64) -> Vec<(String, String)> {
    let id = |at: usize| poison(generation, at);
    let mut cables = vec![("env.out".to_owned(), format!("{}.in", id(0)))];
    cables.extend((1..POISONS).map(|at| (format!("{}.out", id(at - 1)), format!("{}.in", id(at)))));
    cables.push((format!("{}.out", id(POISONS - 1)), "filter.in".to_owned()));
    cables
}

/// A tone and a sequence of it, through everything that can do harm.
pub fn patch() -> String {
    let mut text = "format = 1\nname = \"chaos\"\n[transport]\ntempo = 140\n".to_owned();
    let mut module = |id: &str, kind: &str, lines: &str| {
        let _ = writeln!(text, "[[module]]\nid = \"{id}\"\nkind = \"{kind}\"\n{lines}");
    };
    module("steps", "steps", "pattern = \"X.x.x...\"\nnotes = \"0 3 7 12\"");
    module("osc", "saw", "freq = 110\ngain = 0.4");
    module("env", "adsr", "attack = 2\nsustain = 0.6");
    module("filter", "svf", "cutoff = 1200");
    module("delay", "delay", "");
    for at in 0..POISONS {
        module(&poison(0, at), "fault", "");
    }
    let mut all = cables(0);
    for (from, to) in
        [("steps.pitch", "osc.freq"), ("osc.out", "env.in"), ("filter.low", "delay.left")]
    {
        all.push((from.to_owned(), to.to_owned()));
    }
    for (from, to) in all {
        let _ = writeln!(text, "[[cable]]\nfrom = \"{from}\"\nto = \"{to}\"");
    }
    text + "[output]\nleft = \"delay.left\"\nright = \"delay.right\"\n"
}
