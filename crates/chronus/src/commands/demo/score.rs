//! What the demonstration plays: the groove, and what somebody at the keyboard would do with it while it plays.

use chronus_osc::OscType;

/// The patch: the groove of `patches/`.
pub const PATCH: &str = include_str!("../../../../../patches/groove.toml");
/// Its tempo.
const BEATS_PER_S: f64 = 122.0 / 60.0;
/// After so many beats the score begins again.
const BEATS: f64 = 32.0;

/// A message that is sent at a beat, and how it is written on a command line.
type Line = (f64, &'static str);

/// The score. Each line is what `chronus send` would take.
const SCORE: &[Line] = &[
    (1.0, "/mod/chord_filter/cutoff 1800"),
    (2.0, "/seq/kick_track/pattern \"X..x ..X. ..X. ...x\""),
    (3.0, "/mod/bass/resonance 0.8"),
    // A new module, and the change of the patch is crossfaded while it plays.
    (4.0, "/patch/create wobble lfo freq 3"),
    (4.0, "/patch/connect wobble.out bass.cutoff 0.7"),
    (4.0, "/patch/commit"),
    (6.0, "/mod/to_echo/level_a 0.8"),
    (7.0, "/seq/roots/notes \"0 3 -4 -2\""),
    (8.0, "/mod/master/mute_1 on"),
    (9.5, "/mod/master/mute_1 off"),
    (10.0, "/seq/hat_track/pattern \"xxXx xxXx xxXx xxXx\""),
    (12.0, "/transport/tempo 128"),
    (14.0, "/mod/chord_filter/cutoff 3200"),
    (16.0, "/patch/delete wobble"),
    (16.0, "/patch/commit"),
    (18.0, "/seq/kick_track/pattern \"X... X... X... X.x.\""),
    (20.0, "/mod/bass/cutoff 700"),
    (22.0, "/mod/to_echo/level_a 0.3"),
    (24.0, "/seq/snare_track/pattern \".... X..x .x.. X.xx\""),
    (26.0, "/mod/bass/resonance 0.5"),
    (28.0, "/seq/roots/notes \"0 0 -4 -5\""),
    (30.0, "/transport/tempo 122"),
    (31.0, "/mod/chord_filter/cutoff 1100"),
];

/// Goes through the score, again and again.
#[derive(Debug, Default)]
pub struct Score {
    /// Lines that were handed out so far.
    next: usize,
}

impl Score {
    /// The messages that are due `seconds` after the beginning, each once, in order.
    pub fn due(&mut self, seconds: f64) -> Vec<(String, Vec<OscType>)> {
        let beat = seconds * BEATS_PER_S;
        let mut due = Vec::new();
        loop {
            let (round, index) = (self.next / SCORE.len(), self.next % SCORE.len());
            let (at, line) = SCORE[index];
            if round as f64 * BEATS + at > beat {
                return due;
            }
            due.push(message_of(line));
            self.next += 1;
        }
    }
}

/// The address and the arguments of a line.
fn message_of(line: &str) -> (String, Vec<OscType>) {
    let (address, rest) = line.split_once(' ').unwrap_or((line, ""));
    let arguments = match rest.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(text) => vec![OscType::String(text.into())],
        None => rest.split_whitespace().map(argument).collect(),
    };
    (address.into(), arguments)
}

fn argument(word: &str) -> OscType {
    word.parse().map_or_else(|_| OscType::String(word.into()), OscType::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_due_once_in_its_order_and_the_score_begins_again() {
        let mut score = Score::default();
        let addresses = |due: Vec<(String, Vec<OscType>)>| -> Vec<String> {
            due.into_iter().map(|(address, _)| address).collect()
        };
        assert!(score.due(0.0).is_empty());
        assert_eq!(
            addresses(score.due(1.0)),
            ["/mod/chord_filter/cutoff", "/seq/kick_track/pattern"]
        );
        let rest = score.due(BEATS / BEATS_PER_S);
        assert_eq!(rest.len(), SCORE.len() - 2);
        assert_eq!(score.due(2.0 * BEATS / BEATS_PER_S).len(), SCORE.len());
    }

    #[test]
    fn texts_and_numbers_are_told_apart() {
        let text = |text: &str| OscType::String(text.into());
        assert_eq!(
            message_of("/seq/a/pattern \"X. x\""),
            ("/seq/a/pattern".into(), vec![text("X. x")])
        );
        assert_eq!(
            message_of("/patch/create wobble lfo freq 3"),
            (
                "/patch/create".into(),
                vec![text("wobble"), text("lfo"), text("freq"), OscType::Float(3.0)]
            )
        );
        assert_eq!(message_of("/patch/commit"), ("/patch/commit".into(), Vec::new()));
    }
}
