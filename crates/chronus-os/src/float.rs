//! Denormal numbers are flushed to zero while samples are computed, in a worker as in the oracle.

/// Sets "flush to zero" and "denormals are zero" for the calling thread; a fork inherits it.
///
/// Denormal arithmetic is up to a hundred times slower, which would turn a decaying reverb into a
/// missed deadline. Every thread that renders must call it, or bits differ.
pub fn flush_denormals() {
    #[cfg(target_arch = "x86_64")]
    {
        const FLUSH_TO_ZERO: u32 = 1 << 15;
        const DENORMALS_ARE_ZERO: u32 = 1 << 6;
        let mut control: u32 = 0;
        // SAFETY: reads and writes the thread's own MXCSR through a local variable; the two bits set
        // change how denormals are treated and nothing else.
        unsafe {
            std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut control);
            control |= FLUSH_TO_ZERO | DENORMALS_ARE_ZERO;
            std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const control);
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        const FLUSH_TO_ZERO: u64 = 1 << 24;
        let mut control: u64;
        // SAFETY: reads and writes the thread's own FPCR; the bit set changes how denormals are
        // treated and nothing else.
        unsafe {
            std::arch::asm!("mrs {}, fpcr", out(reg) control);
            control |= FLUSH_TO_ZERO;
            std::arch::asm!("msr fpcr, {}", in(reg) control);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn a_denormal_result_becomes_zero() {
        super::flush_denormals();
        let small = std::hint::black_box(f32::MIN_POSITIVE);
        let halved = std::hint::black_box(small * std::hint::black_box(0.5));
        assert_eq!(halved.to_bits(), 0);
    }
}
