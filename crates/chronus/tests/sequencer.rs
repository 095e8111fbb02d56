//! Sequences run inside the replicas: patterns, tempo and position change over OSC while workers are killed, and
//! the journal gives it all back bit for bit, whole and bus by bus.

mod support;

use std::path::Path;
use std::process::Command;

use chronus_engine::Patch;

use support::Engine;

const PATCH: &str = r#"
format = 1
name = "beat"

[transport]
tempo = 140

[[module]]
id = "beat"
kind = "steps"
pattern = "X.x. x.xx"

[[module]]
id = "kick"
kind = "kick"

[[module]]
id = "line"
kind = "steps"
pattern = "x.x-.x.x x..x"
notes = "c3 eb3 g3 bb2"
chances = "100 60 80"
seed = 7

[[module]]
id = "saw"
kind = "saw"
freq = 261.63
gain = 0.3

[[module]]
id = "env"
kind = "adsr"

[[module]]
id = "mix"
kind = "mix"

[[cable]]
from = "beat.gate"
to = "kick.gate"
[[cable]]
from = "line.pitch"
to = "saw.freq"
[[cable]]
from = "line.gate"
to = "env.gate"
[[cable]]
from = "saw.out"
to = "env.in"
[[cable]]
from = "env.out"
to = "mix.a"
[[cable]]
from = "kick.out"
to = "mix.b"

[[bus]]
name = "drums"
left = "kick.out"
right = "kick.out"
[[bus]]
name = "synth"
left = "env.out"
right = "env.out"

[output]
left = "mix.out"
right = "mix.out"
"#;

fn samples(path: &Path) -> Vec<f32> {
    let reader = hound::WavReader::open(path).expect("a WAV file");
    reader.into_samples().collect::<Result<_, _>>().expect("samples")
}

fn chronus(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_chronus"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("chronus runs");
    let said = String::from_utf8_lossy(&done.stderr) + String::from_utf8_lossy(&done.stdout);
    (done.status.success(), said.into_owned())
}

#[test]
fn sequences_among_kills_replay_bit_for_bit() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("beat.toml");
    std::fs::write(&path, PATCH).expect("written");
    let engine = Engine::free_running(&["--patch", &path.display().to_string()]);
    let long = "x.".repeat(40);
    let messages: [(&str, &[&str]); 9] = [
        ("/seq/beat/pattern", &["X..x ..x. [3/8]"]),
        ("/transport/tempo", &["173.5"]),
        ("/seq/line/pattern", &[&long]),
        ("/transport/position", &["2.25"]),
        ("/seq/line/notes", &["0 12 7 3"]),
        ("/transport/stop", &[]),
        ("/transport/play", &[]),
        ("/mod/beat/swing", &["65"]),
        ("/transport/beats_per_bar", &["3"]),
    ];
    for (round, (address, arguments)) in messages.into_iter().enumerate() {
        engine.send(address, arguments);
        engine.lose(["primary", "standby"][round % 2], "KILL");
        engine.play_on(150);
    }
    let status = engine.status();
    assert_eq!((&status["tempo_bpm"], &status["playing"]), (&173.5.into(), &true.into()));
    engine.end_and_compare().assert_identical();
}

#[test]
fn a_wrong_pattern_is_answered_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("beat.toml");
    std::fs::write(&path, PATCH).expect("written");
    let engine = Engine::free_running(&["--patch", &path.display().to_string()]);
    for (address, argument, expected) in [
        ("/seq/beat/pattern", "X.q.", "q"),
        ("/seq/beat/patern", "X...", "did you mean `pattern`?"),
        ("/seq/kick/pattern", "X...", "has no text"),
        ("/transport/tempo", "f:nan", "not finite"),
        ("/transport/position", "f:-inf", "not finite"),
    ] {
        engine.send(address, &[argument]);
        let reply = engine.answer();
        let words = format!("{:?}", reply.args);
        assert!(reply.address == "/fail" && words.contains(expected), "{address}: {words}");
    }
    engine.play_on(200);
    engine.end_and_compare().assert_identical();
}

#[test]
fn meters_tell_what_is_heard() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("tone.toml");
    let text = "format = 1\n[[module]]\nid = \"tone\"\nkind = \"sine\"\n[[module]]\nid = \"level\"\nkind = \"meter\"\n\
                [[cable]]\nfrom = \"tone.out\"\nto = \"level.in\"\n[output]\nleft = \"level.out\"\n\
                right = \"level.out\"\n";
    std::fs::write(&path, text).expect("written");
    let engine = Engine::free_running(&["--patch", &path.display().to_string()]);
    engine.play_on(2000);
    engine.send("/meter/level", &[]);
    let reply = engine.answer();
    let words = format!("{:?}", reply.args);
    assert_eq!(reply.address, "/meter.reply", "{words}");
    let value = |name: &str| {
        let at = reply.args.iter().position(|arg| *arg == support::string(name)).expect(name);
        format!("{:?}", reply.args[at + 1]).replace("Float(", "").replace(')', "").parse::<f32>()
    };
    let (peak, rms) = (value("peak").expect("a number"), value("rms").expect("a number"));
    assert!((peak - 0.5).abs() < 0.01 && (rms - 0.3536).abs() < 0.01, "{words}");
    engine.send("/meter/tone", &[]);
    let reply = engine.answer();
    assert!(reply.address == "/fail" && format!("{:?}", reply.args).contains("`level`"));
}

