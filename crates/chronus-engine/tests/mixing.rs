//! Where several cables end at one input, their signals are added in the order of the cables, to the bit:
//! whichever was rendered first, whether or not some are silent, and however a block is divided.
#![allow(clippy::format_push_string)] // A test may allocate.

mod common;

use chronus_engine::{
    BLOCK_FRAMES, Block, CHANNELS, Command, Engine, NoRecordings, Patch, Preparation,
};
use common::{bits, engine, set};

const BLOCKS: usize = 40;

/// The sources: id, kind and lines, in the order of the text. Their order of rendering is another, for `f` and
/// `g` wait for others.
const SOURCES: [(&str, &str, &str); 9] = [
    ("f", "biquad", "cutoff = 900.0"),
    ("a", "sine", "freq = 441.0\ngain = 0.11"),
    ("quiet", "sine", "gain = 0.0"),
    ("b", "sine", "freq = 97.0\ngain = 0.37"),
    ("g", "vca", "gain = 0.7"),
    ("c", "noise", "gain = 0.2"),
    ("d", "sine", "freq = 1234.5\ngain = 0.3"),
    ("e", "sine", "freq = 3210.0\ngain = 0.09"),
    ("closed", "adsr", ""),
];

/// The order of the cables, and their depths.
const CABLES: [(&str, f32); 9] = [
    ("d", 1.0),
    ("f", 0.3),
    ("closed", 1.0),
    ("a", -0.7),
    ("e", 1.0),
    ("g", 0.9),
    ("quiet", 1.0),
    ("c", 0.123),
    ("b", 1.0),
];

