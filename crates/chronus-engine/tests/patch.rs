//! A patch file is read as its reference says, and a mistake in it gets a sentence with its place.
#![allow(clippy::format_push_string)] // A test may allocate twice and read well.

use chronus_dsp::MIDDLE_C_HZ;
use chronus_dsp::catalog::CATALOG;
use chronus_engine::{Directory, Patch};

const SINE: &str = "[[module]]\nid = \"s\"\nkind = \"sine\"\n";
const OUTPUT: &str = "[output]\nleft = \"s.out\"\nright = \"s.out\"\n";

fn mistake(text: &str) -> String {
    Patch::parse(text, "p.toml").expect_err("a mistake").to_string()
}

#[test]
fn the_first_patch_is_what_the_field_knows() {
    let patch = Patch::first();
    assert_eq!(patch.name(), "first");
    assert!(patch.text().starts_with("# The first patch"));
    let modules: Vec<_> =
        patch.modules().iter().map(|m| (m.id(), m.spec().kind, m.params().to_vec())).collect();
    let expected = [
        ("sine", "sine", vec![440.0, 0.25, 1.0]),
        ("adsr", "adsr", vec![10.0, 100.0, 0.7, 200.0]),
        ("filter", "biquad", vec![0.0, 2000.0, 0.707, 0.0]),
    ];
    assert_eq!(modules, expected);
    assert_eq!(patch.order(), [0, 1, 2]);
    assert_eq!(patch.cables().len(), 2);
}

#[test]
fn numbers_choices_and_defaults() {
    let text = format!(
        "format = 1\n{SINE}freq = 1_000\n[[module]]\nid = \"f\"\nkind = \"biquad\"\nmode = \"notch\"\n\
         [[module]]\nid = \"g\"\nkind = \"biquad\"\nmode = 2\nq = 5e-1\n\
         [[module]]\nid = \"m\"\nkind = \"mixer\"\nmute_1 = true\nmute_2 = false\nmute_3 = \"on\"\n{OUTPUT}"
    );
    let patch = Patch::parse(&text, "p.toml").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(patch.name(), "untitled");
    assert_eq!(patch.modules()[0].params(), [1000.0, 0.5, 1.0]);
    assert_eq!(patch.modules()[1].params(), [3.0, MIDDLE_C_HZ, 0.707, 0.0]);
    assert_eq!(patch.modules()[2].params(), [2.0, MIDDLE_C_HZ, 0.5, 0.0]);
    let mixer = &patch.modules()[3];
    let mute = |name: &str| {
        mixer.params()[mixer.spec().params.iter().position(|it| it.name == name).expect("a mute")]
    };
    assert_eq!(["mute_1", "mute_2", "mute_3"].map(mute), [1.0, 0.0, 1.0]);
}

