//! Signals added up: what happens where several cables end, and where many voices become one signal.

use pulp::{Arch, NullaryFnOnce};

#[cfg(target_arch = "x86_64")]
use crate::lanes::Set as _;
use crate::module::CHANNELS_MAX;
use crate::simd::up_to_avx2;

/// A signal and its level.
pub type Source<'a> = (&'a [f32], f32);

/// Adds all sources to `sum`, each times its level, in their order; or makes `sum` their sum, if it `begins` with
/// them. All are as long as `sum`. Returns whether there are any; without, `sum` is as it was.
pub fn sum<'a>(
    arch: Arch,
    sum: &mut [f32],
    sources: impl IntoIterator<Item = Source<'a>>,
    begins: bool,
) -> bool {
    let mut sources = sources.into_iter();
    let (mut is_first, mut is_any) = (begins, false);
    loop {
        // Four at a time, so that the sum is read and written for every fourth only.
        match [sources.next(), sources.next(), sources.next(), sources.next()] {
            [Some(a), Some(b), Some(c), Some(d)] => {
                arch.dispatch(Add { sum, sources: [a, b, c, d], is_first });
            }
            [Some(a), Some(b), Some(c), None] => {
                arch.dispatch(Add { sum, sources: [a, b, c], is_first });
                return true;
            }
            [Some(a), Some(b), ..] => {
                arch.dispatch(Add { sum, sources: [a, b], is_first });
                return true;
            }
            [Some(a), ..] => {
                arch.dispatch(Add { sum, sources: [a], is_first });
                return true;
            }
            [None, ..] => return is_any,
        }
        (is_first, is_any) = (false, true);
    }
}

struct Add<'a, 'b, const N: usize> {
    sum: &'a mut [f32],
    sources: [Source<'b>; N],
    /// Whether `sum` holds nothing yet.
    is_first: bool,
}

impl<const N: usize> NullaryFnOnce for Add<'_, '_, N> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { sum, sources, is_first } = self;
        let length = sum.len();
        let mut signals = [&[][..]; N];
        for (cut, (signal, _)) in signals.iter_mut().zip(sources) {
            *cut = &signal[..length];
        }
        for i in 0..length {
            let mut total = sum_so_far(sum[i], is_first);
            for n in 0..N {
                total += signals[n][i] * sources[n].1;
            }
            sum[i] = total;
        }
    }
}

/// What a sum begins with is added to 0 nevertheless: so a zero is positive, however sums are divided.
#[inline(always)]
fn sum_so_far(sum: f32, begins: bool) -> f32 {
    if begins { 0.0 } else { sum }
}

/// As [`sum`], with sources of any more channels than the one of `sum`: each is mixed down and added.
///
/// # Panics
/// If a cable can't have so many channels.
pub fn sum_down<'a>(
    arch: Arch,
    sum: &mut [f32],
    sources: impl IntoIterator<Item = Source<'a>>,
    begins: bool,
) -> bool {
    let mut is_any = false;
    for source in sources {
        add_down(arch, sum, source, begins && !is_any);
        is_any = true;
    }
    is_any
}

fn add_down(arch: Arch, sum: &mut [f32], source: Source<'_>, begins: bool) {
    match source.0.len().checked_div(sum.len()) {
        None => (),
        Some(4) => up_to_avx2(arch, AddDown::<4> { sum, source, begins }),
        Some(8) => up_to_avx2(arch, AddDown::<8> { sum, source, begins }),
        Some(CHANNELS_MAX) => add_all_down(arch, sum, source, begins),
        Some(channels) => panic!("{channels} channels are not mixed down"),
    }
}

struct AddDown<'a, const C: usize> {
    sum: &'a mut [f32],
    source: Source<'a>,
    begins: bool,
}

impl<const C: usize> NullaryFnOnce for AddDown<'_, C> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (signal, level) = self.source;
        for (sum, frame) in self.sum.iter_mut().zip(signal.as_chunks::<C>().0) {
            // Halves are added until one is left, which is a vector's way to add itself up.
            let mut sums = *frame;
            let mut half = C / 2;
            while half > 0 {
                for c in 0..half {
                    sums[c] += sums[c + half];
                }
                half /= 2;
            }
            *sum = sum_so_far(*sum, self.begins) + sums[0] * level;
        }
    }
}

