//! In which order modules render: each after those that it hears, as far as cables run in no circle.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The positions of `count` modules, each after those with a cable to it (`cables` are pairs of from
/// and to), otherwise ascending.
///
/// Where cables run in a circle, the first module of it in the text goes first. It hears the others
/// one block late.
pub(crate) fn order(count: usize, cables: &[(usize, usize)]) -> Vec<usize> {
    let mut hears = vec![Vec::new(); count];
    let mut leads_to = vec![Vec::new(); count];
    for &(from, to) in cables {
        hears[to].push(from);
        leads_to[from].push(to);
    }
    let mut waits_for: Vec<usize> = hears.iter().map(Vec::len).collect();
    let mut ready: BinaryHeap<_> =
        (0..count).filter(|module| waits_for[*module] == 0).map(Reverse).collect();
    let mut done = vec![false; count];
    let mut order = Vec::with_capacity(count);
    while order.len() < count {
        let next = ready.pop().map(|Reverse(module)| module);
        let Some(next) = next.or_else(|| first_of_a_circle(&done, &hears)) else { break };
        // A module that was taken out of a circle becomes ready once more, when the circle is done.
        if std::mem::replace(&mut done[next], true) {
            continue;
        }
        order.push(next);
        for &module in &leads_to[next] {
            waits_for[module] -= 1;
            if waits_for[module] == 0 {
                ready.push(Reverse(module));
            }
        }
    }
    order
}

/// Every module left waits for another: the first that waits for itself in the end.
fn first_of_a_circle(done: &[bool], hears: &[Vec<usize>]) -> Option<usize> {
    (0..done.len()).filter(|&module| !done[module]).find(|&start| {
        let mut seen = vec![false; done.len()];
        let mut waiting = vec![start];
        while let Some(module) = waiting.pop() {
            for &from in hears[module].iter().filter(|from| !done[**from]) {
                if from == start {
                    return true;
                }
                if !std::mem::replace(&mut seen[from], true) {
                    waiting.push(from);
                }
            }
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn modules_come_after_those_they_hear_and_circles_begin_with_their_first() {
        assert_eq!(order(4, &[(3, 0), (0, 1)]), [2, 3, 0, 1]);
        assert_eq!(order(3, &[(0, 1), (1, 2), (2, 1)]), [0, 1, 2]);
        assert_eq!(order(4, &[(1, 2), (2, 3), (3, 1), (3, 0)]), [1, 2, 3, 0]);
        assert_eq!(order(2, &[(0, 0), (0, 1), (1, 0)]), [0, 1]);
    }
}
