//! Each kind of module has an example in patches/modules that plays by itself, and in which the
//! module makes a difference.

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chronus_dsp::catalog::CATALOG;
use chronus_engine::patch::{Cable, Document, OutputPort, TargetPort};
use chronus_engine::{
    BLOCK_FRAMES, CHANNELS, Command, Controls, Directory, Engine, Note, Patch, PatchModule,
    Recording, Recordings,
};
use common::{RATE_HZ, play};

const SECONDS: usize = 4;
/// Nothing is louder than the limiter at the output lets it be.
const CEILING: f32 = 0.966;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../patches/modules")
}

fn text(kind: &str) -> String {
    let path = folder().join(format!("{kind}.toml"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{kind} has no example: {error}"))
}

fn parse(kind: &str, text: &str) -> Patch {
    Patch::parse(text, kind).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The recordings of the examples: WAV files of 16 bits and one channel.
struct OneChannel;

impl Recordings for OneChannel {
    fn get(&self, module: &PatchModule) -> Option<Recording> {
        let file = module.file()?;
        let bytes = std::fs::read(folder().join(file)).expect("a recording that an example names");
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let long = |at: usize| u32::from(word(at)) | u32::from(word(at + 2)) << 16;
        assert_eq!((word(20), word(22), word(34)), (1, 1, 16), "PCM of one channel and 16 bits");
        assert_eq!(&bytes[36..40], b"data");
        assert!(bytes.len() < 60 * 1024, "{file} is small");
        let whole = bytes[44..].chunks_exact(2);
        let samples =
            whole.map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0);
        let recording = Recording::new(Arc::new(samples.collect::<Vec<f32>>()), 1, long(24));
        Some((module.spec().recording?.prepare)(recording))
    }
}

/// What is heard of it. Where notes are taken, one is played.
fn render(patch: &Patch) -> Vec<f32> {
    let directory = Directory::of(patch);
    let notes = directory.modules().filter(|entry| entry.takes_notes()).map(|entry| {
        let note = Note { on: true, key: 67.0, velocity: 0.8, id: 0 };
        (0, Command::Note { module: entry.handle, note })
    });
    let notes: Vec<_> = notes.collect();
    let controls = Controls::of(patch);
    let mut engine =
        Engine::new(patch.clone(), RATE_HZ, controls, 0, &OneChannel).expect("a rate that fits");
    let frames = (SECONDS * RATE_HZ as usize).next_multiple_of(BLOCK_FRAMES);
    play(&mut engine, 0, frames, &notes)
}

/// The patch without the modules of a kind: what comes to one is heard where it would be if that
/// were bypassed.
fn without(patch: &Patch, kind: &str) -> String {
    let mut document = Document::parse(patch.text()).expect("TOML");
    let module = |at: usize| &patch.modules()[at];
    let is_gone = |at: usize| module(at).spec().kind == kind;
    let name = |port: OutputPort| {
        format!(
            "{}.{}",
            module(port.module).id(),
            module(port.module).spec().outputs[port.output].name
        )
    };
    // What comes, bypassing, to an output of a module that goes.
    let sources = |port: OutputPort| -> Vec<&Cable> {
        let routes =
            module(port.module).spec().bypass.iter().filter(|route| route.1 == port.output);
        let inputs: Vec<_> = routes.map(|route| TargetPort::Input(route.0)).collect();
        let comes = |cable: &&Cable| {
            cable.to.module == port.module
                && inputs.contains(&cable.to.port)
                && !is_gone(cable.from.module)
        };
        patch.cables().iter().filter(comes).collect()
    };
    for cable in patch.cables().iter().filter(|cable| is_gone(cable.from.module)) {
        if is_gone(cable.to.module) {
            continue;
        }
        let spec = module(cable.to.module).spec();
        let port = match cable.to.port {
            TargetPort::Input(input) => spec.inputs[input].name,
            TargetPort::Param(param) => spec.params[param].name,
        };
        let to = format!("{}.{port}", module(cable.to.module).id());
        for source in sources(cable.from) {
            let depth = f64::from(source.depth * cable.depth);
            document.connect(&name(source.from), &to, Some(depth)).expect("ports that are there");
        }
    }
    document.create("silence", "mix").expect("a kind");
    let heard = [patch.left(), patch.right()].map(|port| match sources(port).first() {
        _ if !is_gone(port.module) => name(port),
        Some(source) => name(source.from),
        None => "silence.out".to_owned(),
    });
    document.set_output(&heard[0], &heard[1]).expect("ports that are there");
    for gone in patch.modules().iter().filter(|module| module.spec().kind == kind) {
        document.delete(gone.id()).expect("a module that is there");
    }
    document.to_string()
}

fn decibels(amplitude: f64) -> f64 {
    20.0 * amplitude.max(1e-9).log10()
}

#[test]
fn each_kind_has_an_example_that_contains_and_explains_it() {
    for entry in CATALOG.iter() {
        let kind = entry.spec.kind;
        let text = text(kind);
        let patch = parse(kind, &text);
        assert_eq!(patch.name(), kind);
        assert!(patch.modules().iter().any(|module| module.spec().kind == kind), "{kind} is in it");
        assert!(text.starts_with(&format!("# {kind}: ")), "{kind}: what is heard");
        for line in [
            &format!("#   chronus run --patch patches/modules/{kind}.toml\n"),
            "#   chronus send /",
        ] {
            assert!(text.contains(line), "{kind}: {line}");
        }
    }
    let examples = std::fs::read_dir(folder()).expect("the examples").count();
    assert_eq!(examples, CATALOG.len(), "no example without a kind");
}

/// The addresses of the messages that the head of a patch tells to send, each with its first
/// argument.
fn messages(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().filter(|line| line.starts_with("#   chronus send "));
    let messages = lines.flat_map(|line| line.split("chronus send ").skip(1));
    let parts = messages.map(|message| {
        let (address, rest) = message.trim().split_once(' ').unwrap_or((message.trim(), ""));
        let rest = rest.trim();
        let argument = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next(),
            None => rest.split_whitespace().next(),
        };
        (address, argument.unwrap_or_default())
    });
    parts.collect()
}

/// Whether a message finds what it is for, and that takes what it brings.
fn is_understood(directory: &Directory, address: &str, argument: &str) -> bool {
    let number = argument.parse::<f32>();
    match address.split('/').collect::<Vec<_>>()[..] {
        ["", "mod", module, param] => directory.param(module, param).is_ok_and(|(_, _, spec)| {
            let fits = |number: f32| !spec.is_enumeration() && spec.accept(number) == Some(number);
            spec.choices.contains(&argument) || number.is_ok_and(fits)
        }),
        ["", "gate", module] => directory.gate(module).is_ok() && ["0", "1"].contains(&argument),
        ["", "note", module, "on"] => directory.notes(module).is_ok() && number.is_ok(),
        ["", "note", module, "off"] => directory.notes(module).is_ok(),
        ["", "seq", module, text] => {
            let text = directory.module(module).and_then(|entry| entry.text(text));
            text.is_ok_and(|(_, spec)| (spec.check)(argument).is_ok())
        }
        ["", "transport", "tempo"] => number.is_ok(),
        ["", "transport", "stop"] => argument.is_empty(),
        _ => false,
    }
}

#[test]
fn what_the_patches_tell_to_send_is_understood() {
    let folders = [folder(), folder().join("..")];
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).expect("patches"));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut count = 0;
    for path in paths.filter(|path| path.extension().is_some_and(|end| end == "toml")) {
        let text = std::fs::read_to_string(&path).expect("a text");
        let directory = Directory::of(&parse("patch", &text));
        for (address, argument) in messages(&text) {
            let is_right = is_understood(&directory, address, argument);
            assert!(is_right, "{path:?}: {address} {argument:?}");
            count += 1;
        }
    }
    assert!(count > 150, "{count} messages");
}

