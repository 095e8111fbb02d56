//! The picture of a stereo signal: how wide it is, from mono to beyond the loudspeakers, where its
//! weight lies, and the bass in the middle.

use crate::io::Io;
use crate::lanes::{Doubles, Floats, Lanes};
use crate::module::{ModuleSpec, ParamSpec, PortSpec};
use crate::simd::Kernel;
use chronus_dsp_filter::onepole::{Integrator, share_of};

/// The kind `width`.
pub static SPEC: ModuleSpec = ModuleSpec {
    kind: "width",
    summary: "Makes stereo narrower or wider, and its bass mono if you like.",
    inputs: &[
        PortSpec::audio("left", "the left side"),
        PortSpec::audio("right", "the right side; without a cable the same as left"),
    ],
    outputs: &[
        PortSpec::audio("left", "the left side"),
        PortSpec::audio("right", "the right side"),
    ],
    params: &[
        ParamSpec::number(
            "width",
            "",
            [0.0, 2.0],
            1.0,
            "level of what differs between the sides: 0 is mono, 1 leaves all as it is",
        )
        .smoothed(10.0),
        ParamSpec::number(
            "mono_below",
            "Hz",
            [0.0, 500.0],
            0.0,
            "what lies lower comes to the middle, by 6 dB per octave; below 20 Hz that fades out, \
             and 0 is off",
        )
        .smoothed(20.0),
        ParamSpec::number(
            "balance",
            "",
            [-1.0, 1.0],
            0.0,
            "0 leaves both sides as they are, -1 silences the right, 1 the left",
        )
        .smoothed(10.0),
    ],
    bypass: &[(0, 0), (1, 1)],
    ..ModuleSpec::BARE
};

const WIDTH: usize = 0;
const MONO_BELOW: usize = 1;
const BALANCE: usize = 2;
const LOWEST_HZ: f32 = 20.0;

/// See [`SPEC`].
pub struct Width<const C: usize> {
    per_hz: f32,
    /// Of half the difference between the sides.
    low: Integrator<[f64; C]>,
}

impl<const C: usize> Width<C> {
    /// With nothing heard yet.
    pub fn new(rate_hz: u32) -> Self {
        Self { per_hz: 1.0 / rate_hz as f32, low: Integrator::REST }
    }
}

impl<const C: usize> Kernel<C> for Width<C> {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn reset(&mut self) {
        self.low = Integrator::REST;
    }

    #[inline(always)]
    fn process<L: Lanes<C>>(&mut self, lanes: L, io: &mut Io<'_>) {
        let [width, below_hz, balance] =
            [WIDTH, MONO_BELOW, BALANCE].map(|param| io.param::<C>(param));
        let (width, below_hz, balance) = (width.on(lanes), below_hz.on(lanes), balance.on(lanes));
        let is_stereo = io.is_connected(1);
        let (per_hz, lowest_hz, one) = (self.per_hz, lanes.all(LOWEST_HZ), lanes.all(1.0));
        let ([left, right], [left_out, right_out]) = io.ports::<C, 2, 2>();
        let right = if is_stereo { right } else { left };
        let mut share = share_of(below_hz.at(0).at_least(lowest_hz) * per_hz);
        let mut low = self.low.load(lanes);
        for n in 0..left_out.len() {
            if below_hz.is_moving() {
                share = share_of(below_hz.at(n).at_least(lowest_hz) * per_hz);
            }
            let (left, right) = (lanes.load(&left[n]), lanes.load(&right[n]));
            let side = (left - right) * 0.5;
            let bass = low.low(side, share).to_floats();
            let bass = bass * (below_hz.at(n) / LOWEST_HZ).at_most(one);
            // What one side loses the other gains; where nothing changes, no bit does.
            let lost = side - width.at(n) * (side - bass);
            let balance = balance.at(n);
            lanes.store((left - lost) * (one - balance).at_most(one), &mut left_out[n]);
            lanes.store((right + lost) * (one + balance).at_most(one), &mut right_out[n]);
        }
        self.low.keep(lanes, &low);
    }
}
