//! The quantizer finds the nearest note of any scale, tells when it changes, and explains what is
//! wrong with a text that is no scale.
#![allow(clippy::disallowed_methods)] // What is measured with need not be the same everywhere.

mod common;
#[path = "common/rig.rs"]
mod rig;

use chronus_dsp::control::scale::{DEGREES_MAX, NAMED, Scale, check};
use rig::{Rig, openings, triggers};

/// From two octaves below to two above middle C.
fn sweep(frame: usize) -> f32 {
    frame as f32 / 4000.0 - 2.0
}

fn quantized(text: &'static str, root: f32) -> Vec<Vec<f32>> {
    let rig = Rig::new("quantizer", &[("root", root)]).input("in", &sweep);
    Rig { text: Some(text), ..rig }.play(16_000)
}

#[test]
fn every_pitch_goes_to_the_nearest_of_all_notes() {
    for (text, root, cents) in [
        ("major", 0.0, vec![0.0, 200.0, 400.0, 500.0, 700.0, 900.0, 1100.0, 1200.0]),
        ("Harmonic Minor", -3.0, vec![0.0, 200.0, 300.0, 500.0, 700.0, 800.0, 1100.0, 1200.0]),
        ("3/2 2/1", 2.5, vec![0.0, 701.955_000_9, 1200.0]),
        ("100.5, 350. 700.25", 0.0, vec![0.0, 100.5, 350.0, 700.25]),
        ("5-edo", 7.0, vec![0.0, 240.0, 480.0, 720.0, 960.0, 1200.0]),
    ] {
        let period = cents[cents.len() - 1];
        let notes: Vec<f64> = (-6..=6)
            .flat_map(|turn| cents.iter().map(move |cents| cents + f64::from(turn) * period))
            .map(|cents| cents / 1200.0 + f64::from(root) / 12.0)
            .collect();
        let mut worst = 0.0_f64;
        for (frame, note) in quantized(text, root)[0].iter().enumerate() {
            let (pitch, note) = (f64::from(sweep(frame)), f64::from(*note));
            let distance = notes.iter().map(|note| (note - pitch).abs()).fold(9.0, f64::min);
            let from_note = notes.iter().map(|other| (note - other).abs()).fold(9.0, f64::min);
            worst = worst.max(1200.0 * from_note);
            assert!(((note - pitch).abs() - distance).abs() < 1e-6, "{text} {pitch}: {note}");
        }
        println!("{text}: notes at most {worst:.6} cent out of tune");
        assert!(worst < 5e-4, "{text}: {worst} cent");
    }
}

#[test]
fn a_note_of_the_scale_stays_bit_for_bit() {
    for key in -60..=60 {
        let pitch = key as f32 / 12.0;
        let level = move |_| pitch;
        let rig = Rig::new("quantizer", &[]).input("in", &level);
        let note = Rig { text: Some("chromatic"), ..rig }.play(64)[0][0];
        assert_eq!(note.to_bits(), pitch.to_bits(), "key {key}");
    }
}

#[test]
fn changed_tells_each_new_note_for_a_millisecond() {
    let played = quantized("chromatic", 0.0);
    let changes: Vec<usize> = (1..16_000).filter(|n| played[0][*n] != played[0][n - 1]).collect();
    // Every 333 frames a semitone; the first note is no change.
    assert_eq!(changes.len(), 48);
    assert_eq!(openings(&played[1]), changes);
    assert_eq!(played[1].iter().filter(|sample| **sample == 1.0).count(), 48 * 48);
    // New notes in each frame are told apart: a gap, then a pulse, then a gap.
    let zigzag = |frame: usize| if (10..20).contains(&frame) { (frame % 2) as f32 } else { 0.0 };
    let rig = Rig::new("quantizer", &[]).input("in", &zigzag);
    assert_eq!(openings(&rig.play(64)[1]), [11, 13, 15, 17, 19, 21]);
}

