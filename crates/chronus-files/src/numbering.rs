//! The next name beside one that is taken: `take`, `take-2`, `take-3`. The number of a name is counted on, so that
//! names don't grow.

/// As many digits as a number that was counted may have.
const MOST_DIGITS: usize = 6;

/// A name without the number that was counted at its end, and that number.
///
/// A date or a time (`2026-12-01_10-19-25`) is no such number, nor is one that begins with 0.
pub fn parted(stem: &str) -> (&str, Option<u32>) {
    let whole = (stem, None);
    let Some((base, digits)) = stem.rsplit_once('-') else { return whole };
    let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    let is_counted = !digits.is_empty()
        && digits.len() <= MOST_DIGITS
        && !digits.starts_with('0')
        && is_number(digits);
    let is_of_date = |base: &str| {
        let last = base.rsplit(['-', '_']).next().unwrap_or(base);
        last.len() < base.len() && last.len() == 2 && is_number(last)
    };
    let is_name = base.chars().any(char::is_alphabetic);
    // A time of the day stands behind a date, and what was counted behind that.
    let is_clock = is_dated(base);
    if is_counted && (is_clock || (is_name && !is_of_date(base))) {
        (base, digits.parse().ok())
    } else {
        whole
    }
}

/// Whether a name ends with date and time, as recordings without a name are called.
fn is_dated(name: &str) -> bool {
    const FORM: &[u8] = b"dddd-dd-dd_dd-dd-dd";
    let fits = |(letter, form): (u8, &u8)| match form {
        b'd' => letter.is_ascii_digit(),
        form => letter == *form,
    };
    let start = name.len().checked_sub(FORM.len());
    start.is_some_and(|at| name.bytes().skip(at).zip(FORM).all(fits))
}

/// Names to try instead of one that is taken, in their order: with the next number, and so on. The first number of
/// all is `first`.
pub fn following(stem: &str, first: u32) -> impl Iterator<Item = String> + use<> {
    let (base, number) = parted(stem);
    let base = base.to_owned();
    let next = number.map_or(first, |number| number.saturating_add(1));
    (next..u32::MAX).map(move |number| format!("{base}-{number}"))
}

#[cfg(test)]
mod tests {
    use super::{following, parted};

    #[test]
    fn names_do_not_grow() {
        let next = |stem: &str| following(stem, 2).next().expect("a name");
        for (stem, expected) in [
            ("take", "take-2"),
            ("take-2", "take-3"),
            ("take-9", "take-10"),
            ("tuesday/take-2", "tuesday/take-3"),
            ("take-02", "take-02-2"),
            ("take-", "take--2"),
            ("take 2", "take 2-2"),
            ("2026-12-01_10-19-25", "2026-12-01_10-19-25-2"),
            ("2026-12-01_10-19-25-2", "2026-12-01_10-19-25-3"),
            ("gig-2026-12-24", "gig-2026-12-24-2"),
            ("take-99999999999", "take-99999999999-2"),
            ("", "-2"),
        ] {
            assert_eq!(next(stem), expected);
        }
        let mut name = "night".to_owned();
        for _ in 0..1000 {
            name = next(&name);
        }
        assert_eq!(name, "night-1001");
        assert_eq!(parted("night-1001"), ("night", Some(1001)));
    }
}