fn add_all_down(arch: Arch, sum: &mut [f32], source: Source<'_>, begins: bool) {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = pulp::x86::V3::of(arch) {
        return v3.vectorize(AddAllDown { sum, source, begins, sums: v3 });
    }
    let _ = arch;
    AddAllDown { sum, source, begins, sums: Plain }.call();
}

/// A way to get the sum of each frame.
trait FrameSums {
    fn frame_sums(&self, frames: &Frames) -> [f32; AT_ONCE];
}

struct Plain;

impl FrameSums for Plain {
    #[inline(always)]
    fn frame_sums(&self, frames: &Frames) -> [f32; AT_ONCE] {
        frame_sums(frames)
    }
}

#[cfg(target_arch = "x86_64")]
impl FrameSums for pulp::x86::V3 {
    #[inline(always)]
    fn frame_sums(&self, frames: &Frames) -> [f32; AT_ONCE] {
        avx::frame_sums(*self, frames)
    }
}

/// As [`AddDown`] with all channels that there may be.
struct AddAllDown<'a, F> {
    sum: &'a mut [f32],
    source: Source<'a>,
    begins: bool,
    sums: F,
}

impl<F: FrameSums> NullaryFnOnce for AddAllDown<'_, F> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (signal, level) = self.source;
        let (sums, last_sums) = self.sum.as_chunks_mut::<AT_ONCE>();
        let frames = signal.as_chunks::<CHANNELS_MAX>().0;
        let (pieces, last) = frames.as_chunks::<AT_ONCE>();
        for (sums, frames) in sums.iter_mut().zip(pieces) {
            for (sum, frame) in sums.iter_mut().zip(self.sums.frame_sums(frames)) {
                *sum = sum_so_far(*sum, self.begins) + frame * level;
            }
        }
        if !last.is_empty() {
            let mut frames = [[0.0; CHANNELS_MAX]; AT_ONCE];
            frames[..last.len()].copy_from_slice(last);
            for (sum, frame) in last_sums.iter_mut().zip(self.sums.frame_sums(&frames)) {
                *sum = sum_so_far(*sum, self.begins) + frame * level;
            }
        }
    }
}

/// Frames whose channels are added up at once: for so many, the compiler finds vectors.
const AT_ONCE: usize = 16;

type Frames = [[f32; CHANNELS_MAX]; AT_ONCE];

/// The sum of each frame.
#[inline(always)]
fn frame_sums(frames: &Frames) -> [f32; AT_ONCE] {
    const HALF: usize = CHANNELS_MAX / 2;
    let mut halves = [[0.0; HALF]; AT_ONCE];
    for (half, frame) in halves.iter_mut().zip(frames) {
        for c in 0..HALF {
            half[c] = frame[c] + frame[c + HALF];
        }
    }
    let quarters = add_neighbours::<{ AT_ONCE * HALF / 2 }>(halves.as_flattened());
    let eighths = add_neighbours::<{ AT_ONCE * HALF / 4 }>(&quarters);
    add_neighbours(&eighths)
}

/// The sums of each two that stand beside each other; `values` are twice as many.
#[inline(always)]
fn add_neighbours<const N: usize>(values: &[f32]) -> [f32; N] {
    let mut sums = [0.0; N];
    for (sum, [a, b]) in sums.iter_mut().zip(values.as_chunks::<2>().0) {
        *sum = a + b;
    }
    sums
}

/// The same for AVX, where the compiler finds a way that takes three times as long.
#[cfg(target_arch = "x86_64")]
mod avx {
    use core::arch::x86_64::__m256;

    use pulp::cast;
    use pulp::x86::V3;

    use super::{AT_ONCE, CHANNELS_MAX, Frames};

