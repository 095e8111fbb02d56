//! Where everything stands in the picture of a patch: boxes in columns, and the ways of the cables
//! between them. All lengths are in pixels, from the top left.

use std::collections::BTreeMap;

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
    /// The names of the ports at its left side.
    pub inputs: Vec<&'static str>,
    /// The names of the ports at its right side.
    pub outputs: Vec<&'static str>,
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
    let widest = |names: &[&str]| {
        names.iter().map(|name| text_width(name, SMALL_SIZE)).fold(0.0, f64::max)
    };
    let head = text_width(&node.name, NAME_SIZE).max(text_width(node.kind, SMALL_SIZE));
    let width = head.max(widest(&node.inputs) + widest(&node.outputs) + 12.0) + 28.0;
    let rows = node.inputs.len().max(node.outputs.len());
    (width, HEAD_HEIGHT + rows as f64 * PORT_HEIGHT + 6.0)
}
