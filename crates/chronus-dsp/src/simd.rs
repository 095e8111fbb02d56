//! Modules rendered with the widest vectors that the machine has, in an ordinary build.
//!
//! The inner loops of modules are written over channels. Here the whole `process` of a module is compiled
//! again for each instruction set (SSE2, AVX2, AVX-512, NEON), and the right one is chosen when the
//! program runs. None of them may reorder arithmetic, or fuse it where it does not say so (see
//! [`fused`](crate::fused)), so all give the same bits.

use pulp::{Arch, NullaryFnOnce};

use crate::io::{Io, PortSet};
use crate::module::{Module, ModuleSpec, Note, Recording};

/// The vectors of AVX, for what the compiler does not find by itself. What has AVX-512 has them as well.
#[cfg(target_arch = "x86_64")]
pub fn v3_of(arch: Arch) -> Option<pulp::x86::V3> {
    match arch {
        Arch::V3(v3) => Some(v3),
        Arch::V4(v4) => Some(*v4),
        _ => None,
    }
}

/// A module that renders with wide vectors, and whose state begins where one does.
#[repr(align(64))]
pub struct Vectorized<M> {
    module: M,
    arch: Arch,
}

impl<M: Module> Vectorized<M> {
    /// Wraps a module.
    pub fn new(arch: Arch, module: M) -> Self {
        Self { module, arch }
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

impl<M: Module> Module for Vectorized<M> {
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
        self.arch.dispatch(Process { module: &mut self.module, io });
    }

    fn ignored_inputs(&self, silent: PortSet) -> PortSet {
        self.module.ignored_inputs(silent)
    }

    fn skip(&mut self, io: &mut Io<'_>) {
        self.module.skip(io);
    }
}