#[test]
fn mistakes_in_modules() {
    let module = |lines: &str| mistake(&format!("format = 1\n[[module]]\n{lines}{OUTPUT}"));
    let sine = |lines: &str| module(&format!("id = \"s\"\nkind = \"sine\"\n{lines}"));
    let biquad = |lines: &str| module(&format!("id = \"s\"\nkind = \"biquad\"\n{lines}"));
    for (found, expected) in [
        (
            module("id = \"s\"\nkind = \"sin\"\n"),
            "p.toml:4:8: there is no kind of module `sin`; did you mean `sine`?",
        ),
        (module("id = \"s\"\n"), "p.toml:2:1: [[module]] without `kind`; add `kind = \"KIND\"`"),
        (module("kind = \"sine\"\n"), "p.toml:2:1: [[module]] without `id`; add `id = \"NAME\"`"),
        (
            module("id = \"a.b\"\nkind = \"sine\"\n"),
            "p.toml:3:6: the id is \"a.b\"; write 1 to 64 letters a-z, digits, `_` and `-`",
        ),
        (module("id = 7\nkind = \"sine\"\n"), "p.toml:3:6: the id is 7; write a string in quotes"),
        (sine(SINE), "p.toml:6:6: a second module with the id `s`; give each module its own id"),
        (
            sine("frq = 5\n"),
            "p.toml:5:1: module `s` of the kind `sine` has no `frq`; did you mean `freq`?",
        ),
        (
            sine("loudness = 5\n"),
            "p.toml:5:1: module `s` of the kind `sine` has no `loudness`; it has: `id`, `kind`, `channels`, `freq`, `gain` and `index`",
        ),
        (sine("freq = -inf\n"), "p.toml:5:8: `freq` is -inf; write a number from 20 to 20000 Hz"),
        (sine("gain = nan\n"), "p.toml:5:8: `gain` is nan; write a number from 0 to 1"),
        (
            sine("freq = \"a4\"\n"),
            "p.toml:5:8: `freq` is \"a4\"; write a number from 20 to 20000 Hz",
        ),
        (
            biquad("mode = \"lowpass\"\n"),
            "p.toml:5:8: `mode` is \"lowpass\"; did you mean `low-pass`?",
        ),
        (
            biquad("mode = 0.5\n"),
            "p.toml:5:8: `mode` is 0.5; \
            choices: `low-pass`, `high-pass`, `band-pass`, `notch`, `all-pass`, `peaking`, `low-shelf` and `high-shelf`",
        ),
        (
            mistake("format = 1\nmodule = 3\n"),
            "p.toml:2:10: `module` is 3; write [[module]] in double brackets",
        ),
        (
            mistake("format = 1\n[module]\nid = \"s\"\n"),
            "p.toml:2:1: `module` is a table; write [[module]] in double brackets",
        ),
    ] {
        assert_eq!(found, expected);
    }
}

#[test]
fn mistakes_in_cables_and_output() {
    let cable = |from: &str, to: &str| format!("[[cable]]\nfrom = \"{from}\"\nto = \"{to}\"\n");
    let adsr = "[[module]]\nid = \"env\"\nkind = \"adsr\"\n";
    // The modules take lines 2 to 7, the first cable begins in line 8.
    let wired = |cables: &str| mistake(&format!("format = 1\n{SINE}{adsr}{cables}{OUTPUT}"));
    let out = |output: &str| mistake(&format!("format = 1\n{SINE}{output}"));
    for (found, expected) in [
        (
            wired(&cable("sine.out", "env.in")),
            "p.toml:9:8: there is no module `sine`; modules: `s` and `env`",
        ),
        (
            wired(&cable("s.out", "emv.in")),
            "p.toml:10:6: there is no module `emv`; did you mean `env`?",
        ),
        (
            wired(&cable("s.ot", "env.in")),
            "p.toml:9:8: module `s` has no output `ot`; did you mean `out`?",
        ),
        (
            wired(&cable("env.out", "s.in")),
            "p.toml:10:6: module `s` has no input `in`; did you mean `gain`?",
        ),
        (
            wired(&cable("env.in", "env.in")),
            "p.toml:9:8: module `env` has no output `in`; outputs: `out` and `env`",
        ),
        (
            wired(&cable("s", "env.in")),
            "p.toml:9:8: `s` names no port; write MODULE.PORT, as in \"sine.out\"",
        ),
        (
            wired("[[cable]]\nfrom = \"s.out\"\n"),
            "p.toml:8:1: [[cable]] without `to`; add `to = \"MODULE.INPUT\"`",
        ),
        (
            wired(&(cable("s.out", "env.in") + &cable("s.out", "env.in"))),
            "p.toml:12:8: this cable is there already; remove one of the two",
        ),
        (
            wired("[[cable]]\nfrom = \"s.out\"\nto = \"env.in\"\ndepth = \"deep\"\n"),
            "p.toml:11:9: `depth` is \"deep\"; write a number",
        ),
        (out(""), "p.toml:1:1: a patch without `output`; add [output]"),
        (
            out("[output]\nleft = \"s.out\"\n"),
            "p.toml:5:1: [output] without `right`; add `right = \"MODULE.OUTPUT\"`",
        ),
        (
            mistake(&format!("format = 1\noutput = 3\n{SINE}")),
            "p.toml:2:10: [output] is 3; write it as a table under [output]",
        ),
        (
            out("[output]\nleft = 5\nright = \"s.out\"\n"),
            "p.toml:6:8: a port is 5; write a string in quotes",
        ),
        (
            out("[output]\nleft = \"s.out\"\nright = \"s.out\"\nmid = 1\n"),
            "p.toml:8:1: [output] has no `mid`; it has: `left`, `right`, `limiter` and `dc_blocker`",
        ),
    ] {
        assert_eq!(found, expected);
    }
}

