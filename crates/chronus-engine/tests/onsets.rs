//! Each note and gate of a performance strikes, whatever else its frame holds: what a bundle of messages does. And a
//! worker that starts afresh at that frame plays what a replay of the journal gives.

mod common;

use chronus_engine::{
    ALL_NOTES, BLOCK_FRAMES, CHANNELS, Command, Controls, Directory, Note, Patch, TransportChange,
};
use common::{bits, engine, play};

/// A mono voice with a plucked envelope.
const PLUCK: &str = r#"
format = 1
[[module]]
id = "v"
kind = "voices"
channels = CHANNELS
[[module]]
id = "o"
kind = "sine"
channels = CHANNELS
[[module]]
id = "e"
kind = "adsr"
channels = CHANNELS
attack = 1
decay = 80
sustain = 0
[[cable]]
from = "v.pitch"
to = "o.freq"
[[cable]]
from = "v.gate"
to = "e.gate"
[[cable]]
from = "o.out"
to = "e.in"
[output]
left = "e.out"
right = "e.out"
limiter = false
dc_blocker = false
"#;

fn pluck(channels: usize) -> Patch {
    Patch::parse(&PLUCK.replace("CHANNELS", &channels.to_string()), "pluck").expect("a patch")
}

/// A drum that notes strike.
fn drum(kind: &str) -> Patch {
    let text = format!(
        "format = 1\n[[module]]\nid = \"v\"\nkind = \"voices\"\nchannels = 1\n[[module]]\nid = \"drum\"\n\
         kind = \"{kind}\"\n[[cable]]\nfrom = \"v.gate\"\nto = \"drum.gate\"\n[[cable]]\nfrom = \"v.velocity\"\n\
         to = \"drum.velocity\"\n[output]\nleft = \"drum.out\"\nright = \"drum.out\"\n"
    );
    let text = text.replace("\"v.velocity\"\nto = \"acid.velocity\"", "");
    Patch::parse(&text, kind).expect("a patch")
}

fn note(patch: &Patch, on: bool, key: f32) -> Command {
    let module = Directory::of(patch).notes("v").expect("it takes notes");
    Command::Note { module, note: Note { on, key, velocity: 0.8, id: 0 } }
}

fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |most, sample| most.max(sample.abs()))
}

const FRAMES: usize = 400 * BLOCK_FRAMES;
const AT: usize = 200 * BLOCK_FRAMES;

#[test]
fn a_chord_whose_notes_end_and_begin_in_one_bundle_is_struck_again() {
    for channels in [1, 4, 16] {
        let patch = pluck(channels);
        let chord = |on| (0..channels).map(move |c| (on, 60.0 + 3.0 * c as f32));
        let command = |(on, key): (bool, f32)| note(&patch, on, key);
        for at in [AT, AT + 17, AT + 63] {
            let mut commands: Vec<_> = chord(true).map(|note| (0, command(note))).collect();
            let held = play(&mut engine(&patch), 0, FRAMES, &commands);
            assert!(peak(&held[AT * CHANNELS..]) < 1e-3, "a plucked note is over");
            commands.extend(chord(false).chain(chord(true)).map(|note| (at, command(note))));
            let struck = play(&mut engine(&patch), 0, FRAMES, &commands);
            let again = peak(&struck[AT * CHANNELS..]);
            assert!(again > 0.7 * peak(&struck[..AT * CHANNELS]), "{channels} at {at}: {again}");
        }
    }
}

#[test]
fn a_note_of_no_length_strikes_each_drum_behind_voices() {
    for kind in ["kick", "snare", "hat", "clap", "tom", "rim", "cowbell"] {
        let patch = drum(kind);
        for at in [0, 30, 63] {
            let commands = [(at, note(&patch, true, 60.0)), (at, note(&patch, false, 60.0))];
            let heard = peak(&play(&mut engine(&patch), 0, FRAMES, &commands));
            assert!(heard > 0.05, "{kind} at {at}: {heard}");
            // As one of a whole block does.
            let commands = [(at, note(&patch, true, 60.0)), (at + 64, note(&patch, false, 60.0))];
            assert_eq!(heard, peak(&play(&mut engine(&patch), 0, FRAMES, &commands)));
        }
    }
}

