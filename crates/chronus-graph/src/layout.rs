//! Where everything stands in the picture of a patch: boxes in columns, and the ways of the cables
//! between them. All lengths are in pixels, from the top left.

use std::collections::BTreeMap;

use chronus_engine::SignalKind;

use super::columns::{Columns, columns};
use super::levels::{self, Item, Link};

/// From the edge of the picture to what is drawn; cables that lead back to the first column bend
/// into it.
pub const MARGIN: f64 = 48.0;
/// What the title takes at the top.
pub const TITLE_HEIGHT: f64 = 40.0;
/// From the top of a box to its ports: there stand its name and kind.
pub const HEAD_HEIGHT: f64 = 48.0;
/// What a letter of a name, and of a port or kind, takes at most in a monospaced font of
/// [`NAME_SIZE`] and [`SMALL_SIZE`]: 0.62 of its size.
const LETTER_WIDTH: f64 = 0.62;
/// The size of names.
pub const NAME_SIZE: f64 = 15.0;
/// The size of everything else that is written in a box.
pub const SMALL_SIZE: f64 = 12.0;

const PORT_HEIGHT: f64 = 22.0;
const LANE_HEIGHT: f64 = 12.0;
const COLUMN_ROOM: f64 = 96.0;

/// A box to be drawn.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// What stands below the name.
    pub kind: &'static str,
    /// The ports at its left side.
    pub inputs: Vec<Port>,
    /// The ports at its right side.
    pub outputs: Vec<Port>,
}

/// A port of a box.
#[derive(Clone, Copy, Debug)]
pub struct Port {
    /// Its name.
    pub name: &'static str,
    /// What its signal means; none at a parameter, which takes any.
    pub signal: Option<SignalKind>,
}

/// A cable to be drawn: each end is the position of a node, and of a port among its outputs or
/// inputs.
#[derive(Clone, Copy, Debug)]
pub struct Cable {
    /// An output.
    pub from: (usize, usize),
    /// An input.
    pub to: (usize, usize),
}

/// Where a box stands.
#[derive(Clone, Copy, Debug)]
pub struct Rect {
    /// Its left edge.
    pub x: f64,
    /// Its top.
    pub y: f64,
    /// From left to right.
    pub width: f64,
    /// From top to bottom.
    pub height: f64,
}

/// A point on the way of a cable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Knot {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
    /// Whether the cable passes it towards the left.
    pub leftwards: bool,
}

/// A picture without its ink.
#[derive(Debug)]
pub struct Layout {
    /// Where each node stands.
    pub boxes: Vec<Rect>,
    /// The way of each cable. Its first two knots are joined by a curve, the next two by a straight
    /// line past a column, and so on; the last two by a curve again.
    pub ways: Vec<Vec<Knot>>,
    /// The width of the whole picture.
    pub width: f64,
    /// The height of the whole picture.
    pub height: f64,
}

/// Half of the room between two columns: how far the handles of a curve are from its ends.
pub const REACH: f64 = COLUMN_ROOM / 2.0;

/// How wide a text is at most.
pub fn text_width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * LETTER_WIDTH
}

/// How far below the top of its box a port is.
pub fn port_offset(port: usize) -> f64 {
    HEAD_HEIGHT + (port as f64 + 0.5) * PORT_HEIGHT
}

fn size(node: &Node) -> (f64, f64) {
    let widest = |ports: &[Port]| {
        ports.iter().map(|port| text_width(port.name, SMALL_SIZE)).fold(0.0, f64::max)
    };
    let head = text_width(&node.name, NAME_SIZE).max(text_width(node.kind, SMALL_SIZE));
    let width = head.max(widest(&node.inputs) + widest(&node.outputs) + 12.0) + 28.0;
    let rows = node.inputs.len().max(node.outputs.len());
    (width, HEAD_HEIGHT + rows as f64 * PORT_HEIGHT + 6.0)
}

