//! The last words of a process: what the kernel said when it crashed.
//!
//! A handler on a stack of its own, which a fork inherits, writes them where others can read them, and
//! lets the process die. It allocates nothing, takes no lock, and knows only the place it was given.

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};

use crate::child::{self, Exit};
use crate::confine;

/// Where a crash is noted: [`Crash::encode`]'s words.
pub type Place = [AtomicU64; 2];

/// The signals of a crash.
pub const SIGNALS: [i32; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGABRT,
    libc::SIGSYS,
    libc::SIGTRAP,
];

/// Room for the handler and for the registers that the kernel saves, of the widest processors too.
const STACK_BYTES: usize = 64 << 10;
const GUARD_BYTES: usize = 64 << 10;
/// A fault so close to the stack pointer, in memory that is not mapped, is the end of the stack.
const STACK_REACH_BYTES: u64 = 64 << 10;

static PLACE: AtomicPtr<Place> = AtomicPtr::new(null_mut());

/// What the kernel said when a process crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// The process that crashed.
    pub pid: u32,
    /// The signal.
    pub signal: i32,
    /// Why it came.
    pub cause: Cause,
}

/// Why a deadly signal came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The processor refused an instruction, with this `si_code`; the address that it was about.
    Fault(i16, u64),
    /// The stack was used up.
    StackOverflow,
    /// The memory itself is broken.
    BrokenMemory,
    /// A system call that is not permitted, by its number.
    ForbiddenCall(u64),
    /// A process sent it, by its number; 0 if it can't be seen from here.
    Sent(u32),
}

impl Crash {
    /// Whether the process brought it about: no other process sent the signal, and the memory is sound.
    pub fn is_own_doing(self) -> bool {
        match self.cause {
            Cause::Sent(sender) => sender == self.pid,
            Cause::BrokenMemory => false,
            Cause::Fault(..) | Cause::StackOverflow | Cause::ForbiddenCall(_) => true,
        }
    }

    /// Whether a process that has noted this can have ended so. What it noted is in memory that it can write.
    pub fn agrees_with(self, exit: Exit) -> bool {
        match exit {
            Exit::Signal(signal) => signal == self.signal,
            Exit::Status(status) => status == 128 + self.signal,
        }
    }

    /// As two words; the first is never zero, so that an empty place is told from a note.
    pub fn encode(self) -> [u64; 2] {
        let (kind, code, detail) = match self.cause {
            Cause::Fault(code, address) => (1, code, address),
            Cause::StackOverflow => (2, 0, 0),
            Cause::BrokenMemory => (3, 0, 0),
            Cause::ForbiddenCall(number) => (4, 0, number),
            Cause::Sent(sender) => (5, 0, u64::from(sender)),
        };
        let code = u64::from(code.cast_unsigned());
        let signal = u64::from(self.signal.cast_unsigned() & 0xff);
        [u64::from(self.pid) << 32 | code << 16 | kind << 8 | signal, detail]
    }

    /// What [`encode`](Self::encode) made these words of, if it did.
    pub fn decode([word, detail]: [u64; 2]) -> Option<Self> {
        let code = (word >> 16) as u16;
        let cause = match word >> 8 & 0xff {
            1 => Cause::Fault(code.cast_signed(), detail),
            2 => Cause::StackOverflow,
            3 => Cause::BrokenMemory,
            4 => Cause::ForbiddenCall(detail),
            5 => Cause::Sent(detail as u32),
            _ => return None,
        };
        Some(Self { pid: (word >> 32) as u32, signal: (word & 0xff) as i32, cause })
    }

    fn note(self, place: &Place) {
        let [word, detail] = self.encode();
        place[1].store(detail, Ordering::Relaxed);
        place[0].store(word, Ordering::Release);
    }
}

impl std::fmt::Display for Crash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let signal = child::signal_name(self.signal);
        match self.cause {
            Cause::Fault(_, address) => write!(f, "{signal} at address {address:#x}"),
            Cause::StackOverflow => write!(f, "{signal}: its stack was used up"),
            Cause::BrokenMemory => write!(f, "{signal}: the machine's memory is broken"),
            Cause::ForbiddenCall(number) => {
                let name = confine::name_of_call(number).unwrap_or("without a name here");
                write!(f, "{signal}: the system call {name} ({number}), which it may not make")
            }
            Cause::Sent(sender) if sender == self.pid => write!(f, "{signal} by itself"),
            Cause::Sent(sender) => write!(f, "{signal}, sent by process {sender}"),
        }
    }
}

