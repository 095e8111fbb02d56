//! What `ps` and `top` show for a process.
//!
//! A worker is started with a command line that has room to spare; its forks write their own title
//! over it, so that `ps` tells slot 0 from slot 1 though both came from one `exec`.

use std::ffi::CString;
use std::sync::atomic::{AtomicUsize, Ordering};

static START: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

/// Finds the memory of the command line. Allocates; call it once before rendering starts.
/// Where it can't be found, [`set`] only sets the short name.
pub fn locate() {
    if let Some((start, end)) = argument_area() {
        START.store(start, Ordering::Relaxed);
        BYTES.store(end.saturating_sub(start), Ordering::Relaxed);
    }
}

/// Sets the short name (15 bytes, shown by `top`) and writes `title` over the command line, cut to
/// the room there is. Allocates nothing.
pub fn set(name: &str, title: &str) {
    let mut short = [0_u8; 16];
    let length = name.len().min(15);
    short[..length].copy_from_slice(&name.as_bytes()[..length]);
    if let Ok(short) = std::ffi::CStr::from_bytes_until_nul(&short) {
        let _ = rustix::thread::set_name(short);
    }
    let (start, bytes) = (START.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed));
    if bytes < 2 {
        return;
    }
    let length = title.len().min(bytes - 1);
    let area = std::ptr::with_exposed_provenance_mut::<u8>(start);
    // SAFETY: the kernel placed the command line in these `bytes` writable bytes of the initial stack,
    // which live as long as the process; Rust has copied the arguments out of them only on demand,
    // and a worker, the only caller, reads its arguments once, before its first title.
    unsafe {
        std::ptr::copy_nonoverlapping(title.as_ptr(), area, length);
        std::ptr::write_bytes(area.add(length), 0, bytes - length);
    }
}

/// Sets the short name of the calling thread, as `top -H` shows it.
pub fn name_thread(name: &str) {
    if let Ok(name) = CString::new(name.as_bytes()[..name.len().min(15)].to_vec()) {
        let _ = rustix::thread::set_name(&name);
    }
}

/// Start and end of the command line's memory: fields 48 and 49 of `/proc/self/stat`.
fn argument_area() -> Option<(usize, usize)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the name in brackets and may hold spaces; count from behind it.
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_ascii_whitespace().skip(45);
    let start = fields.next()?.parse().ok()?;
    let end = fields.next()?.parse().ok()?;
    (start != 0 && end > start).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_argument_area_holds_the_command_line() {
        let (start, end) = argument_area().expect("the kernel tells where the arguments are");
        let command_line = std::fs::read("/proc/self/cmdline").expect("cmdline");
        assert_eq!(end - start, command_line.len());
    }
}