#[test]
fn what_happens_in_a_frame_is_the_same_after_a_fresh_start() {
    let patch = pluck(1);
    let restart = (AT, Command::Restart);
    let held = [(0, note(&patch, true, 60.0)), (100, note(&patch, true, 67.0))];
    for bundle in [
        vec![note(&patch, false, 67.0), note(&patch, true, 67.0)],
        vec![note(&patch, true, 72.0), note(&patch, false, 72.0)],
        vec![note(&patch, false, 67.0)],
        vec![note(&patch, false, 60.0), note(&patch, false, 67.0)],
    ] {
        // Right before the block in which all starts afresh, and in its first frame.
        for at in [AT - 1, AT] {
            let mut replayed: Vec<_> = held.to_vec();
            replayed.extend(bundle.iter().map(|command| (at, *command)));
            replayed.insert(if at < AT { replayed.len() } else { held.len() }, restart);
            let replayed = play(&mut engine(&patch), 0, FRAMES, &replayed);

            let mut before = engine(&patch);
            let early: Vec<_> = held
                .iter()
                .copied()
                .chain(bundle.iter().filter(|_| at < AT).map(|command| (at, *command)))
                .collect();
            play(&mut before, 0, AT, &early);
            let controls = before.controls().encode();
            let controls = Controls::decode(&controls, &patch).expect("its own");
            let mut fresh = chronus_engine::Engine::new(
                patch.clone(),
                common::RATE_HZ,
                controls,
                AT as u64,
                &chronus_engine::NoRecordings,
            )
            .expect("they fit");
            let mut late = vec![restart];
            late.extend(bundle.iter().filter(|_| at == AT).map(|command| (at, *command)));
            let fresh = play(&mut fresh, AT, FRAMES - AT, &late);
            let replayed = &replayed[AT * CHANNELS..];
            assert_eq!(bits(&fresh), bits(replayed), "{bundle:?} at {at}");
        }
    }
}

#[test]
fn a_transport_that_is_stopped_and_started_in_a_bundle_is_heard_in_a_fresh_engine_too() {
    let text = "format = 1\n[[module]]\nid = \"s\"\nkind = \"steps\"\npattern = \"x...............\"\nlength = 1\n[[module]]\nid = \"k\"\n\
                kind = \"kick\"\n[[cable]]\nfrom = \"s.gate\"\nto = \"k.gate\"\n[output]\nleft = \"k.out\"\n\
                right = \"k.out\"\n";
    let patch = Patch::parse(text, "steps").expect("a patch");
    let bundle =
        [TransportChange::Play(false), TransportChange::Position(0.0), TransportChange::Play(true)];
    let at = AT + 1;
    let commands: Vec<_> = bundle.iter().map(|change| (at, Command::Transport(*change))).collect();
    let heard = play(&mut engine(&patch), 0, FRAMES, &commands);
    let once = play(&mut engine(&patch), 0, FRAMES, &[]);
    assert_eq!(bits(&heard[..at * CHANNELS]), bits(&once[..at * CHANNELS]));
    let part = |samples: &[f32]| peak(&samples[at * CHANNELS..(at + 2000) * CHANNELS]);
    assert!(part(&heard) > 2.0 * part(&once), "the kick is struck: {}", part(&heard));
}

#[test]
fn all_notes_off_and_a_note_in_a_bundle_play_that_note() {
    let patch = pluck(1);
    let module = Directory::of(&patch).notes("v").expect("it takes notes");
    let all = Note { on: false, key: 0.0, velocity: 0.0, id: ALL_NOTES };
    let commands = [
        (0, note(&patch, true, 60.0)),
        (AT, Command::Note { module, note: all }),
        (AT, note(&patch, true, 72.0)),
        (AT, note(&patch, false, 72.0)),
    ];
    let heard = play(&mut engine(&patch), 0, FRAMES, &commands);
    assert!(peak(&heard[AT * CHANNELS..]) > 0.01, "it is struck, if only for a frame");
    assert!(peak(&heard[(FRAMES - 100) * CHANNELS..]) < 1e-6, "and nothing hangs");
}