/// Whether a process that ended brought it about, by how it ended and what it noted.
pub fn is_own_doing(exit: Exit, crash: Option<Crash>) -> bool {
    let crash = crash.filter(|crash| crash.agrees_with(exit));
    crash.map_or_else(|| exit.is_own_doing() && !was_sent(exit), Crash::is_own_doing)
}

/// Whether only a signal that another process sent leads to this end: see [`note_in`]. The note of it may be lost,
/// if a fork had no place of its own yet.
fn was_sent(exit: Exit) -> bool {
    let by_itself = [libc::SIGABRT, libc::SIGSYS];
    let sent = SIGNALS.into_iter().filter(|signal| !by_itself.contains(signal));
    sent.into_iter().any(|signal| exit == Exit::Status(128 + signal))
}

/// From here on, a crash of this process or of its forks is noted in `place` before it ends them. A
/// real fault ends the process by its signal; a signal that was sent, which can't be repeated without
/// the right to send one, by the status that shells use for it, 128 and the signal.
///
/// # Errors
/// As the kernel says: out of memory.
pub fn note_in(place: &'static Place) -> io::Result<()> {
    PLACE.store(std::ptr::from_ref(place).cast_mut(), Ordering::Release);
    use_own_stack()?;
    // SAFETY: all zero is a valid `sigaction` with an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_crash;
    action.sa_sigaction = handler as usize;
    // With the default action restored at its entry, the handler can't be called by a crash of its own.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND;
    for signal in SIGNALS {
        // SAFETY: the handler makes only system calls and atomic stores, so it may interrupt anything;
        // the action is valid for the call.
        if unsafe { libc::sigaction(signal, &raw const action, null_mut()) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Notes that this process ends by SIGABRT of its own accord. Returns whether there was a place for it.
pub(crate) fn note_abort() -> bool {
    let Some(place) = place() else { return false };
    let pid = own_pid();
    Crash { pid, signal: libc::SIGABRT, cause: Cause::Sent(pid) }.note(place);
    true
}

fn place() -> Option<&'static Place> {
    // SAFETY: null, or a reference that lives as long as the process, as `note_in` demands.
    unsafe { PLACE.load(Ordering::Acquire).as_ref() }
}

fn own_pid() -> u32 {
    rustix::process::getpid().as_raw_nonzero().get().cast_unsigned()
}

/// A signal stack with a guard below it, never given back.
fn use_own_stack() -> io::Result<()> {
    let prot = ProtFlags::READ | ProtFlags::WRITE;
    let bytes = GUARD_BYTES + STACK_BYTES;
    // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory, and its
    // lower part is protected before anybody knows of it; the stack lies wholly in the upper part.
    unsafe {
        let start = mmap_anonymous(null_mut(), bytes, prot, MapFlags::PRIVATE)?;
        mprotect(start, GUARD_BYTES, MprotectFlags::empty())?;
        let stack =
            libc::stack_t { ss_sp: start.byte_add(GUARD_BYTES), ss_flags: 0, ss_size: STACK_BYTES };
        if libc::sigaltstack(&raw const stack, null_mut()) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

extern "C" fn on_crash(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel hands over a valid siginfo and context.
    let cause = unsafe { cause_of(signal, &*info, context.cast::<libc::ucontext_t>()) };
    if let Some(place) = place() {
        Crash { pid: own_pid(), signal, cause }.note(place);
    }
    match cause {
        // The instruction is tried again when the handler returns, and nobody catches its fault.
        Cause::Fault(..) | Cause::StackOverflow | Cause::BrokenMemory => {}
        Cause::ForbiddenCall(_) => {
            // SAFETY: getppid's cousin `getpgid` takes a number and touches no memory. It is no more
            // permitted than what led here, and with SIGSYS blocked in its handler it ends the process.
            unsafe { libc::syscall(libc::SYS_getpgid, 0) };
            child::exit_now(128 + signal);
        }
        Cause::Sent(_) => child::exit_now(128 + signal),
    }
}

/// # Safety
/// `context` must be valid, or null.
unsafe fn cause_of(
    signal: c_int,
    info: &libc::siginfo_t,
    context: *const libc::ucontext_t,
) -> Cause {
    const SYS_SECCOMP: c_int = 1;
    let code = info.si_code;
    if code <= 0 {
        // Timers and the like carry something else in that place.
        let is_sent = matches!(code, libc::SI_USER | libc::SI_QUEUE | libc::SI_TKILL);
        // SAFETY: a signal that a process sent carries the sender's number.
        return Cause::Sent(if is_sent { unsafe { info.si_pid() }.cast_unsigned() } else { 0 });
    }
    if signal == libc::SIGSYS && code == SYS_SECCOMP {
        return Cause::ForbiddenCall(call_number(info));
    }
    if signal == libc::SIGBUS && matches!(code, libc::BUS_MCEERR_AR | libc::BUS_MCEERR_AO) {
        return Cause::BrokenMemory;
    }
    // SAFETY: a signal that the kernel raised for a fault carries its address.
    let address = unsafe { info.si_addr() } as u64;
    // SAFETY: as the caller promises.
    let stack = unsafe { context.as_ref() }.map_or(0, stack_pointer);
    if signal == libc::SIGSEGV && address.abs_diff(stack) < STACK_REACH_BYTES {
        return Cause::StackOverflow;
    }
    Cause::Fault(code as i16, address)
}

/// The number of the system call, behind the address in `siginfo`: `_sigsys` of the kernel's headers.
fn call_number(info: &libc::siginfo_t) -> u64 {
    #[repr(C)]
    struct SigSys {
        signal: c_int,
        errno: c_int,
        code: c_int,
        padding: c_int,
        address: *mut c_void,
        call: c_int,
        architecture: u32,
    }
    // SAFETY: a siginfo is larger than `SigSys`, aligned alike, and made of plain integers.
    let sys = unsafe { &*std::ptr::from_ref(info).cast::<SigSys>() };
    u64::from(sys.call.cast_unsigned())
}

#[cfg(target_arch = "x86_64")]
fn stack_pointer(context: &libc::ucontext_t) -> u64 {
    context.uc_mcontext.gregs[libc::REG_RSP as usize].cast_unsigned()
}

#[cfg(target_arch = "aarch64")]
fn stack_pointer(context: &libc::ucontext_t) -> u64 {
    context.uc_mcontext.sp
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn stack_pointer(_: &libc::ucontext_t) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let causes = [
            Cause::Fault(-3, 0xdead_beef_0000),
            Cause::StackOverflow,
            Cause::BrokenMemory,
            Cause::ForbiddenCall(41),
            Cause::Sent(u32::MAX),
        ];
        for cause in causes {
            let crash = Crash { pid: 4_000_000_000, signal: libc::SIGSYS, cause };
            assert_eq!(Crash::decode(crash.encode()), Some(crash));
        }
        assert_eq!(Crash::decode([0, 0]), None);
    }

    #[test]
    fn what_others_did_is_not_its_own_doing() {
        let crash = |cause| Crash { pid: 7, signal: libc::SIGSEGV, cause };
        let segv = Exit::Signal(libc::SIGSEGV);
        assert!(is_own_doing(segv, None) && !is_own_doing(Exit::Signal(libc::SIGKILL), None));
        assert!(!is_own_doing(segv, Some(crash(Cause::Sent(8)))));
        let killed = Exit::Signal(libc::SIGKILL);
        assert!(!is_own_doing(killed, Some(crash(Cause::Fault(1, 8)))), "the kernel knows better");
        assert!(is_own_doing(Exit::Status(1), Some(crash(Cause::Sent(8)))), "and here too");
        assert!(!is_own_doing(Exit::Status(128 + libc::SIGSEGV), Some(crash(Cause::Sent(8)))));
        assert!(!is_own_doing(Exit::Status(128 + libc::SIGILL), None), "its note was lost");
        assert!(is_own_doing(Exit::Status(128 + libc::SIGABRT), None), "it gave up");
        for signal in [libc::SIGALRM, libc::SIGUSR1, libc::SIGXCPU, libc::SIGPROF, libc::SIGXFSZ] {
            assert!(!is_own_doing(Exit::Signal(signal), None), "nobody is blamed for {signal}");
        }
        assert!(is_own_doing(Exit::Signal(libc::SIGTRAP), None));
        assert!(crash(Cause::Fault(1, 8)).is_own_doing());
        assert!(crash(Cause::StackOverflow).is_own_doing());
        assert!(crash(Cause::ForbiddenCall(41)).is_own_doing());
        assert!(crash(Cause::Sent(7)).is_own_doing());
        assert!(!crash(Cause::Sent(8)).is_own_doing());
        assert!(!crash(Cause::BrokenMemory).is_own_doing());
        assert_eq!(crash(Cause::Sent(8)).to_string(), "SIGSEGV, sent by process 8");
        assert_eq!(crash(Cause::Fault(1, 8)).to_string(), "SIGSEGV at address 0x8");
    }
}
