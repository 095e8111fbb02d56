//! An entry of the catalog: a kind of module, and for which sets of vectors it is compiled.

use pulp::Arch;

use crate::module::{Module, ModuleSpec};

/// What makes modules: given the set of vectors, frames per second and channels.
pub type Construct = fn(Arch, u32, usize) -> Box<dyn Module>;

/// An entry whose constructor chooses by the number of channels, and of the sets behind it the first that the machine
/// has, or the one that every machine has.
#[macro_export]
macro_rules! entry {
    ($file:path, $kind:ident, $wrapped:path: $($C:literal with [$($set:ident)*])*) => {{
        #[cfg(target_arch = "x86_64")]
        use $crate::lanes::Set as _;
        use $file::{SPEC, $kind};
        let construct: $crate::entry::Construct = |arch, rate_hz, channels| {
            // Named where there are no other sets.
            let _ = arch;
            match channels {
                $($C => {
                    #[cfg(target_arch = "x86_64")]
                    {
                        $(if let Some(set) = $crate::lanes::$set::of(arch) {
                            return Box::new($wrapped(set, $kind::<$C>::new(rate_hz)));
                        })*
                    }
                    Box::new($wrapped($crate::lanes::base(), $kind::<$C>::new(rate_hz)))
                })*
                _ => panic!("a module has 1, 4, 8 or 16 channels, not {channels}"),
            }
        };
        $crate::entry::CatalogEntry::new(&SPEC, construct)
    }};
}

/// A kind that is a [`Kernel`](crate::simd::Kernel). It is compiled for each number of channels with the vectors that
/// every machine has, and with those sets besides that make it faster.
#[macro_export]
macro_rules! kernel {
    ($file:path, $kind:ident: $($sets:tt)*) => {
        $crate::entry!($file, $kind, $crate::simd::With::new: $($sets)*)
    };
    // One that fuses arithmetic, which is slow without an instruction for it.
    ($file:path, $kind:ident, fused) => {
        $crate::kernel!($file, $kind: 1 with [V3] 4 with [V3] 8 with [V3] 16 with [V4 V3])
    };
    // One that waits for what it computed a frame ago, or for memory, or divides much: AVX-512 does not help it.
    ($file:path, $kind:ident, narrow) => {
        $crate::kernel!($file, $kind: 1 with [] 4 with [] 8 with [V3] 16 with [V3])
    };
    ($file:path, $kind:ident) => {
        $crate::kernel!($file, $kind: 1 with [] 4 with [] 8 with [V3] 16 with [V4 V3])
    };
}

/// A kind that is a [`Module`] whose loops over channels the compiler makes vectors of, as far as it can: of 512 bits it
/// does so badly.
#[macro_export]
macro_rules! kind {
    ($file:path, $kind:ident) => {
        $crate::entry!($file, $kind, $crate::simd::Vectorized::new: 1 with [] 4 with [] 8 with [V3] 16 with [V3])
    };
}

/// A kind that is a [`Module`] whose work has no inner loop over channels that vectors would speed up.
#[macro_export]
macro_rules! plain {
    ($file:path, $kind:ident) => {
        $crate::entry!($file, $kind, $crate::entry::unwrapped: 1 with [] 4 with [] 8 with [] 16 with [])
    };
}

/// The module as it is, whatever the set.
pub fn unwrapped<S, M>(_set: S, module: M) -> M {
    module
}

/// A kind of module and how to make one.
#[derive(Clone, Copy, Debug)]
pub struct CatalogEntry {
    /// What it is.
    pub spec: &'static ModuleSpec,
    group: Option<&'static str>,
    construct: Construct,
}

impl PartialEq for CatalogEntry {
    /// Kinds are told apart by their names.
    fn eq(&self, other: &Self) -> bool {
        self.spec.kind == other.spec.kind
    }
}

impl CatalogEntry {
    /// A kind that is in no group: for trials.
    pub const fn new(spec: &'static ModuleSpec, construct: Construct) -> Self {
        Self { spec, group: None, construct }
    }

    /// A kind for music.
    #[must_use]
    pub const fn in_group(self, group: &'static str) -> Self {
        Self { group: Some(group), ..self }
    }

    /// What sort of kind it is, in a word or two for a musician. The kinds of one sort stand together.
    pub fn group(&self) -> &'static str {
        self.group.unwrap_or("For trials")
    }

    /// Whether it is not for music, but for trials.
    pub fn is_for_trials(&self) -> bool {
        self.group.is_none()
    }

    /// A new module for this machine, or one that does with less than this has: they play the same bits.
    /// `rate_hz` is frames per second, at least 1.
    ///
    /// # Panics
    /// If `channels` is none of [`CHANNEL_COUNTS`](crate::module::CHANNEL_COUNTS).
    pub fn construct(&self, arch: Arch, rate_hz: u32, channels: usize) -> Box<dyn Module> {
        (self.construct)(arch, rate_hz, channels)
    }
}
