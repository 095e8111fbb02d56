//! A picture of a performance: its waveform, with a mark at each fault. SVG, written by hand because
//! it is forty lines of text.

use std::fmt::Write as _;

/// A fault to mark.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// The frame at which it was caused.
    pub frame: u64,
    /// Its colour.
    pub colour: &'static str,
}

const WIDTH: usize = 1600;
const HEIGHT: usize = 320;
const TOP: usize = 48;

/// Draws the left channel of `samples` (interleaved stereo) with the faults above it.
pub fn draw(title: &str, samples: &[f32], marks: &[Mark], legend: &[(&str, &str)]) -> String {
    let frames = (samples.len() / 2).max(1);
    let middle = TOP + HEIGHT / 2;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {full}\" \
         font-family=\"sans-serif\" font-size=\"18\">\n\
         <rect width=\"{WIDTH}\" height=\"{full}\" fill=\"#10141a\"/>\n\
         <text x=\"12\" y=\"30\" fill=\"#e8e8e8\">{title}</text>\n",
        full = TOP + HEIGHT
    );
    let mut x = WIDTH;
    for (name, colour) in legend.iter().rev() {
        x -= 11 * name.len() + 40;
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"17\" width=\"14\" height=\"14\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"30\" fill=\"#e8e8e8\">{name}</text>",
            x + 20
        );
    }
    for mark in marks {
        let x = mark.frame as f64 / frames as f64 * WIDTH as f64;
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{}\" stroke=\"{}\" opacity=\"0.75\"/>",
            TOP + HEIGHT,
            mark.colour
        );
    }
    svg.push_str("<path fill=\"none\" stroke=\"#7fd4a8\" d=\"");
    for column in 0..WIDTH {
        let range = column * frames / WIDTH..((column + 1) * frames / WIDTH).min(frames);
        let left = samples.get(range.start * 2..range.end * 2).unwrap_or_default();
        let peak = |pick: fn(f32, f32) -> f32| left.iter().step_by(2).copied().fold(0.0, pick);
        let y = |sample: f32| middle as f32 - sample * HEIGHT as f32 * 0.48;
        let _ = write!(svg, "M{column} {:.1}V{:.1}", y(peak(f32::max)), y(peak(f32::min)) + 0.5);
    }
    svg.push_str("\"/>\n</svg>\n");
    svg
}
