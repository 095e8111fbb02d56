//! A delay line: the last frames of a signal, to be read anywhere in between.

use crate::lanes::{Ints, Lanes, Mask};

/// See the file's head. Its memory is allocated once and never cleared: after a reset it only forgets how
/// much of it was written, since clearing megabytes takes longer than a block lasts.
pub(super) struct Line<const C: usize> {
    memory: Box<[[f32; C]]>,
    /// Where the next frame goes.
    next: usize,
    /// How many frames were written since the reset, as far as they are still there.
    written: usize,
}

impl<const C: usize> Line<C> {
    /// A silent line that can be read up to `frames` ago.
    pub fn new(frames: usize) -> Self {
        // Interpolation reads two frames further.
        Self { memory: vec![[0.0; C]; frames + 3].into_boxed_slice(), next: 0, written: 0 }
    }

    pub fn reset(&mut self) {
        (self.next, self.written) = (0, 0);
    }

    #[inline(always)]
    pub fn push<L: Lanes<C>>(&mut self, lanes: L, frame: L::Floats) {
        lanes.store(frame, &mut self.memory[self.next]);
        self.advance();
    }

    /// As [`push`](Self::push), of a frame that is no vector.
    #[inline(always)]
    pub fn push_each(&mut self, frame: [f32; C]) {
        self.memory[self.next] = frame;
        self.advance();
    }

    #[inline(always)]
    fn advance(&mut self) {
        self.next = if self.next + 1 == self.memory.len() { 0 } else { self.next + 1 };
        self.written = (self.written + 1).min(self.memory.len());
    }

    #[inline(always)]
    fn index(&self, ago: usize) -> usize {
        if self.next >= ago { self.next - ago } else { self.next + self.memory.len() - ago }
    }

    /// Channel `c` so many frames ago; 1 is the frame that was pushed last.
    #[inline(always)]
    pub fn sample(&self, c: usize, ago: usize) -> f32 {
        if ago > self.written { 0.0 } else { self.memory[self.index(ago)][c] }
    }

    /// All channels so many frames ago.
    #[inline(always)]
    pub fn frame(&self, ago: usize) -> [f32; C] {
        if ago > self.written { [0.0; C] } else { self.memory[self.index(ago)] }
    }

    /// Between the frames `ago` (at least 2) and `ago + 1` of each channel, a share of 0 to 1 towards the latter:
    /// Lagrange's cubic polynomial through four frames, whose gain is nowhere above 1.
    #[inline(always)]
    pub fn between<L: Lanes<C>>(&self, lanes: L, ago: L::Ints, share: L::Floats) -> L::Floats {
        let agos = lanes.array_of_ints(ago);
        let first = agos[0] as usize;
        let oldest = self.index(first + 2);
        let [x2, x1, x0, newest] = match self.memory.get(oldest..oldest + 4) {
            // Most modules treat all channels alike: so frames are read whole.
            Some([a, b, c, d])
                if first + 2 <= self.written && ago.eq(lanes.all_ints(agos[0])).all() =>
            {
                [lanes.load(a), lanes.load(b), lanes.load(c), lanes.load(d)]
            }
            _ => {
                let [a, b, c, d] = self.around(&agos);
                [lanes.load(&a), lanes.load(&b), lanes.load(&c), lanes.load(&d)]
            }
        };
        let (up, down, far) = (share + 1.0, share - 1.0, share - 2.0);
        let outer = share * down * (x2 * up - newest * far) * (1.0 / 6.0);
        outer + far * 0.5 * up * (x0 * down - x1 * share)
    }

    /// The four frames around the places of all channels, the oldest first.
    fn around(&self, agos: &[u32; C]) -> [[f32; C]; 4] {
        let mut frames = [[0.0; C]; 4];
        for c in 0..C {
            let ago = agos[c] as usize;
            let oldest = self.index(ago + 2);
            match self.memory.get(oldest..oldest + 4) {
                Some(four) if ago + 2 <= self.written => {
                    for (frame, from) in frames.iter_mut().zip(four) {
                        frame[c] = from[c];
                    }
                }
                // Around the end of the memory, or before the beginning.
                _ => {
                    for (frame, more) in frames.iter_mut().zip([2, 1, 0, -1]) {
                        frame[c] = self.sample(c, ago.wrapping_add_signed(more));
                    }
                }
            }
        }
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::Line;
    use crate::lanes::{Lanes, base};

    /// What is read so many frames ago.
    fn read<const C: usize>(line: &Line<C>, agos: [u32; C], shares: [f32; C]) -> [f32; C]
    where
        crate::lanes::Base: Lanes<C>,
    {
        let (ago, share) = (base().load_ints(&agos), base().load(&shares));
        base().array(line.between(base(), ago, share))
    }

    #[test]
    fn cubic_curves_are_met_exactly_also_around_the_end_of_the_memory() {
        let mut line = Line::<1>::new(10);
        let curve = |x: f32| 0.25 * x * x * x - x * x + 2.0 * x - 1.0;
        for n in 0..40 {
            line.push_each([curve(n as f32 * 0.125)]);
            if n > 12 {
                for (ago, share) in [(2, 0.0), (3, 0.5), (9, 0.25), (10, 0.0), (5, 1.0)] {
                    let exact = curve((n as f32 + 1.0 - ago as f32 - share) * 0.125);
                    let [read] = read(&line, [ago], [share]);
                    assert!((read - exact).abs() < 1e-5, "{read} for {exact}");
                }
            }
        }
    }

    #[test]
    fn each_channel_is_read_at_its_own_place() {
        let mut line = Line::<4>::new(10);
        for n in 0..40 {
            line.push_each([0.0, 1.0, 2.0, 3.0].map(|more: f32| n as f32 + 100.0 * more));
        }
        let found = read(&line, [2, 10, 5, 5], [0.5, 0.0, 0.25, 1.0]);
        for (read, exact) in found.into_iter().zip([37.5, 130.0, 234.75, 334.0]) {
            assert!((read - exact).abs() < 1e-3, "{read} for {exact}");
        }
    }

    #[test]
    fn what_was_before_a_reset_is_forgotten() {
        let mut line = Line::<4>::new(10);
        for _ in 0..30 {
            line.push_each([1.0; 4]);
        }
        line.reset();
        line.push_each([2.0; 4]);
        let between = read(&line, [5; 4], [0.5; 4]);
        assert_eq!([line.sample(3, 1), line.sample(3, 2), between[3]], [2.0, 0.0, 0.0]);
        assert_eq!([line.frame(1), line.frame(7)], [[2.0; 4], [0.0; 4]]);
    }
}
