//! Sealed anonymous shared memory and its mappings.
//!
//! A memfd is sealed against resizing the moment it exists, so no process that maps it can be sent a
//! SIGBUS by another that shrinks it.

use std::ffi::c_void;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags, fallocate, fcntl_add_seals, fstat,
    ftruncate, memfd_create,
};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// An anonymous file that holds `bytes`, to be handed to a child, which reads it from the start.
///
/// # Errors
/// As the kernel says: out of memory or of file descriptors.
pub fn file_holding(name: &str, bytes: &[u8]) -> io::Result<std::fs::File> {
    use std::io::{Seek, Write};
    let mut file = std::fs::File::from(memfd_create(name, MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// Anonymous shared memory of a fixed size, all zero when created.
#[derive(Debug)]
pub struct Memfd {
    fd: OwnedFd,
    bytes: usize,
}

/// What a mapping may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads only; a write is a SIGSEGV.
    Read,
    /// Reads and writes.
    Write,
}

impl Memfd {
    /// Creates `bytes` bytes of shared memory and seals its size.
    ///
    /// # Errors
    /// As the kernel says: out of memory or of file descriptors.
    pub fn create(name: &str, bytes: usize) -> io::Result<Self> {
        let fd = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&fd, bytes as u64)?;
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(Self { fd, bytes })
    }

    /// Takes over a descriptor inherited from the process that created the memory.
    ///
    /// # Errors
    /// If the descriptor is not one whose size can be told.
    pub fn adopt(fd: OwnedFd) -> io::Result<Self> {
        let bytes = usize::try_from(fstat(&fd)?.st_size).map_err(io::Error::other)?;
        Ok(Self { fd, bytes })
    }

    /// The size in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Another descriptor of the same memory, through which it can be neither written nor mapped for
    /// writing.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn read_only(&self) -> io::Result<OwnedFd> {
        let path = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// Writes bytes without mapping them.
    ///
    /// # Errors
    /// `InvalidInput` if the range is not inside; otherwise as the kernel says: out of memory.
    pub fn write_at(&self, offset: usize, mut bytes: &[u8]) -> io::Result<()> {
        self.check_range(offset, bytes.len().max(1))?;
        let mut at = offset as u64;
        while !bytes.is_empty() {
            let written = rustix::io::pwrite(&self.fd, bytes, at)?;
            bytes = &bytes[written..];
            at += written as u64;
        }
        Ok(())
    }

    /// Makes everything from `offset` on zero, and gives the memory back. Mappings see it at once.
    ///
    /// # Errors
    /// `InvalidInput` if the range is not inside; otherwise as the kernel says.
    pub fn clear_from(&self, offset: usize) -> io::Result<()> {
        self.clear(offset..self.bytes.max(offset))
    }

    /// Makes a range zero, and gives the memory of whole pages back. Mappings see it at once.
    ///
    /// # Errors
    /// `InvalidInput` if the range is not inside; otherwise as the kernel says.
    pub fn clear(&self, range: Range<usize>) -> io::Result<()> {
        let bytes = range.len();
        self.check_range(range.start, bytes)?;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(fallocate(&self.fd, flags, range.start as u64, bytes as u64)?)
    }

    /// Reads bytes without mapping them.
    ///
    /// # Errors
    /// `InvalidInput` if the range is not inside; otherwise as the kernel says.
    pub fn read_at(&self, offset: usize, bytes: usize) -> io::Result<Vec<u8>> {
        self.check_range(offset, bytes)?;
        let mut read = vec![0; bytes];
        let mut done = 0;
        while done < bytes {
            match rustix::io::pread(&self.fd, &mut read[done..], (offset + done) as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => done += more,
            }
        }
        Ok(read)
    }

    /// Maps `bytes` bytes from `offset` (a multiple of the page size), with every page present.
    ///
    /// # Errors
    /// `InvalidInput` if the range is not inside; otherwise as the kernel says.
    pub fn map(&self, access: Access, offset: usize, bytes: usize) -> io::Result<Mapping> {
        self.check_range(offset, bytes)?;
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
        let start = unsafe {
            mmap(std::ptr::null_mut(), bytes, access.prot(), flags, &self.fd, offset as u64)?
        };
        Ok(Mapping { start, bytes, access })
    }

    /// Lays another part of this memory under an existing mapping: in one step the old part is given
    /// up and the new one stands at the same address. References into the mapping stay valid and see
    /// the new part.
    ///
    /// # Errors
    /// `InvalidInput` if the range is not inside; otherwise as the kernel says.
    pub fn remap(&self, mapping: &Mapping, offset: usize) -> io::Result<()> {
        self.check_range(offset, mapping.bytes)?;
        let flags = MapFlags::SHARED | MapFlags::POPULATE | MapFlags::FIXED;
        // SAFETY: the address range is exactly that of a mapping owned by `mapping`, so nothing else
        // is replaced; it is replaced atomically by shared memory of the same size and access, and
        // shared memory may change under its readers at any time anyway.
        unsafe {
            let prot = mapping.access.prot();
            mmap(mapping.start, mapping.bytes, prot, flags, &self.fd, offset as u64)?;
        }
        Ok(())
    }

    fn check_range(&self, offset: usize, bytes: usize) -> io::Result<()> {
        match offset.checked_add(bytes) {
            Some(end) if bytes > 0 && end <= self.bytes => Ok(()),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

impl AsFd for Memfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Access {
    fn prot(self) -> ProtFlags {
        match self {
            Self::Read => ProtFlags::READ,
            Self::Write => ProtFlags::READ | ProtFlags::WRITE,
        }
    }
}

/// A piece of mapped shared memory; unmapped when dropped.
#[derive(Debug)]
pub struct Mapping {
    start: *mut c_void,
    bytes: usize,
    access: Access,
}

// SAFETY: the mapping belongs to the process, not to a thread, and is unmapped exactly once.
unsafe impl Send for Mapping {}
// SAFETY: a `Mapping` hands out only its address; who dereferences it answers for the access.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// The first byte; page-aligned.
    pub fn start(&self) -> *mut c_void {
        self.start
    }

    /// The size in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was returned by mmap and nobody unmaps it but this drop; references into
        // it borrow from its owner and are gone.
        let _ = unsafe { munmap(self.start, self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_sealed_and_ranges_are_checked() {
        let memory = Memfd::create("chronus-test", 8192).expect("memfd");
        assert!(ftruncate(&memory.fd, 4096).is_err(), "shrinking must be refused");
        assert!(ftruncate(&memory.fd, 16384).is_err(), "growing must be refused");
        assert!(memory.map(Access::Read, 4096, 8192).is_err(), "past the end");
        assert!(memory.map(Access::Read, 4096, 0).is_err(), "empty");
        assert!(memory.map(Access::Write, 4096, 4096).is_ok());
    }

    #[test]
    fn what_is_cleared_is_zero_from_there_on() {
        let memory = Memfd::create("chronus-test", 8192).expect("memfd");
        memory.write_at(0, &[7; 8192]).expect("written");
        memory.clear_from(4000).expect("cleared");
        let bytes = memory.read_at(0, 8192).expect("read");
        assert!(bytes[..4000].iter().all(|byte| *byte == 7));
        assert!(bytes[4000..].iter().all(|byte| *byte == 0));
        assert_eq!(memory.bytes(), 8192);
    }

    #[test]
    fn a_remapped_part_stands_at_the_same_address() {
        let memory = Memfd::create("chronus-test", 8192).expect("memfd");
        let whole = memory.map(Access::Read, 0, 8192).expect("map");
        let part = memory.map(Access::Write, 0, 4096).expect("map");
        let write = |value: u8| {
            // SAFETY: the mapping is writable, 4096 bytes long, and alive.
            unsafe { part.start().cast::<u8>().write_volatile(value) }
        };
        let read = |offset: usize| {
            // SAFETY: the mapping is readable, 8192 bytes long, and alive.
            unsafe { whole.start().cast::<u8>().add(offset).read_volatile() }
        };
        write(1);
        memory.remap(&part, 4096).expect("remap");
        write(2);
        assert_eq!((read(0), read(4096)), (1, 2));
    }
}
