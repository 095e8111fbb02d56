//! The picture itself, as SVG. Written by hand like that of a performance: it is only text.

use std::fmt::Write as _;

use chronus_engine::SignalKind;

use super::layout::{
    Cable, Knot, Layout, MARGIN, NAME_SIZE, Node, Port, REACH, Rect, SMALL_SIZE, TITLE_HEIGHT,
    port_offset, text_width,
};

const TITLE_SIZE: f64 = 20.0;

/// What takes any signal.
const GREY: &str = "#9aa7b5";

/// Colours of cables and ports, by what their signal means. Each in two shades, which change from output to
/// output: where two cables cross they can be told apart.
fn shades(signal: SignalKind) -> [&'static str; 2] {
    match signal {
        SignalKind::Audio => ["#7fd4a8", "#4fb086"],
        SignalKind::Control => ["#7cb8f2", "#5590cc"],
        SignalKind::Pitch => ["#f2b866", "#c98f3d"],
        SignalKind::Gate => ["#e58fb1", "#c2658b"],
        SignalKind::Trigger => ["#c3a6f0", "#987acb"],
    }
}

/// Draws what was laid out. The picture has its own dark background, so it is to be read on a light
/// page as well.
pub fn draw(title: &str, nodes: &[Node], cables: &[Cable], layout: &Layout) -> String {
    let legend: f64 =
        SignalKind::ALL.iter().map(|of| text_width(of.name(), SMALL_SIZE) + 18.0).sum();
    let width = layout.width.max(2.0 * MARGIN + text_width(title, TITLE_SIZE).max(legend));
    let title = escape(title);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"monospace\" \
         font-size=\"{SMALL_SIZE}\" fill=\"#e8e8e8\">\n<title>{title}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#10141a\"/>\n\
         <text x=\"{MARGIN}\" y=\"{TITLE_HEIGHT}\" font-size=\"{TITLE_SIZE}\">{title}</text>\n",
        height = layout.height,
    );
    svg.push_str("<g fill=\"none\" stroke-width=\"2.5\">\n");
    for (cable, way) in cables.iter().zip(&layout.ways) {
        let (from, to) = (&nodes[cable.from.0], &nodes[cable.to.0]);
        let _ = writeln!(
            svg,
            "<path d=\"{}\" stroke=\"{}\"><title>{}.{} to {}.{}</title></path>",
            path(way),
            colour(from.outputs[cable.from.1], cable.from),
            escape(&from.name),
            escape(from.outputs[cable.from.1].name),
            escape(&to.name),
            escape(to.inputs[cable.to.1].name),
        );
    }
    svg.push_str("</g>\n");
    for (index, (node, at)) in nodes.iter().zip(&layout.boxes).enumerate() {
        draw_box(&mut svg, index, node, at);
    }
    draw_legend(&mut svg, layout.height - MARGIN / 3.0);
    svg.push_str("</svg>\n");
    svg
}

fn draw_box(svg: &mut String, index: usize, node: &Node, at: &Rect) {
    let Rect { x, y, width, height } = at;
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"8\" \
         fill=\"#1d2530\" stroke=\"#5a6878\"/>\n\
         <text x=\"{text_x:.1}\" y=\"{name_y:.1}\" font-size=\"{NAME_SIZE}\" \
         font-weight=\"bold\">{name}</text>\n\
         <text x=\"{text_x:.1}\" y=\"{kind_y:.1}\" fill=\"#9aa7b5\">{kind}</text>",
        text_x = x + 14.0,
        name_y = y + 22.0,
        kind_y = y + 38.0,
        name = escape(&node.name),
        kind = escape(node.kind),
    );
    let mut port = |name: &str, port: usize, x: f64, inwards: f64, anchor: &str, colour: &str| {
        let y = y + port_offset(port);
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            x + inwards,
            y + 4.0,
            escape(name)
        );
    };
    for (input, of) in node.inputs.iter().enumerate() {
        let colour = of.signal.map_or(GREY, |signal| shades(signal)[0]);
        port(of.name, input, *x, 11.0, "start", colour);
    }
    for (output, of) in node.outputs.iter().enumerate() {
        port(of.name, output, x + width, -11.0, "end", colour(*of, (index, output)));
    }
}

fn colour(port: Port, (node, output): (usize, usize)) -> &'static str {
    port.signal.map_or(GREY, |signal| shades(signal)[(node + output) % 2])
}

/// Which colour means what, in a line.
fn draw_legend(svg: &mut String, y: f64) {
    let mut x = MARGIN;
    for signal in SignalKind::ALL {
        let (colour, name) = (shades(signal)[0], signal.name());
        let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{colour}\">{name}</text>");
        x += text_width(name, SMALL_SIZE) + 18.0;
    }
}

/// The way of a cable: curves between columns, straight lines past them. A curve leaves and reaches
/// each knot in the direction in which the cable passes it.
fn path(way: &[Knot]) -> String {
    let mut path = String::new();
    for (step, knot) in way.iter().enumerate() {
        let Knot { x, y, .. } = knot;
        let _ = match step.checked_sub(1).map(|before| way[before]) {
            None => write!(path, "M{x:.1} {y:.1}"),
            Some(_) if step % 2 == 0 => write!(path, "L{x:.1} {y:.1}"),
            Some(before) => {
                let reach = |knot: &Knot| if knot.leftwards { -REACH } else { REACH };
                let (leaving, reaching) = (before.x + reach(&before), x - reach(knot));
                let before_y = before.y;
                write!(path, "C{leaving:.1} {before_y:.1} {reaching:.1} {y:.1} {x:.1} {y:.1}")
            }
        };
    }
    path
}

/// Text as XML may hold it: with entities, and without the characters that XML forbids.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
