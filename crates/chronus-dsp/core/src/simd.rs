//! Modules compiled for one set of vectors or several, in an ordinary build.
//!
//! What a module does block by block is a [`Kernel`], written once for any [`Lanes`]. The
//! [catalog](mod@crate::entry) says for which sets each kind is compiled; of those, the widest that the machine has and
//! [`Vectors`](crate::Vectors) allow is taken when a module is made. All give the same bits.

use pulp::{Arch, NullaryFnOnce};

use crate::io::{Io, PortSet};
#[cfg(target_arch = "x86_64")]
use crate::lanes::V3;
use crate::lanes::{Lanes, Set};
use crate::module::{Module, ModuleSpec, Note, Recording};

/// Does work compiled for AVX2, if the machine has it, or for less. What is left to the compiler to find vectors for goes
/// no further: of 512 bits it makes gathers and scatters.
#[inline(always)]
pub fn up_to_avx2<W: NullaryFnOnce>(arch: Arch, work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = V3::of(arch) {
        return v3.run(work);
    }
    let _ = arch;
    work.call()
}

/// A [`Module`] of `C` channels but for the vectors that it renders with. What is not described here is as there.
pub trait Kernel<const C: usize>: Send {
    /// As [`Module::spec`].
    fn spec(&self) -> &'static ModuleSpec;

    /// As [`Module::reset`].
    fn reset(&mut self);

    /// As [`Module::set_gate`].
    fn set_gate(&mut self, open: bool) {
        let _ = open;
    }

    /// As [`Module::note`].
    fn note(&mut self, note: Note) {
        let _ = note;
    }

    /// As [`Module::set_text`].
    fn set_text(&mut self, text: usize, value: &str) {
        let _ = (text, value);
    }

    /// As [`Module::set_recording`].
    fn set_recording(&mut self, recording: Recording) {
        let _ = recording;
    }

    /// As [`Module::process`]. It must be inlined, and so must all that computes with vectors: what is not is compiled
    /// for the least of machines, and each operation there is a call.
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>);

    /// As [`Module::ignored_inputs`].
    fn ignored_inputs(&self, silent: PortSet) -> PortSet {
        let _ = silent;
        0
    }

    /// As [`Module::skip`]; to be inlined like [`process`](Self::process).
    #[inline(always)]
    fn skip<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let _ = (lanes, io);
        unreachable!("{} does not skip", self.spec().kind);
    }
}

/// A kernel that renders with these vectors, and whose state begins where one does.
#[repr(align(64))]
pub struct With<L, K, const C: usize> {
    kernel: K,
    lanes: L,
}

impl<const C: usize, L: Lanes<C>, K: Kernel<C>> With<L, K, C> {
    /// Wraps a kernel.
    pub fn new(lanes: L, kernel: K) -> Self {
        Self { kernel, lanes }
    }
}

struct Render<'a, 'b, L, K, const C: usize> {
    with: &'a mut With<L, K, C>,
    io: &'a mut Io<'b>,
}

impl<const C: usize, L: Lanes<C>, K: Kernel<C>> NullaryFnOnce for Render<'_, '_, L, K, C> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.with.kernel.process(self.with.lanes, self.io);
    }
}

struct Skip<'a, 'b, L, K, const C: usize> {
    with: &'a mut With<L, K, C>,
    io: &'a mut Io<'b>,
}

impl<const C: usize, L: Lanes<C>, K: Kernel<C>> NullaryFnOnce for Skip<'_, '_, L, K, C> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.with.kernel.skip(self.with.lanes, self.io);
    }
}

impl<const C: usize, L: Lanes<C>, K: Kernel<C>> Module for With<L, K, C> {
    fn spec(&self) -> &'static ModuleSpec {
        self.kernel.spec()
    }

    fn reset(&mut self) {
        self.kernel.reset();
    }

    fn set_gate(&mut self, open: bool) {
        self.kernel.set_gate(open);
    }

    fn note(&mut self, note: Note) {
        self.kernel.note(note);
    }

    fn set_text(&mut self, text: usize, value: &str) {
        self.kernel.set_text(text, value);
    }

    fn set_recording(&mut self, recording: Recording) {
        self.kernel.set_recording(recording);
    }

    fn process(&mut self, io: &mut Io<'_>) {
        let lanes = self.lanes;
        lanes.run(Render { with: self, io });
    }

    fn ignored_inputs(&self, silent: PortSet) -> PortSet {
        self.kernel.ignored_inputs(silent)
    }

    fn skip(&mut self, io: &mut Io<'_>) {
        let lanes = self.lanes;
        lanes.run(Skip { with: self, io });
    }
}

/// A module whose loops over channels the compiler is left to make vectors of, and whose state begins where one does.
#[repr(align(64))]
pub struct Vectorized<S, M> {
    module: M,
    set: S,
}

impl<S: Set, M: Module> Vectorized<S, M> {
    /// Wraps a module.
    pub fn new(set: S, module: M) -> Self {
        Self { module, set }
    }
}

struct Process<'a, 'b, M> {
    module: &'a mut M,
    io: &'a mut Io<'b>,
}

impl<M: Module> NullaryFnOnce for Process<'_, '_, M> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.module.process(self.io);
    }
}

impl<S: Set, M: Module> Module for Vectorized<S, M> {
    fn spec(&self) -> &'static ModuleSpec {
        self.module.spec()
    }

    fn reset(&mut self) {
        self.module.reset();
    }

    fn set_gate(&mut self, open: bool) {
        self.module.set_gate(open);
    }

    fn note(&mut self, note: Note) {
        self.module.note(note);
    }

    fn set_text(&mut self, text: usize, value: &str) {
        self.module.set_text(text, value);
    }

    fn set_recording(&mut self, recording: Recording) {
        self.module.set_recording(recording);
    }

    fn process(&mut self, io: &mut Io<'_>) {
        self.set.run(Process { module: &mut self.module, io });
    }

    fn ignored_inputs(&self, silent: PortSet) -> PortSet {
        self.module.ignored_inputs(silent)
    }

    fn skip(&mut self, io: &mut Io<'_>) {
        self.module.skip(io);
    }
}