#[test]
fn stems_add_up_to_the_whole_and_other_rates_sound_alike() {
    let folder = tempfile::tempdir().expect("folder");
    let bare = PATCH.replace("[output]", "[output]\nlimiter = false\ndc_blocker = false");
    std::fs::write(folder.path().join("beat.toml"), bare).expect("written");
    let (fine, said) = chronus(
        folder.path(),
        &["render", "beat.toml", "-o", "all.wav", "--stems", "stems", "--seconds", "3"],
    );
    assert!(fine && said.contains("stems/drums.wav"), "{said}");
    let [all, drums, synth] = ["all.wav", "stems/drums.wav", "stems/synth.wav"]
        .map(|name| samples(&folder.path().join(name)));
    assert_eq!((all.len(), drums.len(), synth.len()), (288_000, 288_000, 288_000));
    assert!([&drums, &synth].iter().all(|stem| stem.iter().any(|sample| sample.abs() > 0.05)));
    for (n, ((all, drums), synth)) in all.iter().zip(&drums).zip(&synth).enumerate() {
        assert!((all - (drums + synth)).abs() < 1e-6, "sample {n}");
    }
    let (fine, _) = chronus(
        folder.path(),
        &["render", "beat.toml", "-o", "slow.wav", "--rate", "32000", "--seconds", "3"],
    );
    assert!(fine);
    let slow = samples(&folder.path().join("slow.wav"));
    assert_eq!(slow.len(), 192_000);
    let power = |samples: &[f32]| samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32;
    let ratio = power(&slow) / power(&all);
    assert!((0.8..1.25).contains(&ratio), "it sounds alike: {ratio}");
    let (fine, said) = chronus(
        folder.path(),
        &[
            "render",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../patches/first.toml"),
            "--stems",
            "s",
        ],
    );
    assert!(!fine && said.contains("no buses"), "{said}");
}

#[test]
fn render_says_how_loud_it_is_and_what_went_wrong() {
    let folder = tempfile::tempdir().expect("folder");
    let render = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
        let wav = name.replace("toml", "wav");
        let (fine, said) = chronus(folder.path(), &["render", name, "-o", &wav, "--seconds", "1"]);
        assert!(fine, "{said}");
        said
    };
    let said = render("beat.toml", PATCH);
    let level: f32 = said
        .split_once("peak ")
        .and_then(|(_, rest)| rest.split(' ').next()?.parse().ok())
        .unwrap_or_else(|| panic!("a level: {said}"));
    let loudest = samples(&folder.path().join("beat.wav"));
    let loudest = 20.0 * loudest.iter().fold(0.0_f32, |most, x| most.max(x.abs())).log10();
    assert!((level - loudest).abs() <= 0.051 && !said.contains("silent"), "{loudest}: {said}");
    let first = Patch::first();
    let said = render("first.toml", first.text());
    assert!(said.contains("Hz, silent") && said.contains("no gate opens"), "{said}");
    // A circle that gets louder and louder.
    let runaway = "format = 1\n[[module]]\nid = \"tone\"\nkind = \"sine\"\n\
         [[module]]\nid = \"amp\"\nkind = \"gain\"\nlevel = 24\n\
         [[cable]]\nfrom = \"tone.out\"\nto = \"amp.in\"\n[[cable]]\nfrom = \"amp.out\"\nto = \"amp.in\"\n\
         [output]\nleft = \"amp.out\"\nright = \"amp.out\"\n";
    let said = render("runaway.toml", runaway);
    assert!(said.contains("module `amp` yields more than anybody should hear"), "{said}");
}

#[test]
fn a_journal_renders_at_another_rate_and_says_what_that_means() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("beat.toml");
    std::fs::write(&path, PATCH).expect("written");
    let path = path.display().to_string();
    let arguments = [
        "run",
        "--patch",
        &path,
        "--output",
        "wav:a.wav",
        "--journal",
        "a.journal",
        "--free-run",
        "--seconds",
        "2",
        "--osc",
        "127.0.0.1:0",
    ];
    let (fine, said) = chronus(folder.path(), &arguments);
    assert!(fine, "{said}");
    let (fine, said) =
        chronus(folder.path(), &["render", "a.journal", "-o", "b.wav", "--rate", "44100"]);
    assert!(fine && said.contains("not bit for bit"), "{said}");
    let seconds = samples(&folder.path().join("b.wav")).len() as f64 / 2.0 / 44_100.0;
    assert!((1.9..2.2).contains(&seconds), "{seconds} s");
}
