//! What senders make up is told to people, in answers and in the log. However long it is, they read a part of it.

/// What is kept of a word, or of what is quoted.
const LONGEST_WORD: usize = 200;
/// What is kept of a sentence: with it, an answer fits its datagram whatever the letters.
const LONGEST_SENTENCE: usize = 8000;

/// A sentence without what nobody reads: of a word of more than 200 letters its ends, and so of what stands between
/// two `` ` `` or two `"`; of too many words the first. What is left out is shown by `…`.
pub fn shortened(sentence: &str) -> String {
    if sentence.len() <= LONGEST_WORD {
        return sentence.to_owned();
    }
    let mut text = String::new();
    let mut rest = sentence;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        let closes = if matches!(first, '`' | '"') { after.find(first) } else { None };
        // Both quotes are one letter long.
        let end = closes.map(|at| at + 1).or_else(|| after.find([' ', '`', '"']));
        let (piece, behind) = rest.split_at(end.map_or(rest.len(), |at| at + first.len_utf8()));
        text.push_str(&shortened_word(piece));
        rest = behind;
    }
    match text.char_indices().nth(LONGEST_SENTENCE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The same of one word, whatever it is made of.
pub fn shortened_word(word: &str) -> String {
    let count = word.chars().count();
    if count <= LONGEST_WORD {
        return word.to_owned();
    }
    let first: String = word.chars().take(LONGEST_WORD / 2).collect();
    let last: String = word.chars().skip(count - LONGEST_WORD / 4).collect();
    format!("{first}…{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_stays_and_what_somebody_made_up_is_cut() {
        let usual = format!("{}`a b` is \"c d\", and `so on ", "word after word ".repeat(30));
        assert_eq!(shortened(&usual), usual);
        for letter in ["x", "ä", "x ", " ", "🎹", "a/b "] {
            let name = letter.repeat(30_000);
            let told = shortened(&format!("there is no `{name}`; give \"{name}\" another name"));
            assert!(told.starts_with("there is no `") && told.ends_with("\" another name"));
            assert!(told.chars().count() < 400 && told.contains("`; give \""), "{told}");
        }
        // Quotes that somebody made up may confuse it, but not make it long.
        for name in ["` ", "\"` ", "x`y\"z ", "\n"] {
            let told = shortened(&format!("can't read {}: no", name.repeat(30_000)));
            assert!(told.chars().count() <= LONGEST_SENTENCE + 1 && told.contains('…'));
        }
    }
}
