//! In which order modules render: each after those that it hears, as far as cables run in no circle.

/// The positions of `count` modules, each after those with a cable to it (`cables` are pairs of from
/// and to), otherwise ascending.
///
/// Where cables run in a circle, the first module of it in the text goes first. It hears the others
/// one block late.
pub(super) fn order(count: usize, cables: &[(usize, usize)]) -> Vec<usize> {
    let mut order = Vec::with_capacity(count);
    let mut done = vec![false; count];
    while order.len() < count {
        let left = |module: usize| !done[module];
        let is_ready = |module: usize| {
            left(module) && !cables.iter().any(|&(from, to)| to == module && left(from))
        };
        let ready = (0..count).find(|&module| is_ready(module));
        let next = ready.or_else(|| first_of_a_circle(&done, cables));
        let Some(next) = next else { break };
        done[next] = true;
        order.push(next);
    }
    order
}

/// Every module left waits for another: the first that waits for itself in the end.
fn first_of_a_circle(done: &[bool], cables: &[(usize, usize)]) -> Option<usize> {
    (0..done.len()).filter(|&module| !done[module]).find(|&start| {
        let mut seen = vec![false; done.len()];
        let mut waiting = vec![start];
        while let Some(module) = waiting.pop() {
            for &(from, _) in cables.iter().filter(|cable| cable.1 == module && !done[cable.0]) {
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
    fn modules_follow_those_they_hear() {
        assert_eq!(order(3, &[]), [0, 1, 2]);
        assert_eq!(order(3, &[(2, 1), (1, 0)]), [2, 1, 0]);
        assert_eq!(order(4, &[(3, 0), (0, 1), (3, 1)]), [2, 3, 0, 1]);
    }

    #[test]
    fn a_circle_is_entered_at_its_first_module() {
        assert_eq!(order(1, &[(0, 0)]), [0]);
        // 0 only hears the circle 1 -> 2 -> 3 -> 1.
        assert_eq!(order(4, &[(1, 2), (2, 3), (3, 1), (1, 0)]), [1, 0, 2, 3]);
    }
}
