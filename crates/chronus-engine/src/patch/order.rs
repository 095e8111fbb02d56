//! In which order modules render: each after those that it hears.

/// The positions of `count` modules, each after those with a cable to it (`cables` are pairs of
/// from and to), otherwise ascending.
///
/// # Errors
/// If cables run in a circle: the modules of one circle, along the cables.
pub(super) fn order(count: usize, cables: &[(usize, usize)]) -> Result<Vec<usize>, Vec<usize>> {
    let mut order = Vec::with_capacity(count);
    let mut done = vec![false; count];
    while order.len() < count {
        let waits_for = |to: usize| {
            cables.iter().find(|cable| cable.1 == to && !done[cable.0]).map(|cable| cable.0)
        };
        match (0..count).find(|&module| !done[module] && waits_for(module).is_none()) {
            Some(ready) => {
                done[ready] = true;
                order.push(ready);
            }
            None => return Err(circle(done.iter().position(|done| !done), waits_for)),
        }
    }
    Ok(order)
}

/// Every module waits for another one: going back from any of them leads into a circle.
fn circle(start: Option<usize>, waits_for: impl Fn(usize) -> Option<usize>) -> Vec<usize> {
    let mut way = Vec::new();
    let mut next = start;
    while let Some(module) = next {
        if let Some(first) = way.iter().position(|&seen| seen == module) {
            way.drain(..first);
            way.reverse();
            break;
        }
        way.push(module);
        next = waits_for(module);
    }
    way
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn modules_follow_those_they_hear() {
        assert_eq!(order(3, &[]), Ok(vec![0, 1, 2]));
        assert_eq!(order(3, &[(2, 1), (1, 0)]), Ok(vec![2, 1, 0]));
        assert_eq!(order(4, &[(3, 0), (0, 1), (3, 1)]), Ok(vec![2, 3, 0, 1]));
    }

    #[test]
    fn a_circle_is_named_along_its_cables() {
        assert_eq!(order(1, &[(0, 0)]), Err(vec![0]));
        // 0 only hears the circle 1 -> 2 -> 3 -> 1.
        let found = order(4, &[(1, 2), (2, 3), (3, 1), (1, 0)]).unwrap_err();
        assert_eq!(found.len(), 3);
        for pair in [[1, 2], [2, 3], [3, 1]] {
            let at = found.iter().position(|&module| module == pair[0]).unwrap();
            assert_eq!(found[(at + 1) % 3], pair[1], "{found:?}");
        }
    }
}
