//! Tables that modules read and never change. What takes long to compute is computed once for all processes:
//! one computes it aside and the others are given it ([`Table::install`]), so that making a module takes
//! no time and a fork shares the memory.

use std::sync::{Arc, OnceLock};

use crate::recording::Recording;

/// A table of numbers, computed when it is first asked for, unless it was installed before.
pub struct Table {
    /// Its name, unique among tables.
    pub name: &'static str,
    compute: fn() -> Vec<f32>,
    data: OnceLock<Recording>,
}

impl Table {
    /// A table that `compute` can make.
    pub const fn new(name: &'static str, compute: fn() -> Vec<f32>) -> Self {
        Self { name, compute, data: OnceLock::new() }
    }

    /// The numbers.
    pub fn get(&'static self) -> &'static [f32] {
        self.data.get_or_init(|| Recording::new(Arc::new((self.compute)()), 1, 1)).samples()
    }

    /// Takes what another process of this very program has computed. Without effect if the table is there
    /// already.
    pub fn install(&'static self, data: Recording) {
        let _ = self.data.set(data);
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Table({})", self.name)
    }
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
