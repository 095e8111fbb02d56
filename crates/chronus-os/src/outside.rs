//! Signals of a crash that nobody has caused but who sent them. A process that all others depend on minds only its own.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::crash;

/// The last signal that another process has sent, and its pid: the signal in the upper half; 0 for none.
static SENT: AtomicU64 = AtomicU64::new(0);

/// From here on this process does not end by the signals of a [crash](crash::SIGNALS) that another process sends. What it
/// brings about itself ends it as before. Not inherited by what it starts.
pub fn mind_own_crashes_only() {
    for signal in crash::SIGNALS {
        // SAFETY: the handler makes only calls that are permitted in one, and zeros are a valid action to begin with.
        unsafe {
            let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed().assume_init();
            let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = hear;
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
}

extern "C" fn hear(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel hands a valid description to such a handler; who has sent it is told unless the kernel has.
    let (code, sender, this) = unsafe { ((*info).si_code, (*info).si_pid(), libc::getpid()) };
    if code > 0 || sender == this {
        // It comes again as soon as this returns, and ends the process then.
        // SAFETY: the default action is to end the process.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        return;
    }
    SENT.store(u64::from(signal as u32) << 32 | u64::from(sender as u32), Ordering::Release);
}

/// A signal that was not minded since this was last asked, and the process that has sent it.
pub fn take_unminded() -> Option<(i32, u32)> {
    let sent = SENT.swap(0, Ordering::Acquire);
    (sent != 0).then_some(((sent >> 32) as i32, sent as u32))
}
