//! Many echoes of one: sixteen lanes, each late by another time, mixed with one another, twice over. An
//! impulse becomes 256 within 20 ms, without the ringing of filters that feed back.
//!
//! After Geraint Luff, "Let's Write a Reverb" (2021).

use crate::lanes::{Floats, Lanes};
use crate::math::frames_of_ms;

/// How many signals run side by side.
pub(super) const LANES: usize = 16;

/// The frames of all lanes.
pub(super) type Frames<const C: usize> = [[f32; C]; LANES];

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
    /// The last frames of each lane, in a ring as long as it is late, one ring after the other.
    memory: Box<[[f32; C]]>,
    rings: [Ring; LANES],
}

/// The part of a memory that is a lane's.
#[derive(Clone, Copy)]
struct Ring {
    start: usize,
    /// Where the oldest frame is, which the next one replaces.
    oldest: usize,
    end: usize,
}

impl<const C: usize> Diffuser<C> {
    pub fn new(rate_hz: u32) -> Self {
        Self { steps: LATE_MS.map(|late_ms| Step::new(late_ms, rate_hz)) }
    }

    pub fn reset(&mut self) {
        for step in &mut self.steps {
            step.memory.fill([0.0; C]);
            for ring in &mut step.rings {
                ring.oldest = ring.start;
            }
        }
    }

    /// The diffuse frame of all lanes. It is as loud as what went in, all lanes together.
    #[inline(always)]
    pub fn process<L: Lanes<C>>(&mut self, set: L, lanes: &mut [L::Floats; LANES]) {
        for step in &mut self.steps {
            step.delay(set, lanes);
            mix(lanes);
            for (lane, sign) in lanes.iter_mut().zip(FLIPPED) {
                *lane = *lane * sign;
            }
        }
    }
}

impl<const C: usize> Step<C> {
    fn new(late_ms: [f32; LANES], rate_hz: u32) -> Self {
        let mut end = 0;
        let rings = late_ms.map(|late_ms| {
            let start = end;
            end += frames_of_ms(late_ms, rate_hz) as usize;
            Ring { start, oldest: start, end }
        });
        Self { memory: vec![[0.0; C]; end].into_boxed_slice(), rings }
    }

    #[inline(always)]
    fn delay<L: Lanes<C>>(&mut self, set: L, lanes: &mut [L::Floats; LANES]) {
        for (lane, ring) in lanes.iter_mut().zip(&mut self.rings) {
            let frame = &mut self.memory[ring.oldest];
            let delayed = set.load(frame);
            set.store(*lane, frame);
            *lane = delayed;
            let next = ring.oldest + 1;
            ring.oldest = if next == ring.end { ring.start } else { next };
        }
    }
}

/// Multiplies by the Hadamard matrix, scaled so that nothing becomes louder or softer: each lane goes to
/// all others, with as much power.
#[inline(always)]
pub(super) fn mix<F: Floats>(lanes: &mut [F; LANES]) {
    let mut half = 1;
    while half < LANES {
        for first in 0..LANES {
            if first & half == 0 {
                let (a, b) = (lanes[first], lanes[first | half]);
                (lanes[first], lanes[first | half]) = (a + b, a - b);
            }
        }
        half *= 2;
    }
    for lane in lanes {
        *lane = *lane * 0.25;
    }
}
