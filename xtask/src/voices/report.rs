//! The tables: a row for each player, and how many times as fast as others Chronus is.

use chronus_dsp::Vectors;
use comfy_table::{Table, presets};

use super::chronus::Gates;
use super::player::{Player, Who};
use super::voice::Voice;

/// The rows of a voice, a column for each number of voices.
pub fn table(voice: Voice, players: &[Player], counts: &[usize], sets: &[Vectors]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    let heads = counts.iter().map(|voices| format!("{voices} voices"));
    table.set_header([String::new()].into_iter().chain(heads));
    let mut row = |name: String, figure: &dyn Fn(usize) -> String| {
        table.add_row([name].into_iter().chain((0..counts.len()).map(figure)));
    };
    for player in players {
        row(player.who.name(), &|index| format!("{:.0}", player.rate(index)));
    }
    let find = |wanted| players.iter().find(|player| player.who == wanted);
    for &set in sets {
        for (name, own, other) in pairs(voice, set) {
            let (Some(own), Some(other)) = (find(own), find(other)) else { continue };
            row(format!("{set}: {name}"), &|index| format!("{:.2}", own.times(other, index)));
        }
    }
    table
}

/// The gates with which Chronus is compared with others.
pub fn main_gates(voice: Voice) -> Gates {
    if voice == Voice::Held { Gates::Open } else { Gates::Notes }
}

/// Which rows are compared.
fn pairs(voice: Voice, set: Vectors) -> Vec<(&'static str, Who, Who)> {
    let chronus = Who::Chronus(main_gates(voice), set);
    let mut pairs = vec![
        ("Chronus over the bound", chronus, Who::Bound(set)),
        ("Chronus over the fused bound", chronus, Who::FusedBound(set)),
        ("Chronus over the fastest, its sine turned", chronus, Who::TurnedBound(set)),
        ("Chronus over scsynth", chronus, Who::Scsynth),
        ("Chronus over supernova", chronus, Who::Supernova),
    ];
    if voice == Voice::Held {
        let bare = Who::Chronus(Gates::OpenBare, set);
        pairs.extend([
            ("the same, neither with a limiter, over the bound", bare, Who::Bound(set)),
            ("Chronus over scsynth, both with a limiter", chronus, Who::SafeScsynth),
            ("Chronus over scsynth, neither with a limiter", bare, Who::Scsynth),
            ("notes of `voices` over gates held", Who::Chronus(Gates::Notes, set), chronus),
        ]);
    }
    pairs
}