#[test]
fn with_a_trigger_the_pitch_waits_for_it() {
    let at = triggers(&[100, 8000]);
    let rig = Rig::new("quantizer", &[]).input("in", &sweep).input("trigger", &at);
    let played = rig.play(9600);
    assert_eq!(played[0][99], 0.0);
    assert!((played[0][100] - -2.0).abs() < 1e-6 && played[0][100] == played[0][7999]);
    assert_eq!(played[0][8000], 0.0);
    assert_eq!(openings(&played[1]), [100, 8000]);
}

#[test]
fn all_named_scales_are_right_and_ascend_to_their_period() {
    for (name, _) in NAMED {
        assert_eq!(check(name), Ok(()), "{name}");
        let scale = Scale::read(name).expect("a scale");
        let cents: Vec<f64> = scale.degrees().iter().map(|octaves| 1200.0 * octaves).collect();
        println!("{name}: {cents:.1?}");
        assert!(cents.windows(2).all(|pair| pair[0] < pair[1]), "{name}");
        let period = cents[cents.len() - 1];
        let tritave = 1200.0 * 3.0_f64.log2();
        assert!((period - if *name == "bohlen-pierce" { tritave } else { 1200.0 }).abs() < 1e-9);
    }
}

#[test]
fn degrees_may_be_written_as_in_scala() {
    for (text, cents) in [
        ("2", vec![0.0, 1200.0]),
        ("1/1 5/4 2/1", vec![0.0, 386.313_714, 1200.0]),
        ("0. 100.0\n81/64\n1200.", vec![0.0, 100.0, 407.820_003, 1200.0]),
        ("  MAJOR_pentatonic ", vec![0.0, 200.0, 400.0, 700.0, 900.0, 1200.0]),
        ("3edo", vec![0.0, 400.0, 800.0, 1200.0]),
        ("128 EDO", (0..=128).map(|step| f64::from(step) * 1200.0 / 128.0).collect()),
    ] {
        assert_eq!(check(text), Ok(()), "{text}");
        let scale = Scale::read(text).expect("a scale");
        assert_eq!(scale.degrees().len(), cents.len(), "{text}");
        for (octaves, cents) in scale.degrees().iter().zip(&cents) {
            assert!((1200.0 * octaves - cents).abs() < 1e-5, "{text}: {octaves} {cents}");
        }
    }
}

#[test]
fn what_is_no_scale_is_explained() {
    let many: Vec<String> = (0..=DEGREES_MAX).map(|step| format!("{}.", step + 1)).collect();
    let degrees = "degrees are ratios such as 3/2 or cents such as 701.955, with a point";
    for (text, expected) in [
        ("", format!("a scale needs a name or degrees; {degrees}")),
        ("1/1", format!("a scale needs a name or degrees; {degrees}")),
        ("dorain", "there is no scale `dorain`; did you mean `dorian`?".to_owned()),
        (
            "Minor Pentatonik",
            "there is no scale `Minor Pentatonik`; did you mean `minor-pentatonic`?".to_owned(),
        ),
        ("9/8 3/0 2/1", format!("`3/0` is no degree of a scale; {degrees}")),
        ("100 200 1200", format!("`100` is no degree of a scale; {degrees}")),
        ("9/8 e 2/1", format!("`e` is no degree of a scale; {degrees}")),
        ("1.0.0 2/1", format!("`1.0.0` is no degree of a scale; {degrees}")),
        (
            "3/2 5/4 2/1",
            "`5/4` does not lie above the degree before it; a scale ascends from 1/1".to_owned(),
        ),
        (
            "1/2",
            "a scale repeats at its last degree, which `1/2` can't be: it is not above 1/1"
                .to_owned(),
        ),
        ("0edo", "a scale has 1 to 128 degrees".to_owned()),
        ("129-edo", "a scale has 1 to 128 degrees".to_owned()),
        (&many.join(" "), "a scale has 1 to 128 degrees".to_owned()),
    ] {
        assert_eq!(check(text), Err(expected), "{text}");
    }
    let all = check("zzzzzzzz").unwrap_err();
    assert!(all.starts_with("there is no scale `zzzzzzzz`; scales: `chromatic`, `major`"), "{all}");
    for strange in
        ["\u{e9}\u{2603}", "/", ".", "-", "1/", "/2", "99999999999/1", "9e9.", "inf", "nan", "-edo"]
    {
        assert!(check(strange).is_err(), "{strange}");
    }
}

