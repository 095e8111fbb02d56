//! In which column of the picture each node stands: as far to the right as the longest way of cables
//! from a source.

/// What [`columns`] finds.
#[derive(Debug, PartialEq)]
pub struct Columns {
    /// The column of each node, counted from 0 at the left.
    pub of_node: Vec<usize>,
    /// For each cable whether it closes a circle, and so leads back to the left or to its own node.
    /// All others lead to the right.
    pub leads_back: Vec<bool>,
}

/// Finds the columns of `count` nodes with these cables, pairs of from and to. Of each circle one
/// cable is taken to lead back.
pub fn columns(count: usize, cables: &[(usize, usize)]) -> Columns {
    let mut leaving = vec![Vec::new(); count];
    for (cable, &(from, _)) in cables.iter().enumerate() {
        leaving[from].push(cable);
    }
    let mut leads_back = vec![false; cables.len()];
    let order = order(cables, &leaving, &mut leads_back);
    let mut of_node = vec![0; count];
    for node in order {
        for &cable in leaving[node].iter().filter(|&&cable| !leads_back[cable]) {
            let to = cables[cable].1;
            of_node[to] = of_node[to].max(of_node[node] + 1);
        }
    }
    Columns { of_node, leads_back }
}

/// Where a depth-first walk stands with a node.
#[derive(Clone, Copy, PartialEq)]
enum Visit {
    New,
    OnTheWay,
    Done,
}

/// The nodes in an order in which all cables lead onwards but those marked in `leads_back`. It is
/// the order, from the last, in which a depth-first walk is done with them; a cable leads back if it
/// ends on the way that the walk came.
fn order(cables: &[(usize, usize)], leaving: &[Vec<usize>], leads_back: &mut [bool]) -> Vec<usize> {
    let mut visits = vec![Visit::New; leaving.len()];
    let mut done = Vec::with_capacity(leaving.len());
    let is_heard = |node: &usize| cables.iter().any(|cable| cable.1 == *node);
    let (heard, sources): (Vec<_>, Vec<_>) = (0..leaving.len()).partition(is_heard);
    for start in sources.into_iter().chain(heard) {
        if visits[start] != Visit::New {
            continue;
        }
        // The way from the start, with how many of its cables each node on it has seen to. A stack of
        // its own: a patch may be deeper than the program's.
        let mut way = vec![(start, 0)];
        visits[start] = Visit::OnTheWay;
        while let Some((node, seen)) = way.last_mut() {
            let Some(&cable) = leaving[*node].get(*seen) else {
                visits[*node] = Visit::Done;
                done.push(*node);
                way.pop();
                continue;
            };
            *seen += 1;
            let to = cables[cable].1;
            match visits[to] {
                Visit::New => {
                    visits[to] = Visit::OnTheWay;
                    way.push((to, 0));
                }
                Visit::OnTheWay => leads_back[cable] = true,
                Visit::Done => {}
            }
        }
    }
    done.reverse();
    done
}

#[cfg(test)]
mod tests {
    use super::columns;

    #[test]
    fn a_column_is_the_longest_way_from_a_source() {
        let found = columns(5, &[(0, 1), (1, 2), (0, 2), (3, 2)]);
        assert_eq!(found.of_node, [0, 1, 2, 0, 0]);
        assert_eq!(found.leads_back, [false; 4]);
        // In whatever order the text has them.
        assert_eq!(columns(4, &[(3, 0), (0, 1), (3, 1), (2, 3)]).of_node, [2, 3, 0, 1]);
    }

    #[test]
    fn one_cable_of_a_circle_leads_back() {
        assert_eq!(columns(1, &[(0, 0)]).leads_back, [true]);
        let found = columns(4, &[(2, 1), (1, 3), (0, 1), (3, 2)]);
        assert_eq!(found.of_node, [0, 1, 3, 2]);
        assert_eq!(found.leads_back, [true, false, false, false]);
        // A circle without any source.
        assert_eq!(columns(2, &[(0, 1), (1, 0)]).of_node, [0, 1]);
    }

    #[test]
    fn cables_lead_to_the_right_and_columns_have_no_hole() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..300 {
            let count = random.usize(1..20);
            let node = |random: &mut fastrand::Rng| random.usize(0..count);
            let cables: Vec<_> =
                (0..random.usize(0..40)).map(|_| (node(&mut random), node(&mut random))).collect();
            let found = columns(count, &cables);
            let forward = || {
                let pairs = cables.iter().zip(&found.leads_back);
                pairs.filter(|(_, leads_back)| !**leads_back).map(|(cable, _)| *cable)
            };
            for (from, to) in forward() {
                assert!(found.of_node[from] < found.of_node[to], "{cables:?} {found:?}");
            }
            for (node, column) in found.of_node.iter().enumerate().filter(|(_, c)| **c > 0) {
                let is_next = |from: usize| found.of_node[from] + 1 == *column;
                let has_next = forward().any(|(from, to)| to == node && is_next(from));
                assert!(has_next, "{node} of {cables:?} {found:?}");
            }
        }
    }
}
