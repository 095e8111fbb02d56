//! What a process may do wrong on purpose, to try what becomes of it. Nothing here is sound, and nobody may
//! call it but for trials.

use crate::child::exit_now;

/// Writes all over this memory, whoever owns it.
pub fn overwrite(address: usize, bytes: usize) {
    let start = std::ptr::with_exposed_provenance_mut::<u8>(address);
    for at in 0..bytes {
        // SAFETY: none is claimed: the write is meant to be refused by the kernel, which ends the process.
        unsafe { start.add(at).write_volatile(0xa5) };
    }
}

/// Has a mapping of so many bytes grow to twice its size, over whatever lies behind it in its file. Does nothing unless this
/// process is confined.
pub fn grow(address: usize, bytes: usize) {
    if !crate::confine::is_in_force() {
        return;
    }
    let start = std::ptr::with_exposed_provenance_mut(address);
    // SAFETY: none is claimed: the call is meant to end the process.
    unsafe { libc::mremap(start, bytes, 2 * bytes, libc::MREMAP_MAYMOVE) };
}

/// Makes processes, each of which makes processes, as long as it lives. Does nothing unless this process is confined,
/// so that its first attempt ends it.
pub fn multiply() {
    if !crate::confine::is_in_force() {
        return;
    }
    loop {
        // SAFETY: a worker has a single thread, and it may not make this call anyway.
        if unsafe { libc::fork() } < 0 {
            exit_now(1);
        }
    }
}