/// The sources with so many channels, and the input of a module that they all lead to, which gives on what it
/// gets. `heard` is what is heard, and `more` is further text.
fn patch(channels: usize, sum_channels: usize, heard: &str, more: &str) -> Patch {
    let mut text = "format = 1\n".to_owned();
    let mut module = |id: &str, kind: &str, channels: usize, lines: &str| {
        text += &format!(
            "[[module]]\nid = \"{id}\"\nkind = \"{kind}\"\nchannels = {channels}\n{lines}\n"
        );
    };
    module("sum", "vca", sum_channels, "");
    for (id, kind, lines) in SOURCES {
        module(id, kind, channels, lines);
    }
    text += more;
    let mut cable = |from: &str, to: &str, depth: f32| {
        text += &format!("[[cable]]\nfrom = \"{from}\"\nto = \"{to}\"\ndepth = {depth:?}\n");
    };
    for (from, to) in [("c.out", "f.in"), ("f.out", "g.in"), ("a.out", "closed.in")] {
        cable(from, to, 1.0);
    }
    for (id, depth) in CABLES {
        cable(&format!("{id}.out"), "sum.in", depth);
    }
    text += &format!(
        "[output]\ndc_blocker = false\nlimiter = false\nleft = \"{heard}\"\nright = \"{heard}\"\n"
    );
    Patch::parse(&text, "mixing.toml").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The left side of so many blocks, each divided at these frames by commands that change nothing.
fn left(engine: &mut Engine, blocks: usize, splits: &[usize]) -> Vec<f32> {
    let mut block: Block = [0.0; BLOCK_FRAMES * CHANNELS];
    let mut samples = Vec::new();
    for _ in 0..blocks {
        for split in splits {
            engine.apply(*split, &Command::Mute(false));
        }
        engine.render(&mut block);
        samples.extend(block.iter().step_by(CHANNELS));
    }
    samples
}

/// What the sum of so many channels has to be, of the sources as they are heard one by one.
fn added(channels: usize) -> Vec<f32> {
    let mut sum = vec![0.0; BLOCKS * BLOCK_FRAMES];
    for (id, depth) in CABLES {
        let source = patch(channels, channels, &format!("{id}.out"), "");
        let source = left(&mut engine(&source), BLOCKS, &[]);
        for (sum, sample) in sum.iter_mut().zip(source) {
            *sum += sample * depth;
        }
    }
    sum
}

#[test]
fn sources_are_added_in_the_order_of_the_cables() {
    let expected = bits(&added(1));
    for splits in [&[][..], &[1, 17, 40]] {
        let found = left(&mut engine(&patch(1, 1, "sum.out", "")), BLOCKS, splits);
        assert!(found.iter().any(|sample| sample.abs() > 0.3));
        assert_eq!(bits(&found), expected, "divided at {splits:?}");
    }
}

#[test]
fn one_channel_goes_to_all_and_many_come_to_one() {
    // All channels are alike but for the noise; one alone tells of all if that is alike as well.
    let alike = |patch: Patch| {
        let text = patch.text().replace("id = \"c\"", "id = \"c\"\nspread = \"alike\"");
        Patch::parse(&text, "alike.toml").expect("a patch")
    };
    let one = left(&mut engine(&alike(patch(1, 1, "sum.out", ""))), BLOCKS, &[]);
    for splits in [&[][..], &[5, 33]] {
        // A sum of 16 that are alike is 16 times one: a power of two, so to the bit.
        let wide = left(&mut engine(&alike(patch(1, 16, "sum.out", ""))), BLOCKS, splits);
        let down = left(&mut engine(&alike(patch(16, 1, "sum.out", ""))), BLOCKS, splits);
        for (n, one) in one.iter().enumerate() {
            assert_eq!((wide[n] / 16.0).to_bits(), one.to_bits(), "to all, frame {n}");
            assert_eq!((down[n] / 16.0).to_bits(), one.to_bits(), "to one, frame {n}");
        }
    }
}

#[test]
fn a_sum_goes_on_to_the_bit_while_the_patch_around_it_changes() {
    let idle = "[[module]]\nid = \"idle\"\nkind = \"saw\"\n\
                [[cable]]\nfrom = \"idle.out\"\nto = \"f.q\"\ndepth = 0.0\n";
    for channels in [1, 16] {
        let (one, two) = (patch(channels, 1, "sum.out", ""), patch(channels, 1, "sum.out", idle));
        let expected = left(&mut engine(&one), 3 * BLOCKS, &[]);
        let mut edited = engine(&one);
        let mut found = left(&mut edited, BLOCKS, &[]);
        for (offset, next) in [(19, &two), (0, &one)] {
            let next = next.clone().succeeding(edited.patch());
            let preparation = prepared(&mut edited, next);
            edited.edit(offset, preparation);
            found.extend(left(&mut edited, BLOCKS, &[20, 50]));
        }
        assert_eq!(bits(&found), bits(&expected), "{channels} channels");
    }
}

fn prepared(engine: &mut Engine, patch: Patch) -> Preparation {
    let mut preparation = engine.prepare(patch);
    while !preparation.step(&NoRecordings) {}
    preparation
}

#[test]
fn a_source_that_falls_silent_is_left_out_and_comes_back() {
    let quiet = patch(1, 1, "sum.out", "");
    let ids = CABLES.map(|(id, _)| id).into_iter().filter(|id| "abde".contains(id));
    let ids: Vec<_> = ids.collect();
    let gains = |engine: &mut Engine, gain: f32| {
        for id in &ids {
            engine.apply(7, &set(&quiet, id, "gain", gain));
        }
    };
    let mut heard = engine(&quiet);
    let mut samples = Vec::new();
    for (gain, blocks) in [(0.0, 20), (0.25, 20)] {
        gains(&mut heard, gain);
        samples.extend(left(&mut heard, blocks, &[]));
    }
    // With all tones silent, only the noise and what it is filtered to is left.
    let noise = left(&mut engine(&patch(1, 1, "c.out", "")), 40, &[]);
    let filtered = left(&mut engine(&patch(1, 1, "f.out", "")), 40, &[]);
    let through = left(&mut engine(&patch(1, 1, "g.out", "")), 40, &[]);
    for n in 15 * BLOCK_FRAMES..20 * BLOCK_FRAMES {
        let mut expected = 0.0;
        expected += filtered[n] * 0.3;
        expected += through[n] * 0.9;
        expected += noise[n] * 0.123;
        assert_eq!(samples[n].to_bits(), expected.to_bits(), "frame {n}");
    }
    assert!(samples[35 * BLOCK_FRAMES..].iter().any(|sample| sample.abs() > 0.4));
}