#[test]
fn each_example_plays_by_itself_at_a_good_level() {
    for entry in CATALOG.iter() {
        let kind = entry.spec.kind;
        let samples = render(&parse(kind, &text(kind)));
        let power = |samples: &[f32]| {
            samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>()
                / samples.len() as f64
        };
        let level_db = decibels(power(&samples).sqrt());
        assert!((-40.0..-9.0).contains(&level_db), "{kind} is at {level_db} dB");
        let pieces = samples.chunks(RATE_HZ as usize / 100 * CHANNELS);
        let limited =
            pieces.clone().filter(|piece| piece.iter().any(|it| it.abs() > CEILING - 0.01));
        let share = limited.count() as f64 / pieces.len() as f64;
        assert!(share < 0.05, "{kind} is in the limiter in {share} of the time");
        for side in 0..CHANNELS {
            let second = samples[RATE_HZ as usize * CHANNELS..].iter().skip(side).step_by(CHANNELS);
            let (sum, count) =
                second.fold((0.0, 0), |(sum, count), it| (sum + f64::from(*it), count + 1));
            let mean = sum / f64::from(count);
            assert!(mean.abs() < 0.002, "{kind} has a constant part of {mean}");
        }
    }
}

#[test]
fn in_each_example_the_module_makes_a_difference() {
    for entry in CATALOG.iter() {
        let kind = entry.spec.kind;
        let patch = parse(kind, &text(kind));
        let bypassed = parse(kind, &without(&patch, kind));
        assert!(
            bypassed
                .modules()
                .iter()
                .all(|module| module.spec().kind != kind || module.id() == "silence")
        );
        let pairs = render(&patch).into_iter().zip(render(&bypassed));
        let most = pairs.fold(0.0_f32, |most, (with, without)| most.max((with - without).abs()));
        assert!(most > 0.05, "{kind} changes no more than {most}");
    }
}
