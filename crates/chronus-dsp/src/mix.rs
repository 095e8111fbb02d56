//! Signals added up: what happens where several cables end, and where many voices become one signal.

use pulp::{Arch, NullaryFnOnce};

use crate::module::CHANNELS_MAX;

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
            let mut total = if is_first { 0.0 } else { sum[i] };
            for n in 0..N {
                total += signals[n][i] * sources[n].1;
            }
            sum[i] = total;
        }
    }
}

/// Adds all channels of `signal` to the one of `sum`.
///
/// # Panics
/// If a cable can't have so many channels.
pub fn add_down(arch: Arch, sum: &mut [f32], signal: &[f32], channels: usize) {
    match channels {
        4 => arch.dispatch(AddDown::<4> { sum, signal }),
        8 => arch.dispatch(AddDown::<8> { sum, signal }),
        CHANNELS_MAX => arch.dispatch(AddDownAll { sum, signal }),
        _ => panic!("{channels} channels are not mixed down"),
    }
}

struct AddDown<'a, const C: usize> {
    sum: &'a mut [f32],
    signal: &'a [f32],
}

impl<const C: usize> NullaryFnOnce for AddDown<'_, C> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (sum, frame) in self.sum.iter_mut().zip(self.signal.as_chunks::<C>().0) {
            // Halves are added until one is left, which is a vector's way to add itself up.
            let mut sums = *frame;
            let mut half = C / 2;
            while half > 0 {
                for c in 0..half {
                    sums[c] += sums[c + half];
                }
                half /= 2;
            }
            *sum += sums[0];
        }
    }
}

/// As [`AddDown`] with all channels that there may be.
struct AddDownAll<'a> {
    sum: &'a mut [f32],
    signal: &'a [f32],
}

impl NullaryFnOnce for AddDownAll<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (sums, last_sums) = self.sum.as_chunks_mut::<AT_ONCE>();
        let frames = self.signal.as_chunks::<CHANNELS_MAX>().0;
        let (pieces, last) = frames.as_chunks::<AT_ONCE>();
        for (sums, frames) in sums.iter_mut().zip(pieces) {
            for (sum, frame) in sums.iter_mut().zip(frame_sums(frames)) {
                *sum += frame;
            }
        }
        if !last.is_empty() {
            let mut frames = [[0.0; CHANNELS_MAX]; AT_ONCE];
            frames[..last.len()].copy_from_slice(last);
            for (sum, frame) in last_sums.iter_mut().zip(frame_sums(&frames)) {
                *sum += frame;
            }
        }
    }
}

/// Frames whose channels are added up at once: for so many, the compiler finds vectors.
const AT_ONCE: usize = 16;

/// The sum of each frame.
#[inline(always)]
fn frame_sums(frames: &[[f32; CHANNELS_MAX]; AT_ONCE]) -> [f32; AT_ONCE] {
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

/// Adds the one channel of `signal`, times `level`, to each of `sum`.
pub fn add_to_all(arch: Arch, sum: &mut [f32], channels: usize, signal: &[f32], level: f32) {
    match channels {
        4 => arch.dispatch(AddToAll::<4> { sum, signal, level }),
        8 => arch.dispatch(AddToAll::<8> { sum, signal, level }),
        CHANNELS_MAX => arch.dispatch(AddToAll::<CHANNELS_MAX> { sum, signal, level }),
        _ => arch.dispatch(AddToAll::<1> { sum, signal, level }),
    }
}

struct AddToAll<'a, const C: usize> {
    sum: &'a mut [f32],
    signal: &'a [f32],
    level: f32,
}

impl<const C: usize> NullaryFnOnce for AddToAll<'_, C> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (frame, sample) in self.sum.as_chunks_mut::<C>().0.iter_mut().zip(self.signal) {
            for sum in frame {
                *sum += sample * self.level;
            }
        }
    }
}
