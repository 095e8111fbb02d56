//! OSC 1.0 address patterns, for one part of an address: `*`, `?`, `[a-c]`, `[!a-c]`, `{sine,adsr}`.

/// Whether a part has anything to match with; otherwise it is a plain name.
pub(crate) fn is_pattern(part: &str) -> bool {
    part.contains(['*', '?', '[', '{'])
}

/// Whether `name` matches `pattern`. A bracket or brace that is not closed matches nothing.
///
/// A star is tried at every length, so the work is bounded by counting the tries: a pattern of stars
/// alone must not keep the port busy.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let mut tries = MOST_TRIES;
    matches_rest(pattern.as_bytes(), name.as_bytes(), &mut tries)
}

/// More than any honest pattern over names of a patch needs.
const MOST_TRIES: u32 = 20_000;

fn matches_rest(pattern: &[u8], name: &[u8], tries: &mut u32) -> bool {
    if *tries == 0 {
        return false;
    }
    *tries -= 1;
    let Some((&first, rest)) = pattern.split_first() else { return name.is_empty() };
    match first {
        b'*' => (0..=name.len()).any(|taken| matches_rest(rest, &name[taken..], tries)),
        b'{' => {
            let Some(end) = rest.iter().position(|byte| *byte == b'}') else { return false };
            let (choices, rest) = (&rest[..end], &rest[end + 1..]);
            choices.split(|byte| *byte == b',').any(|choice| {
                name.strip_prefix(choice).is_some_and(|name| matches_rest(rest, name, tries))
            })
        }
        b'[' => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
            let (set, rest) = (&rest[..end], &rest[end + 1..]);
            name.split_first().is_some_and(|(byte, name)| {
                is_in_set(*byte, set) && matches_rest(rest, name, tries)
            })
        }
        _ => name.split_first().is_some_and(|(byte, name)| {
            (first == b'?' || first == *byte) && matches_rest(rest, name, tries)
        }),
    }
}

fn is_in_set(byte: u8, set: &[u8]) -> bool {
    let (negated, mut set) = match set.strip_prefix(b"!") {
        Some(set) => (true, set),
        None => (false, set),
    };
    let mut found = false;
    while let Some((&first, rest)) = set.split_first() {
        set = rest;
        match rest {
            [b'-', last, after @ ..] => {
                found |= (first..=*last).contains(&byte);
                set = after;
            }
            _ => found |= first == byte,
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_matches_what_it_should_and_nothing_else() {
        let matching =
            ["*", "s*", "sine*", "*e", "s*e", "s?ne", "s[a-z]ne", "s[hi]ne", "[!a-r]ine"];
        for pattern in matching.into_iter().chain(["{sine,adsr}", "{a,si}*", "si{n,m}e", "????"]) {
            assert!(matches(pattern, "sine"), "{pattern}");
        }
        for pattern in ["sin", "sine?", "s[!a-z]ne", "{adsr,saw}", "s[ine", "{sine", "", "???"] {
            assert!(!matches(pattern, "sine"), "{pattern}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends_soon() {
        let pattern = "*a".repeat(5_000);
        assert!(!matches(&pattern, &"a".repeat(200)));
    }
}
