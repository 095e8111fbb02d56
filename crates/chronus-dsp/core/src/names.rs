//! Help for a name that doesn't exist: the one that was probably meant, and lists of those that do.

/// The candidate most like `word`, if one is so alike that it was probably meant: a third of its
/// letters may differ, be missing, be too many or swapped with their neighbour.
pub fn near_miss<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = word.chars().count();
    // A word of thousands of letters, as anybody may send one, costs no more than to count them.
    let is_alike = |candidate: &&str| {
        let count = candidate.chars().count();
        letters.abs_diff(count) <= count.div_ceil(3)
    };
    candidates
        .into_iter()
        .filter(is_alike)
        .map(|candidate| (distance(&word.to_lowercase(), candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The names in backquotes as a phrase: "`a`, `b` and `c`".
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => "none".to_owned(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// What would be right instead of `word`: the near miss alone, or all names. `what` says in the
/// plural what they are.
pub fn instead<'a>(
    word: &str,
    what: &str,
    names: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    match near_miss(word, names.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("{what}: {}", list(names)),
    }
}

/// The optimal string alignment distance: the least number of letters to insert, delete, replace
/// or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                let swapped = if swapped { rows[i - 2][j - 2] + 1 } else { usize::MAX };
                replaced.min(swapped).min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1)
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, instead, list, near_miss};

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("acb", "abc", 1),
            ("sin", "sine", 1),
            ("x", "abc", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_what_is_alike_is_suggested() {
        let names = ["sine", "adsr", "filter"];
        assert_eq!(near_miss("fliter", names), Some("filter"));
        assert_eq!(near_miss("SINE", names), Some("sine"));
        assert_eq!(near_miss("reverb", names), None);
        assert_eq!(near_miss("", names), None);
        assert_eq!(list(names), "`sine`, `adsr` and `filter`");
        assert_eq!(instead("sin", "modules", names), "did you mean `sine`?");
        assert_eq!(instead("x", "modules", names), "modules: `sine`, `adsr` and `filter`");
    }
}
