//! Many echoes of one: sixteen lanes, each late by another time, mixed with one another, twice over. An
//! impulse becomes 256 within 20 ms, without the ringing of filters that feed back.
//!
//! After Geraint Luff, "Let's Write a Reverb" (2021).

use crate::math::frames_of_ms;

/// How many signals run side by side.
pub(super) const LANES: usize = 16;

/// The frames of all lanes.
pub(super) type Lanes<const C: usize> = [[f32; C]; LANES];

/// When each lane is late, in ms: one in each sixteenth of 5 ms, then of 13 ms, in no order.
const LATE_MS: [[f32; LANES]; 2] = [
    [
        0.17, 3.91, 1.43, 2.57, 4.84, 0.77, 3.28, 2.03, 4.21, 1.11, 2.99, 0.46, 4.53, 1.72, 3.62,
        2.31,
    ],
    [
        9.13, 0.71, 6.37, 12.61, 3.47, 10.79, 1.49, 7.93, 5.11, 11.83, 2.63, 8.29, 0.29, 9.97,
        4.31, 6.97,
    ],
];

/// Lanes that are turned upside down between the two steps, so that mixing twice does not undo itself.
const FLIPPED: [f32; LANES] =
    [1.0, -1.0, -1.0, 1.0, 1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, -1.0, 1.0, -1.0, 1.0, 1.0];

/// See the file's head.
pub(super) struct Diffuser<const C: usize> {
    steps: [Step<C>; 2],
}

struct Step<const C: usize> {
    /// The last frames of all lanes, in a ring.
    memory: Box<[Lanes<C>]>,
    late: [usize; LANES],
    next: usize,
}

impl<const C: usize> Diffuser<C> {
    pub fn new(rate_hz: u32) -> Self {
        Self { steps: LATE_MS.map(|late_ms| Step::new(late_ms, rate_hz)) }
    }

    pub fn reset(&mut self) {
        for step in &mut self.steps {
            step.memory.fill([[0.0; C]; LANES]);
            step.next = 0;
        }
    }

    /// The diffuse frame of all lanes. It is as loud as what went in, all lanes together.
    #[inline(always)]
    pub fn process(&mut self, mut lanes: Lanes<C>) -> Lanes<C> {
        for step in &mut self.steps {
            lanes = step.delay(lanes);
            mix(&mut lanes);
            for (lane, sign) in lanes.iter_mut().zip(FLIPPED) {
                for c in 0..C {
                    lane[c] *= sign;
                }
            }
        }
        lanes
    }
}

impl<const C: usize> Step<C> {
    fn new(late_ms: [f32; LANES], rate_hz: u32) -> Self {
        let late = late_ms.map(|late_ms| frames_of_ms(late_ms, rate_hz) as usize);
        let longest = late.iter().copied().max().unwrap_or(1);
        Self { memory: vec![[[0.0; C]; LANES]; longest + 1].into_boxed_slice(), late, next: 0 }
    }

    #[inline(always)]
    fn delay(&mut self, lanes: Lanes<C>) -> Lanes<C> {
        self.memory[self.next] = lanes;
        let mut delayed = lanes;
        for (lane, (delayed, late)) in delayed.iter_mut().zip(self.late).enumerate() {
            let wraps = if self.next >= late { 0 } else { self.memory.len() };
            *delayed = self.memory[self.next + wraps - late][lane];
        }
        self.next = if self.next + 1 == self.memory.len() { 0 } else { self.next + 1 };
        delayed
    }
}

/// Multiplies by the Hadamard matrix, scaled so that nothing becomes louder or softer: each lane goes to
/// all others, with as much power.
#[inline(always)]
pub(super) fn mix<const C: usize>(lanes: &mut Lanes<C>) {
    let mut half = 1;
    while half < LANES {
        for first in 0..LANES {
            if first & half == 0 {
                for c in 0..C {
                    let (a, b) = (lanes[first][c], lanes[first | half][c]);
                    (lanes[first][c], lanes[first | half][c]) = (a + b, a - b);
                }
            }
        }
        half *= 2;
    }
    for lane in lanes {
        for c in 0..C {
            lane[c] *= 0.25;
        }
    }
}