#[test]
fn scala_files_are_read_as_they_are_published() {
    let partch = "! partch_29.scl\n!\nPartch/Ptolemy 11-limit  \n 3\n!\n 81/80\t\n 3/2 fifth\n 2/1 ! octave\n";
    for (text, cents) in [
        (partch, vec![0.0, 21.506_290, 701.955_001, 1200.0]),
        // A blank description, and cents.
        ("! x.scl\n!\n\n2\n!\n 700.0 cents\n 1200.\n", vec![0.0, 700.0, 1200.0]),
        ("\n 2\n 3/1\n 9/1\n", vec![0.0, 1_901.955_001, 3_803.910_002]),
        // Without any comment; the end of a line as elsewhere; a mark in front.
        (
            "\u{feff}a meantone\r\n3\r\n193.157\r\n696.578\r\n2/1\r\n",
            vec![0.0, 193.157, 696.578, 1200.0],
        ),
        // A description that is a number; none; what follows the last degree.
        ("! 12\n12\n 1\n2\nthe end", vec![0.0, 1200.0]),
        ("!\n2\n3/2\n2/1\n", vec![0.0, 701.955_001, 1200.0]),
        ("two of them\n2\n3/2\n2/1\n5/1\n", vec![0.0, 701.955_001, 1200.0]),
        // In any order, twice, below the root, beyond the period.
        ("!\nodd\n5\n2000.\n500.\n-100.0\n500.0\n1200.", vec![0.0, 500.0, 800.0, 1100.0, 1200.0]),
        // Numbers of more than 32 bits.
        ("!\nlong\n2\n6442450944/4294967296\n2/1", vec![0.0, 701.955_001, 1200.0]),
    ] {
        assert_eq!(check(text), Ok(()), "{text:?}");
        let scale = Scale::read(text).expect("a scale");
        let found: Vec<f64> = scale.degrees().iter().map(|octaves| 1200.0 * octaves).collect();
        assert_eq!(found.len(), cents.len(), "{text:?}: {found:?}");
        for (found, cents) in found.iter().zip(&cents) {
            assert!((found - cents).abs() < 1e-5, "{text:?}: {found} {cents}");
        }
    }
    for (text, expected) in [
        ("! x\nof three\n3\n3/2\n2/1\n", "says that it has 3 degrees, and has 2"),
        ("! x\nof none\n", "a line with the count of its degrees"),
        ("! x\nfalling\n2\n3/2\n1/2\n", "which `1/2` can't be"),
        ("! x\nodd\n2\nfifth\n2/1\n", "`fifth` is no degree"),
        ("! x\nodd\n2\n-3/2\n2/1\n", "`-3/2` is no degree"),
        ("! x\nlarge\n1000000\n3/2\n2/1\n", "a scale has 1 to 128 degrees"),
        ("! x\nempty\n0\n", "a scale needs a name or degrees"),
    ] {
        let found = check(text).expect_err("no scale");
        assert!(found.contains(expected), "{text:?}: {found}");
    }
}

#[test]
fn a_long_scala_file_is_taken_without_its_comments() {
    let spec = &chronus_dsp::catalog::find("quantizer").expect("a kind").spec.texts[0];
    let steps: Vec<String> =
        (1..=53).map(|n| format!(" {:.5} step {n}\n", 1200.0 / 53.0 * f64::from(n))).collect();
    let text = format!("! {}\nfifty-three\n 53\n!\n{}", "x".repeat(1500), steps.concat());
    let taken = spec.take(&text).expect("it fits without");
    assert!(taken.len() <= 1000, "{}", taken.len());
    let (long, short) =
        (Scale::read(&text).expect("a scale"), Scale::read(&taken).expect("a scale"));
    assert_eq!(long.degrees(), short.degrees());
    assert_eq!(long.degrees().len(), 54);
    let longer = format!("! x\n\n 128\n{}", " 1234.56789\n".repeat(128));
    assert!(spec.take(&longer).expect_err("too long").contains("too long; write at most 1000"));
    assert_eq!(spec.take("dorian").as_deref(), Ok("dorian"));
}