/// Finds a place for everything. The last node is what is heard: it stands alone at the far right.
/// Cables may run in circles; one of each circle is then led back below everything.
pub fn layout(nodes: &[Node], cables: &[Cable]) -> Layout {
    let pairs: Vec<_> = cables.iter().map(|cable| (cable.from.0, cable.to.0)).collect();
    let Columns { mut of_node, leads_back } = columns(nodes.len(), &pairs);
    if let Some((heard, others)) = of_node.split_last_mut() {
        *heard = others.iter().max().map_or(0, |last| last + 1);
    }
    let mut items: Vec<Item> = nodes
        .iter()
        .zip(&of_node)
        .map(|(node, &column)| Item { column, height: size(node).1, y: 0.0 })
        .collect();
    let lanes = add_lanes(&mut items, cables, &leads_back);
    levels::settle(&mut items, &links(cables, &lanes));
    let (columns_x, right) = horizontally(nodes, &of_node);
    let top = MARGIN + TITLE_HEIGHT;
    let boxes: Vec<Rect> = (0..nodes.len())
        .map(|node| {
            let (x, width) = columns_x[of_node[node]];
            Rect { x, y: top + items[node].y, width, height: items[node].height }
        })
        .collect();
    let mut bottom = items.iter().map(|item| top + item.y + item.height).fold(top, f64::max);
    let mut ways = Vec::with_capacity(cables.len());
    for (cable, lanes) in cables.iter().zip(&lanes) {
        let (from, to) = (boxes[cable.from.0], boxes[cable.to.0]);
        let start = (from.x + from.width, from.y + port_offset(cable.from.1));
        let end = (to.x, to.y + port_offset(cable.to.1));
        let knot = |(x, y), leftwards| Knot { x, y, leftwards };
        let mut way = vec![knot(start, false)];
        if let Some(lanes) = lanes {
            way.extend(lanes.iter().flat_map(|&lane| {
                let (x, width) = columns_x[items[lane].column];
                let y = top + items[lane].y + LANE_HEIGHT / 2.0;
                [knot((x, y), false), knot((x + width, y), false)]
            }));
        } else {
            bottom += levels::ROOM;
            way.extend([knot((start.0, bottom), true), knot((end.0, bottom), true)]);
        }
        way.push(knot(end, false));
        ways.push(way);
    }
    Layout { boxes, ways, width: right + MARGIN, height: bottom + MARGIN }
}

/// Adds to the items a lane in each column that a cable passes, so that it runs through no box.
/// Cables from the same output share their lanes. Returns the lanes of each cable from left to
/// right; none where it leads back.
fn add_lanes(
    items: &mut Vec<Item>,
    cables: &[Cable],
    leads_back: &[bool],
) -> Vec<Option<Vec<usize>>> {
    let mut shared = BTreeMap::new();
    let mut lanes_of = |cable: &Cable| -> Vec<usize> {
        let passed = items[cable.from.0].column + 1..items[cable.to.0].column;
        passed
            .map(|column| {
                *shared.entry((cable.from, column)).or_insert_with(|| {
                    items.push(Item { column, height: LANE_HEIGHT, y: 0.0 });
                    items.len() - 1
                })
            })
            .collect()
    };
    let all = cables.iter().zip(leads_back);
    all.map(|(cable, leads_back)| (!leads_back).then(|| lanes_of(cable))).collect()
}

/// What joins boxes and lanes of neighbouring columns.
fn links(cables: &[Cable], lanes: &[Option<Vec<usize>>]) -> Vec<Link> {
    let mut links = Vec::new();
    for (cable, lanes) in cables.iter().zip(lanes) {
        let Some(lanes) = lanes else { continue };
        let mut left = (cable.from.0, port_offset(cable.from.1));
        for &lane in lanes {
            let right = (lane, LANE_HEIGHT / 2.0);
            links.push(Link { left, right });
            left = right;
        }
        links.push(Link { left, right: (cable.to.0, port_offset(cable.to.1)) });
    }
    links
}

/// The left edge and the width of each column, which is that of its widest box; and where the last
/// one ends.
fn horizontally(nodes: &[Node], of_node: &[usize]) -> (Vec<(f64, f64)>, f64) {
    let count = of_node.iter().max().map_or(0, |last| last + 1);
    let mut widths = vec![0.0_f64; count];
    for (node, &column) in nodes.iter().zip(of_node) {
        widths[column] = widths[column].max(size(node).0);
    }
    let mut x = MARGIN;
    let mut columns = Vec::with_capacity(count);
    for width in widths {
        columns.push((x, width));
        x += width + COLUMN_ROOM;
    }
    (columns, if count == 0 { MARGIN } else { x - COLUMN_ROOM })
}