    /// As [`frame_sums`](super::frame_sums), with the same bits.
    #[inline(always)]
    pub fn frame_sums(v3: V3, frames: &Frames) -> [f32; AT_ONCE] {
        let (eights, _) = frames.as_chunks::<8>();
        let mut sums = [0.0; AT_ONCE];
        for (sums, frames) in sums.as_chunks_mut::<8>().0.iter_mut().zip(eights) {
            *sums = cast(eight_sums(v3, frames));
        }
        sums
    }

    #[inline(always)]
    fn eight_sums(v3: V3, [a, b, c, d, e, f, g, h]: &[[f32; CHANNELS_MAX]; 8]) -> __m256 {
        let abcd = quads(v3, neighbours(v3, a, b), neighbours(v3, c, d));
        let efgh = quads(v3, neighbours(v3, e, f), neighbours(v3, g, h));
        let low = v3.avx._mm256_permute2f128_ps::<0x20>(abcd, efgh);
        let high = v3.avx._mm256_permute2f128_ps::<0x31>(abcd, efgh);
        v3.avx._mm256_add_ps(low, high)
    }

    /// Once halves are added: `a0 + a1, b0 + b1, a2 + a3, b2 + b3`, and the same of 4 to 7.
    #[inline(always)]
    fn neighbours(v3: V3, a: &[f32; CHANNELS_MAX], b: &[f32; CHANNELS_MAX]) -> __m256 {
        let (a, b) = (half(v3, a), half(v3, b));
        let crossed = v3.avx._mm256_blend_ps::<0b1010_1010>(b, a);
        let swapped = v3.avx._mm256_permute_ps::<0b10_11_00_01>(crossed);
        v3.avx._mm256_add_ps(v3.avx._mm256_blend_ps::<0b1010_1010>(a, b), swapped)
    }

    #[inline(always)]
    fn half(v3: V3, frame: &[f32; CHANNELS_MAX]) -> __m256 {
        let [low, high]: [__m256; 2] = cast(*frame);
        v3.avx._mm256_add_ps(low, high)
    }

    /// The sums of four frames over 0 to 3, and of the same over 4 to 7.
    #[inline(always)]
    fn quads(v3: V3, ab: __m256, cd: __m256) -> __m256 {
        let evens = v3.avx._mm256_shuffle_ps::<0b01_00_01_00>(ab, cd);
        let odds = v3.avx._mm256_shuffle_ps::<0b11_10_11_10>(ab, cd);
        v3.avx._mm256_add_ps(evens, odds)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_sums_have_the_bits_of_those_without_avx() {
            let Some(v3) = V3::try_new() else { return };
            let mut frames = [[0.0_f32; CHANNELS_MAX]; AT_ONCE];
            for (n, sample) in frames.as_flattened_mut().iter_mut().enumerate() {
                *sample = ((n * n * 7919) % 1009) as f32 * (0.37 - (n % 9) as f32 * 0.11);
            }
            let sums = |sums: [f32; AT_ONCE]| sums.map(f32::to_bits);
            assert_eq!(sums(frame_sums(v3, &frames)), sums(super::super::frame_sums(&frames)));
        }
    }
}

/// Adds the one channel of `signal` to each of `sum`; or makes each the same, if `sum` `begins` with it.
pub fn add_to_all(arch: Arch, sum: &mut [f32], channels: usize, signal: &[f32], begins: bool) {
    match channels {
        4 => up_to_avx2(arch, AddToAll::<4> { sum, signal, begins }),
        8 => up_to_avx2(arch, AddToAll::<8> { sum, signal, begins }),
        CHANNELS_MAX => up_to_avx2(arch, AddToAll::<CHANNELS_MAX> { sum, signal, begins }),
        _ => up_to_avx2(arch, AddToAll::<1> { sum, signal, begins }),
    }
}

struct AddToAll<'a, const C: usize> {
    sum: &'a mut [f32],
    signal: &'a [f32],
    begins: bool,
}

impl<const C: usize> NullaryFnOnce for AddToAll<'_, C> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (frame, sample) in self.sum.as_chunks_mut::<C>().0.iter_mut().zip(self.signal) {
            for sum in frame {
                *sum = sum_so_far(*sum, self.begins) + sample;
            }
        }
    }
}
