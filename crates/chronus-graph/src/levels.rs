//! How high everything stands in its column: first in which order, so that few cables cross; then at
//! which height, so that cables are nearly straight.

/// The room between two items of a column, in pixels.
pub const ROOM: f64 = 22.0;

/// How often the columns are put in order, there and back.
const SWEEPS: usize = 8;

/// Something that takes room in a column: a box, or the lane of a cable that passes by.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its column, counted from 0 at the left.
    pub column: usize,
    /// In pixels.
    pub height: f64,
    /// Where it begins, in pixels from the top; found by [`settle`].
    pub y: f64,
}

/// What joins two items of neighbouring columns: item and pixels below the item's top, at its left
/// and at its right end.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// In the column further to the left.
    pub left: (usize, f64),
    /// In the next column.
    pub right: (usize, f64),
}

/// One end of a link as its item has it: how far below the top of the item it is, and what is at the
/// other end.
struct End {
    offset: f64,
    other: usize,
    other_offset: f64,
}

/// Gives all items their heights: [`ROOM`] apart within a column, the least at 0.
pub fn settle(items: &mut [Item], links: &[Link]) {
    // For each item what is linked to it at its left, and at its right.
    let mut sides: [Vec<Vec<End>>; 2] =
        core::array::from_fn(|_| items.iter().map(|_| Vec::new()).collect());
    for &Link { left: (left, left_offset), right: (right, right_offset) } in links {
        let end = End { offset: right_offset, other: left, other_offset: left_offset };
        sides[0][right].push(end);
        let end = End { offset: left_offset, other: right, other_offset: right_offset };
        sides[1][left].push(end);
    }
    let mut columns: Vec<Vec<usize>> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        columns.resize_with(columns.len().max(item.column + 1), Vec::new);
        columns[item.column].push(index);
    }
    for column in &columns {
        stack(column, items);
    }
    for sweep in 0..SWEEPS {
        let side = sweep % 2;
        for column in from_side(&mut columns, side) {
            sort(column, items, &sides[side]);
            stack(column, items);
        }
    }
    for side in [0, 1, 0] {
        for column in from_side(&mut columns, side) {
            straighten(column, items, &sides[side]);
        }
    }
    let top = items.iter().map(|item| item.y).fold(f64::INFINITY, f64::min);
    for item in items {
        item.y -= top;
    }
}

/// The columns from the left (0) or from the right (1).
fn from_side<T>(columns: &mut [T], side: usize) -> impl Iterator<Item = &mut T> {
    let last = columns.len().saturating_sub(1);
    let mut columns: Vec<_> = columns.iter_mut().enumerate().collect();
    columns.sort_by_key(|(at, _)| if side == 0 { *at } else { last - at });
    columns.into_iter().map(|(_, column)| column)
}

/// Puts a column in the order in which the other ends of its links stand.
fn sort(column: &mut [usize], items: &[Item], ends: &[Vec<End>]) {
    let mut keyed: Vec<(f64, usize)> = column
        .iter()
        .map(|&item| {
            let others = ends[item].iter().map(|end| items[end.other].y + end.other_offset);
            let middle = items[item].y + items[item].height / 2.0;
            (mean(others).unwrap_or(middle), item)
        })
        .collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (place, (_, item)) in column.iter_mut().zip(keyed) {
        *place = item;
    }
}

/// Stacks a column in its order, with its middle at 0.
fn stack(column: &[usize], items: &mut [Item]) {
    let whole: f64 = column.iter().map(|&item| items[item].height + ROOM).sum();
    let mut y = (ROOM - whole) / 2.0;
    for &item in column {
        items[item].y = y;
        y += items[item].height + ROOM;
    }
}

/// Moves the items of a column, in their order, to where the links on one side are least slanted.
fn straighten(column: &[usize], items: &mut [Item], ends: &[Vec<End>]) {
    let wanted: Vec<f64> = column
        .iter()
        .map(|&item| {
            let level = |end: &End| items[end.other].y + end.other_offset - end.offset;
            mean(ends[item].iter().map(level)).unwrap_or(items[item].y)
        })
        .collect();
    let heights: Vec<f64> = column.iter().map(|&item| items[item].height).collect();
    for (&item, y) in column.iter().zip(spread(&wanted, &heights)) {
        items[item].y = y;
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// The places nearest to those wanted (by the sum of squares) at which none of the items, from top
/// to bottom, is closer than [`ROOM`] to the next. Measured from where a tight stack would have each
/// item, places must not fall: an isotonic regression, by the pool-adjacent-violators algorithm
/// (Barlow et al., Statistical Inference under Order Restrictions, 1972).
fn spread(wanted: &[f64], heights: &[f64]) -> Vec<f64> {
    // Pools of items that touch: the sum of what they want, and how many they are.
    let mut pools: Vec<(f64, usize)> = Vec::new();
    let mut tight = Vec::with_capacity(wanted.len());
    let mut at = 0.0;
    for (wanted, height) in wanted.iter().zip(heights) {
        tight.push(at);
        let mut pool = (wanted - at, 1);
        at += height + ROOM;
        let level = |pool: (f64, usize)| pool.0 / pool.1 as f64;
        while let Some(above) = pools.pop_if(|above| level(*above) > level(pool)) {
            pool = (pool.0 + above.0, pool.1 + above.1);
        }
        pools.push(pool);
    }
    let levels =
        pools.iter().flat_map(|&(sum, count)| core::iter::repeat_n(sum / count as f64, count));
    tight.iter().zip(levels).map(|(tight, level)| tight + level).collect()
}

#[cfg(test)]
mod tests {
    use super::{Item, Link, ROOM, settle, spread};

    #[test]
    fn what_has_room_stands_where_it_wants_and_what_has_not_shares() {
        assert_eq!(spread(&[5.0, 100.0], &[10.0, 10.0]), [5.0, 100.0]);
        let touching = 10.0 + ROOM;
        let middle = 50.0 - touching / 2.0;
        assert_eq!(spread(&[50.0, 50.0], &[10.0, 10.0]), [middle, middle + touching]);
        // The wrong way round: they touch around the middle all the same.
        assert_eq!(spread(&[90.0, 10.0], &[10.0, 10.0]), [middle, middle + touching]);
        assert_eq!(spread(&[], &[]), [] as [f64; 0]);
    }

    #[test]
    fn links_that_need_not_cross_do_not_and_are_straight() {
        let item = |column| Item { column, height: 30.0, y: 0.0 };
        let mut items = vec![item(0), item(0), item(0), item(1), item(1), item(1)];
        let link = |left, right| Link { left: (left, 15.0), right: (right, 15.0) };
        settle(&mut items, &[link(0, 5), link(1, 3), link(2, 4)]);
        for (left, right) in [(0, 5), (1, 3), (2, 4)] {
            assert!((items[left].y - items[right].y).abs() < 1e-9, "{items:?}");
        }
        assert_eq!(items.iter().map(|item| item.y).fold(f64::INFINITY, f64::min), 0.0);
    }
}
