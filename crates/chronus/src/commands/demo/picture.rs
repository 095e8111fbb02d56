//! A picture of a performance: its waveform, and under it lanes with marks of what happened. SVG, written by hand
//! because it is a page of text.

use std::fmt::Write as _;

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// The frame at which it began, counted from the first sample.
    pub from: u64,
    /// For how many frames it lasted; 0 for an instant.
    pub frames: u64,
    /// Its colour.
    pub colour: &'static str,
}

/// Things of one sort that happened.
#[derive(Clone, Debug)]
pub struct Lane<'a> {
    /// What they are.
    pub name: &'a str,
    /// When.
    pub marks: Vec<Mark>,
}

/// What is drawn.
#[derive(Clone, Debug)]
pub struct Picture<'a> {
    /// What it says at the top.
    pub title: &'a str,
    /// Interleaved stereo.
    pub samples: &'a [f32],
    /// Frames per second.
    pub rate_hz: f64,
    /// Names of colours.
    pub legend: &'a [(&'a str, &'a str)],
    /// What happened.
    pub lanes: &'a [Lane<'a>],
}

const WIDTH: usize = 1600;
const LEFT: usize = 96;
const RIGHT: usize = 16;
const TOP: usize = 76;
const WAVE_HEIGHT: usize = 280;
const LANE_HEIGHT: usize = 34;
const AXIS_HEIGHT: usize = 40;
const SPAN: usize = WIDTH - LEFT - RIGHT;
const TEXT: &str = "#e8e8e8";
const FAINT: &str = "#39414d";

/// Draws a picture.
pub fn draw(picture: &Picture<'_>) -> String {
    let height = TOP + WAVE_HEIGHT + picture.lanes.len() * LANE_HEIGHT + AXIS_HEIGHT;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"18\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#10141a\"/>\n\
         <text x=\"16\" y=\"30\" fill=\"{TEXT}\" font-size=\"20\">{}</text>\n",
        picture.title
    );
    draw_legend(&mut svg, picture.legend);
    draw_axis(&mut svg, picture);
    draw_wave(&mut svg, picture.samples);
    draw_lanes(&mut svg, picture);
    svg.push_str("</svg>\n");
    svg
}

/// How wide a text is, about.
fn width_of(text: &str) -> usize {
    text.chars().count() * 19 / 2
}

fn draw_legend(svg: &mut String, legend: &[(&str, &str)]) {
    let mut x = 16;
    for (name, colour) in legend {
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"46\" width=\"14\" height=\"14\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"59\" fill=\"{TEXT}\" font-size=\"16\">{name}</text>",
            x + 20
        );
        x += width_of(name) + 44;
    }
}

fn frames_of(picture: &Picture<'_>) -> f64 {
    (picture.samples.len() / 2).max(1) as f64
}

/// A line at each second, and its number at as many of them as there is room for.
fn draw_axis(svg: &mut String, picture: &Picture<'_>) {
    let seconds = frames_of(picture) / picture.rate_hz;
    let step = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 3600.0]
        .into_iter()
        .find(|step| seconds / step <= 20.0)
        .unwrap_or(86_400.0);
    let bottom = TOP + WAVE_HEIGHT + picture.lanes.len() * LANE_HEIGHT;
    let mut at = 0.0;
    while at <= seconds {
        let x = LEFT as f64 + at / seconds * SPAN as f64;
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\" stroke=\"{FAINT}\"/>\
             <text x=\"{x:.1}\" y=\"{}\" fill=\"{TEXT}\" font-size=\"15\" text-anchor=\"middle\">{at:.0} s</text>",
            bottom + 24
        );
        at += step;
    }
}

/// The left channel: from its least to its greatest sample in each column.
fn draw_wave(svg: &mut String, samples: &[f32]) {
    let frames = (samples.len() / 2).max(1);
    let middle = TOP + WAVE_HEIGHT / 2;
    let _ = writeln!(
        svg,
        "<text x=\"16\" y=\"{}\" fill=\"{TEXT}\" font-size=\"16\">sound</text>",
        middle + 6
    );
    svg.push_str("<path fill=\"none\" stroke=\"#7fd4a8\" d=\"");
    for column in 0..SPAN {
        let range = column * frames / SPAN..((column + 1) * frames / SPAN).min(frames);
        let left = samples.get(range.start * 2..range.end * 2).unwrap_or_default();
        let peak = |pick: fn(f32, f32) -> f32| left.iter().step_by(2).copied().fold(0.0, pick);
        let y = |sample: f32| middle as f32 - sample.clamp(-1.0, 1.0) * WAVE_HEIGHT as f32 * 0.48;
        let _ = write!(
            svg,
            "M{} {:.1}V{:.1}",
            LEFT + column,
            y(peak(f32::max)),
            y(peak(f32::min)) + 0.5
        );
    }
    svg.push_str("\"/>\n");
}

fn draw_lanes(svg: &mut String, picture: &Picture<'_>) {
    let frames = frames_of(picture);
    for (index, lane) in picture.lanes.iter().enumerate() {
        let top = TOP + WAVE_HEIGHT + index * LANE_HEIGHT;
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{top}\" y2=\"{top}\" stroke=\"{FAINT}\"/>\
             <text x=\"16\" y=\"{}\" fill=\"{TEXT}\" font-size=\"16\">{}</text>",
            LEFT + SPAN,
            top + 23,
            lane.name
        );
        for mark in &lane.marks {
            let x = LEFT as f64 + mark.from as f64 / frames * SPAN as f64;
            // What is too short to be seen is drawn as wide as a line.
            let width = (mark.frames as f64 / frames * SPAN as f64).max(2.0);
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{}\" width=\"{width:.1}\" height=\"{}\" fill=\"{}\"/>",
                top + 5,
                LANE_HEIGHT - 10,
                mark.colour
            );
        }
    }
}