#[test]
fn cables_that_can_only_be_a_mistake() {
    let module = |id: &str, kind: &str| format!("[[module]]\nid = \"{id}\"\nkind = \"{kind}\"\n");
    let modules = [("seq", "steps"), ("t", "transpose"), ("env", "adsr"), ("drum", "kick")];
    let modules = modules.map(|(id, kind)| module(id, kind)).concat();
    let wired = |from: &str, to: &str| {
        let cable = format!("[[cable]]\nfrom = \"{from}\"\nto = \"{to}\"\n");
        let text = format!(
            "format = 1\n{modules}{cable}[output]\nleft = \"env.out\"\nright = \"env.out\"\n"
        );
        Patch::parse(&text, "p.toml").map_err(|error| error.to_string())
    };
    for (from, to, expected) in [
        (
            "seq.pitch",
            "env.gate",
            "p.toml:15:8: `seq.pitch` is a pitch, and `env.gate` takes a gate: high notes would hold \
             it open, low notes never open it; connect `seq.gate` instead",
        ),
        (
            "seq.pitch",
            "drum.gate",
            "p.toml:15:8: `seq.pitch` is a pitch, and `drum.gate` takes a trigger: it would not \
             follow the notes; connect `seq.trigger` instead",
        ),
        (
            "t.out",
            "env.gate",
            "p.toml:15:8: `t.out` is a pitch, and `env.gate` takes a gate: high notes would hold it \
             open, low notes never open it; connect the gate of what plays the notes (an `offset` \
             makes one of any signal)",
        ),
    ] {
        assert_eq!(wired(from, to).expect_err(to), expected);
    }
    // A jump of an octave, a drum that is struck, an envelope that opens for an instant, FM: all are meant.
    for (from, to) in [
        ("seq.gate", "t.in"),
        ("seq.gate", "drum.gate"),
        ("seq.trigger", "env.gate"),
        ("env.out", "t.in"),
        ("env.out", "drum.gate"),
        ("seq.velocity", "env.gate"),
        ("seq.pitch", "env.sustain"),
    ] {
        wired(from, to).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn a_kind_like_no_other_gets_all_kinds_for_an_answer() {
    let error = mistake("format = 1\n[[module]]\nid = \"s\"\nkind = \"qqqqqqqq\"\n");
    assert!(error.starts_with("p.toml:4:8: there is no kind of module `qqqqqqqq`; kinds: "));
    for entry in CATALOG.iter() {
        assert!(error.contains(&format!("`{}`", entry.spec.kind)), "{error}");
    }
}

#[test]
fn mistakes_in_the_whole() {
    for (text, expected) in [
        ("", "p.toml:1:1: a patch without `format`; add `format = 1`"),
        ("format = 2\n", "p.toml:1:10: the format is 2; this version reads `format = 1`"),
        ("format = 1\nnane = 3\n", "p.toml:2:1: a patch has no `nane`; did you mean `name`?"),
        ("format = 1\nname = 3\n", "p.toml:2:8: the name is 3; write a string in quotes"),
    ] {
        assert_eq!(mistake(text), expected);
    }
    let not_toml = mistake("format = 1\nname = \"ä\" oops\n");
    assert!(not_toml.starts_with("p.toml:2:12: not TOML: "), "columns are characters: {not_toml}");
    assert!(!not_toml.contains('\n'), "one line: {not_toml}");
}

#[test]
fn whatever_is_cut_out_of_a_patch_is_read_or_refused() {
    let text = Patch::first().text().to_owned();
    for start in 0..text.len() {
        let shorter = [&text[..start], &text[(start + 7).min(text.len())..]].concat();
        let _ = Patch::parse(&shorter, "cut.toml");
        let _ = Patch::parse(&text[..start], "cut.toml");
    }
}

#[test]
fn the_directory_leads_to_modules_and_helps_with_names() {
    let directory = Directory::of(&Patch::first());
    let (module, param, spec) = directory.param("filter", "cutoff").unwrap();
    assert_eq!((module.0, param.0, spec.name, spec.unit), (2, 1, "cutoff", "Hz"));
    assert_eq!(directory.gate("adsr").unwrap().0, 1);
    assert_eq!(directory.modules().count(), 3);
    for (error, expected) in [
        (
            directory.module("fliter").unwrap_err(),
            "there is no module `fliter`; did you mean `filter`?",
        ),
        (
            directory.module("reverb").unwrap_err(),
            "there is no module `reverb`; modules: `sine`, `adsr` and `filter`",
        ),
        (
            directory.param("sine", "freak").unwrap_err(),
            "module `sine` has no parameter `freak`; did you mean `freq`?",
        ),
        (
            directory.param("sine", "cutoff").unwrap_err(),
            "module `sine` has no parameter `cutoff`; parameters: `freq`, `gain` and `index`",
        ),
        (
            directory.gate("sine").unwrap_err(),
            "module `sine` has no gate; modules with a gate: `adsr`",
        ),
        (directory.gate("asdr").unwrap_err(), "there is no module `asdr`; did you mean `adsr`?"),
    ] {
        assert_eq!(error.to_string(), expected);
    }
}

const REFERENCE: &str = include_str!("../../../docs/patch-files.md");

#[test]
fn the_examples_of_the_reference_are_patches() {
    let examples: Vec<&str> = REFERENCE
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().expect("the end of the example"))
        .collect();
    assert!(examples.len() >= 2);
    for example in examples {
        if let Err(error) = Patch::parse(example, "example") {
            panic!("{error}\n{example}");
        }
    }
}

#[test]
fn the_reference_shows_a_real_message() {
    let text = Patch::first().text().replace("\"sine.out\"", "\"sin.out\"");
    let message = Patch::parse(&text, "my-patch.toml").unwrap_err().to_string();
    assert!(REFERENCE.contains(&message), "the reference should show:\n{message}");
}

#[test]
fn the_patches_in_the_documents_are_right() {
    let text = include_str!("../../../docs/patch-files.md");
    let mut count = 0;
    for part in text.split("```toml\n").skip(1) {
        let patch = part.split("```").next().expect("the end of the patch");
        Patch::parse(patch, "patch-files.md").unwrap_or_else(|error| panic!("{error}\n{patch}"));
        count += 1;
    }
    assert!(count >= 3, "{count} patches");
}

#[test]
fn texts_buses_and_transport() {
    let steps = "[[module]]\nid = \"t\"\nkind = \"steps\"\n";
    let text = format!(
        "format = 1\n{SINE}{steps}pattern = \"x.X.\"\n[transport]\ntempo = 99.5\nplaying = false\n\
         [[bus]]\nname = \"all\"\nleft = \"s.out\"\nright = \"s.out\"\n{OUTPUT}"
    );
    let patch = Patch::parse(&text, "p.toml").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(patch.modules()[1].texts()[0], "x.X.");
    let transport = patch.transport();
    assert_eq!((transport.tempo_bpm, transport.playing, transport.beats_per_bar), (99.5, false, 4));
    assert_eq!(patch.buses()[0].name, "all");
    let wrong = |from: &str, to: &str| mistake(&text.replace(from, to));
    for (found, expected) in [
        (wrong("x.X.", "x.Q."), "p.toml:8:11: `pattern` is \"x.Q.\"; "),
        (wrong("99.5", "nan"), "p.toml:10:9: `tempo` is nan; write a number from 1 to 1000"),
        (wrong("tempo", "temp"), "p.toml:10:1: [transport] has no `temp`; did you mean `tempo`?"),
        (wrong("\"all\"", "\"a b\""), "p.toml:13:8: the name is \"a b\"; write 1 to 64"),
        (
            wrong("left = \"s.out\"\nright = \"s.out\"\n[output]", "left = \"s.out\"\n[output]"),
            "p.toml:12:1: [[bus]] without `right`",
        ),
    ] {
        assert!(found.starts_with(expected), "{found}\nis not\n{expected}");
    }
}

#[test]
fn a_number_out_of_range_is_clamped_and_told_with_its_place() {
    let text = format!(
        "format = 1\n[[module]]\nid = \"s\"\nkind = \"sine\"\ngain = -1\nfreq = 1e300\n{OUTPUT}\
         [transport]\ntempo = 5000\nbeats_per_bar = 0\n"
    );
    let patch = Patch::parse(&text, "p.toml").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(patch.modules()[0].params()[..2], [20_000.0, 0.0]);
    assert_eq!((patch.transport().tempo_bpm, patch.transport().beats_per_bar), (1000.0, 1));
    let expected = [
        "p.toml:5:8: gain: -1 was clamped to 0; the range is 0 to 1",
        "p.toml:6:8: freq: 1e300 Hz was clamped to 20000 Hz; the range is 20 to 20000 Hz",
        "p.toml:11:9: a tempo of 5000 was clamped to 1000; the range is 1 to 1000 beats per minute",
        "p.toml:12:17: a bar of 0 beats was clamped to 1 beats; the range is 1 to 64 beats in a bar",
    ];
    assert_eq!(patch.remarks(), expected);
    // The choices of an enumeration are no range.
    let echo = text.replace("\"sine\"\ngain = -1\nfreq = 1e300", "\"biquad\"\nmode = 99");
    assert!(mistake(&echo).contains("`mode` is 99; choices: `low-pass`"));
    let many = "gain = 2\n[[module]]\nid = \"ID\"\nkind = \"sine\"\n";
    let many: String = (0..25).map(|n| many.replace("ID", &format!("m{n}"))).collect();
    let text = format!("format = 1\n{SINE}{many}{OUTPUT}");
    let told = Patch::parse(&text, "p.toml").expect("a patch").remarks();
    assert_eq!((told.len(), told[20].as_str()), (21, "and 5 more numbers out of range"));
}

/// All mistakes of a text.
fn mistakes(text: &str) -> Vec<String> {
    let found = Patch::parse_all(text, "p.toml").expect_err("mistakes");
    assert!(found.all().contains(&Patch::parse(text, "p.toml").expect_err("mistakes")));
    found.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn each_mistake_is_told_in_the_order_of_the_text_and_what_follows_from_one_is_not() {
    let text = "format = 1\nnane = 3\ntempo = 90\n\
                [[module]]\nid = \"a\"\nkind = \"sine\"\nfreq = true\ngian = 0.5\nchannels = 3\n\
                [[module]]\nid = \"b\"\nkind = \"sien\"\n\
                [[module]]\nid = \"a\"\nkind = \"adsr\"\nattak = 5\n\
                [[cable]]\nfrom = \"a.ot\"\nto = \"c.in\"\ndepth = \"x\"\n\
                [[cable]]\nfrom = \"b.out\"\nto = \"a.freq\"\n\
                [output]\nleft = \"b.out\"\nright = 5\nmid = 1\n\
                [transport]\ntempo = inf\n[[bus]]\nleft = \"a.out\"\n";
    let expected = [
        "p.toml:2:1: a patch has no `nane`; did you mean `name`?",
        "p.toml:3:1: a patch has no `tempo`; write it under [transport]",
        "p.toml:7:8: `freq` is true; write a number from 20 to 20000 Hz",
        "p.toml:8:1: module `a` of the kind `sine` has no `gian`; did you mean `gain`?",
        "p.toml:9:12: `channels` is 3; write 1, 4, 8 or 16",
        "p.toml:12:8: there is no kind of module `sien`; did you mean `sine`?",
        "p.toml:14:6: a second module with the id `a`; give each module its own id",
        "p.toml:16:1: module `?` of the kind `adsr` has no `attak`; did you mean `attack`?",
        "p.toml:18:8: module `a` has no output `ot`; did you mean `out`?",
        "p.toml:20:9: `depth` is \"x\"; write a number",
        "p.toml:26:9: a port is 5; write a string in quotes",
        "p.toml:27:1: [output] has no `mid`; it has: `left`, `right`, `limiter` and `dc_blocker`",
        "p.toml:29:9: `tempo` is inf; write a number from 1 to 1000",
        "p.toml:30:1: [[bus]] without `name`; add `name = \"NAME\"`",
        "p.toml:30:1: [[bus]] without `right`; add `right = \"MODULE.OUTPUT\"`",
    ];
    assert_eq!(mistakes(text), expected);
}

#[test]
fn many_mistakes_are_bounded() {
    let wrong = (0..25).map(|n| format!("wrong_{n} = 1\n")).collect::<Vec<_>>().concat();
    let found = mistakes(&format!("format = 1\n{SINE}{wrong}{OUTPUT}"));
    assert_eq!(found.len(), 21);
    assert_eq!(found[20], "and 5 more mistakes");
    let found = Patch::parse_all(&format!("format = 1\n{SINE}{wrong}{OUTPUT}"), "p.toml");
    assert_eq!(found.expect_err("mistakes").all().len(), 25);
}

#[test]
fn mistakes_of_syntax_are_told_together_with_the_rest() {
    let text = format!("format = 1\n{SINE}freq = 4 4\ngian = 1\n{OUTPUT}limiter = yes\n");
    let found = mistakes(&text);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found[0].starts_with("p.toml:5:") && found[0].contains("not TOML"), "{found:#?}");
    assert!(found[1].starts_with("p.toml:6:1: module `s` of the kind `sine` has no `gian`"));
    assert!(found[2].starts_with("p.toml:10:") && found[2].contains("not TOML"), "{found:#?}");
    // What a broken key would have said is not said to be missing.
    let found = mistakes(&format!("format = 1\n[[module]]\nid = \"s\nkind = \"sine\"\n{OUTPUT}"));
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn what_was_meant_is_said() {
    let single = SINE.replace("[[module]]", "[module] # one");
    let other = single.replace("\"s\"", "\"t\"");
    let whole = format!("format = 1\n{single}{other}{OUTPUT}");
    let found = mistakes(&whole);
    let expected = "p.toml:2:1: [module] in single brackets, and again in line 5; write [[module]] in \
                    double brackets, here and wherever it stands";
    assert_eq!(found, [expected]);
    let found = mistakes(&format!("format = 1\n{SINE}{other}{OUTPUT}"));
    assert_eq!(
        found,
        ["p.toml:5:1: [module] in single brackets; write [[module]] in double brackets"]
    );

    let mix = "[[module]]\nid = \"m\"\nkind = \"mixer\"\n";
    let cable = |from: &str, to: &str| format!("[[cable]]\nfrom = \"{from}\"\nto = \"{to}\"\n");
    let wired = |cable: String| mistakes(&format!("format = 1\n{SINE}{mix}{cable}{OUTPUT}"));
    assert_eq!(
        wired(cable("m.left_1", "s.out")),
        [
            "p.toml:9:8: module `m` has no output `left_1`; `left_1` is an input: swap `from` and `to`"
        ]
    );
    assert_eq!(wired(cable("m.left_1", "s.freq")).len(), 1, "that is no cable either way");

    let delay = |sync: &str| {
        let module = format!("[[module]]\nid = \"d\"\nkind = \"delay\"\nsync = \"{sync}\"\n");
        mistakes(&format!("format = 1\n{SINE}{module}{OUTPUT}")).remove(0)
    };
    for sync in ["1/8.", "1/8d", "1_8D", "1_8."] {
        let found = delay(sync);
        assert!(found.contains("did you mean `1_8d`? choices: `off`, `1_32`,"), "{found}");
    }
    assert!(delay("1/16T").contains("did you mean `1_16t`?"));
    let found = mistakes(&format!("format = 1\n{SINE}tempo = 90\n{OUTPUT}"));
    assert!(found[0].ends_with("has no `tempo`; write it under [transport]"), "{found:?}");
}
