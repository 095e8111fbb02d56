//! Guarantee: every address takes every argument form it promises, every mistake is answered by a
//! sentence that names what would be right, and no bytes can make the decoder panic.

use chronus_control::{Chaos, Crash, Order, Record, Target};
use chronus_engine::{
    ALL_NOTES, Command, Directory, Handle, Note, ParamIndex, Patch, TransportChange,
};
use chronus_osc::Request::Order as Asked;
use chronus_osc::{Decoded, ORDERS_MOST, OscType, Request, decode, encode_arguments, message};
use proptest::prelude::*;
use rosc::{OscBundle, OscMessage, OscPacket, OscTime};

fn directory() -> Directory {
    Directory::of(&Patch::first())
}

fn send(address: &str, args: Vec<OscType>) -> (Vec<Request>, Vec<String>) {
    let packet = message(address, args).expect("encodes");
    let decoded = decode(&packet, &directory());
    let requests = decoded.requests.into_iter().map(|timed| timed.request).collect();
    (requests, decoded.failures.into_iter().map(|failure| failure.reason).collect())
}

fn text(text: &str) -> OscType {
    OscType::String(text.to_owned())
}

fn param(module: u32, param: u16, value: f32) -> Vec<Request> {
    let (module, param) = (Handle(module), ParamIndex(param));
    vec![Asked(Order::Command(Command::SetParam { module, param, value }))]
}

fn gate(on: bool) -> Vec<Request> {
    vec![Asked(Order::Command(Command::Gate { module: Handle(1), on }))]
}

#[test]
fn a_parameter_takes_every_number_form_of_the_prototype() {
    let forms = [
        OscType::Int(880),
        OscType::Long(880),
        OscType::Float(880.0),
        OscType::Double(880.0),
        text("880"),
        text(" 880.0 "),
    ];
    for form in forms {
        assert_eq!(
            send("/mod/sine/freq", vec![form.clone()]),
            (param(0, 0, 880.0), vec![]),
            "{form:?}"
        );
        assert_eq!(send("/engine/freq", vec![form]).0, param(0, 0, 880.0));
    }
    assert_eq!(send("/engine/amp", vec![OscType::Bool(true)]).0, param(0, 1, 1.0));
}

/// What a message to a patch with a module `voices` becomes.
fn send_notes(address: &str, args: &[OscType]) -> Result<Note, String> {
    let text = "format = 1\n[[module]]\nid = \"voices\"\nkind = \"voices\"\n\
                [output]\nleft = \"voices.gate\"\nright = \"voices.gate\"\n";
    let directory = Directory::of(&Patch::parse(text, "notes.toml").expect("a patch"));
    let packet = message(address, args.to_vec()).expect("encodes");
    let decoded = decode(&packet, &directory);
    match decoded.requests.first().map(|timed| &timed.request) {
        Some(Asked(Order::Command(Command::Note { note, .. }))) => Ok(*note),
        other => {
            assert!(other.is_none(), "{other:?}");
            Err(decoded.failures[0].reason.clone())
        }
    }
}

#[test]
fn notes_begin_and_end() {
    let note = |on, key, velocity, id| Ok(Note { on, key, velocity, id });
    let [key, soft, id] = [OscType::Int(64), OscType::Float(0.25), OscType::Int(7)];
    let on = |args: &[OscType]| send_notes("/note/voices/on", args);
    assert_eq!(on(std::slice::from_ref(&key)), note(true, 64.0, 0.8, 0));
    assert_eq!(on(&[text("64.5"), soft.clone()]), note(true, 64.5, 0.25, 0));
    assert_eq!(on(&[key.clone(), soft.clone(), id.clone()]), note(true, 64.0, 0.25, 7));
    assert_eq!(on(&[key.clone(), OscType::Int(0)]), note(false, 64.0, 0.0, 0));
    let off = |args: &[OscType]| send_notes("/note/voices/off", args);
    assert_eq!(off(std::slice::from_ref(&key)), note(false, 64.0, 0.0, 0));
    assert_eq!(off(&[key.clone(), id]), note(false, 64.0, 0.0, 7));
    assert_eq!(off(&[]), note(false, 0.0, 0.0, ALL_NOTES));
    let mistakes = [
        (on(&[]), "give KEY, then optionally VELOCITY and ID"),
        (
            on(&[key, soft, OscType::Float(0.5)]),
            "0.5 is no id of a note; give a whole number from 1 to 4294967294",
        ),
    ];
    for (found, expected) in mistakes {
        assert_eq!(found, Err(expected.to_owned()));
    }
    assert!(send("/note/sine/on", vec![OscType::Int(60)]).1[0].contains("takes no notes"));
}

#[test]
fn a_gate_takes_every_form_of_the_prototype() {
    let on = [
        OscType::Int(1),
        OscType::Float(1.0),
        OscType::Bool(true),
        text("on"),
        text("1"),
        text("True"),
    ];
    let off = [
        OscType::Int(0),
        OscType::Double(0.0),
        OscType::Bool(false),
        text("off"),
        text("0"),
        text("false"),
    ];
    for (forms, expected) in [(on, true), (off, false)] {
        for form in forms {
            assert_eq!(
                send("/gate/adsr", vec![form.clone()]),
                (gate(expected), vec![]),
                "{form:?}"
            );
        }
    }
}

#[test]
fn the_other_addresses_are_understood() {
    assert_eq!(send("/engine/stop", vec![]).0, [Asked(Order::Command(Command::Mute(true)))]);
    assert_eq!(send("/engine/start", vec![]).0, [Asked(Order::Command(Command::Mute(false)))]);
    assert_eq!(send("/status", vec![]).0, [Asked(Order::Status)]);
    assert_eq!(send("/engine/status", vec![]).0, [Asked(Order::Status)]);
    let kill = Chaos::Kill { target: Target::Standby, signal: 19 };
    assert_eq!(
        send("/chaos/kill", vec![text("standby"), text("SIGSTOP")]).0,
        [Asked(Order::Chaos(kill))]
    );
    let kill = Chaos::Kill { target: Target::Slot(1), signal: 9 };
    assert_eq!(send("/chaos/kill", vec![OscType::Int(1)]).0, [Asked(Order::Chaos(kill))]);
    let crash = Chaos::Crash { target: Target::Primary, how: Crash::Loop };
    assert_eq!(
        send("/chaos/crash", vec![text("primary"), text("loop")]).0,
        [Asked(Order::Chaos(crash))]
    );
    assert_eq!(send("/ping", vec![OscType::Int(3)]).0, [Request::Ping(vec![OscType::Int(3)])]);
}

#[test]
fn a_value_out_of_range_is_clamped_and_said() {
    let (requests, said) = send("/engine/freq", vec![OscType::Int(30_000)]);
    assert_eq!(requests, param(0, 0, 20_000.0));
    assert_eq!(said, ["30000 Hz was clamped to 20000 Hz; the range is 20 to 20000 Hz"]);
    let (_, said) = send("/engine/freq", vec![OscType::Float(1.1)]);
    assert_eq!(said, ["1.1 Hz was clamped to 20 Hz; the range is 20 to 20000 Hz"]);
    let (_, said) = send("/engine/freq", vec![text("1e300")]);
    assert_eq!(said, ["1e300 Hz was clamped to 20000 Hz; the range is 20 to 20000 Hz"]);
}

#[test]
fn every_mistake_gets_a_sentence() {
    let mistakes: [(&str, Vec<OscType>, &str); 24] = [
        ("/mod/sin/freq", vec![OscType::Int(1)], "did you mean `sine`"),
        ("/mod/sine/frek", vec![OscType::Int(1)], "did you mean `freq`"),
        ("/mod/sine/freq", vec![], "an argument is missing; give 20 to 20000 Hz"),
        (
            "/mod/sine/freq",
            vec![OscType::Int(1), OscType::Int(2)],
            "there are 2 arguments, and one is wanted; give 20 to 20000 Hz",
        ),
        ("/mod/sine/freq", vec![text("loud")], "\"loud\" is not a number"),
        ("/mod/sine/freq", vec![OscType::Float(f32::NAN)], "NaN is not finite"),
        ("/mod/sine/freq", vec![text("1e999")], "inf is not finite"),
        ("/gate/sine", vec![OscType::Int(1)], "`sine` has no gate"),
        ("/gate/adsr", vec![text("maybe")], "give 1, 0, true, false, on or off"),
        ("/engine/stopp", vec![], "did you mean `/engine/stop`?"),
        (
            "/mod/filter/mode",
            vec![text("highpass")],
            "did you mean `high-pass`? choices: `low-pass`",
        ),
        ("/mod/filter/mode", vec![text("loud")], "has no choice \"loud\"; choices: `low-pass`"),
        ("/mod/filter/mode", vec![OscType::Nil], "is not set by this; choices: `low-pass`"),
        ("/mod/filter/cutoff", vec![text("c4")], "\"c4\" is not a number; give 20 to 20000 Hz"),
        ("/events", vec![text("perhaps")], "\"perhaps\" is neither on nor off; give 1, 0,"),
        ("/events", vec![OscType::Int(1), OscType::Int(1)], "one is wanted at most"),
        ("/transport/play", vec![text("now")], "\"now\" is neither on nor off"),
        ("/transport/tempo", vec![text("fast")], "give the tempo, from 1 to 1000 beats per minute"),
        ("/transport/beats_per_bar", vec![OscType::Float(3.3)], "a bar can't have 3.3 beats"),
        ("/status", vec![OscType::Int(1)], "this takes no arguments"),
        ("/engine/status", vec![OscType::Int(1)], "this takes no arguments"),
        ("/version", vec![text("2")], "this takes no arguments"),
        (
            "/patch/connect",
            vec![text("a.b"), text("c.d"), text("deep")],
            "give a depth such as 0.5",
        ),
        ("/chaos/crash", vec![text("workers"), text("loop")], "give primary, standby or a slot"),
    ];
    for (address, args, wanted) in mistakes {
        let (requests, said) = send(address, args);
        assert!(requests.is_empty(), "{address}");
        assert!(
            said.len() == 1 && said[0].contains(wanted),
            "{address}: {said:?} lacks {wanted:?}"
        );
    }
}

#[test]
fn choices_are_called_by_name_by_number_or_by_the_nearest_number() {
    let mode = |arg| {
        let (requests, said) = send("/mod/filter/mode", vec![arg]);
        assert!(said.is_empty(), "{said:?}");
        match requests[..] {
            [Asked(Order::Command(Command::SetParam { value, .. }))] => value,
            _ => panic!("{requests:?}"),
        }
    };
    for arg in [text("high-pass"), OscType::Int(1), OscType::Float(1.4), OscType::Float(0.6)] {
        assert_eq!(mode(arg.clone()), 1.0, "{arg:?}");
    }
}

#[test]
fn toggles_and_buttons_bring_their_state_along() {
    let ask = |address: &str, args: &[OscType]| {
        let (requests, said) = send(address, args.to_vec());
        assert!(said.is_empty(), "{address}: {said:?}");
        requests
    };
    let play =
        |plays| vec![Asked(Order::Command(Command::Transport(TransportChange::Play(plays))))];
    let mute = |mutes| vec![Asked(Order::Command(Command::Mute(mutes)))];
    let (one, zero) = (OscType::Int(1), OscType::Float(0.0));
    for pressed in [&[][..], &[one], &[text("on")], &[OscType::Bool(true)]] {
        assert_eq!(ask("/transport/play", pressed), play(true));
        assert_eq!(ask("/transport/stop", pressed), play(false));
        assert_eq!(ask("/engine/start", pressed), mute(false));
        assert_eq!(ask("/engine/stop", pressed), mute(true));
        assert_eq!(ask("/events", pressed), [Asked(Order::Events(true))]);
    }
    for released in [&[zero][..], &[text("off")], &[OscType::Bool(false)]] {
        assert_eq!(ask("/transport/play", released), play(false));
        assert_eq!(ask("/transport/stop", released), []);
        assert_eq!(ask("/engine/start", released), mute(true));
        assert_eq!(ask("/engine/stop", released), []);
        assert_eq!(ask("/events", released), [Asked(Order::Events(false))]);
    }
}

#[test]
fn any_number_above_0_opens_a_gate() {
    for (number, opens) in [(2.0, true), (0.5, true), (0.0, false), (-1.0, false)] {
        assert_eq!(send("/gate/adsr", vec![OscType::Float(number)]).0, gate(opens), "{number}");
    }
}

#[test]
fn ids_of_notes_are_whole_to_the_last() {
    let on = |id| send_notes("/note/voices/on", &[OscType::Int(60), OscType::Int(1), id]);
    for id in [OscType::Long(4_294_967_294), text("4294967294"), OscType::Double(4_294_967_294.0)] {
        assert_eq!(on(id.clone()).map(|note| note.id), Ok(4_294_967_294), "{id:?}");
    }
    let wrong = [
        (OscType::Long(4_294_967_295), "4294967295"),
        (OscType::Long(9_007_199_254_740_993), "9007199254740993"),
        (OscType::Int(0), "0"),
        (text("-1"), "-1"),
        (OscType::Float(1e30), "1e30"),
    ];
    for (id, shown) in wrong {
        let expected =
            format!("{shown} is no id of a note; give a whole number from 1 to 4294967294");
        assert_eq!(on(id), Err(expected));
    }
    let key = send_notes("/note/voices/on", &[text("c4")]);
    let expected = "\"c4\" is not a number; give a MIDI note number from 0 to 127; 60 is middle C";
    assert_eq!(key, Err(expected.to_owned()));
}

#[test]
fn a_text_may_be_a_number() {
    let text = "format = 1\n[[module]]\nid = \"track\"\nkind = \"steps\"\n\
                [output]\nleft = \"track.gate\"\nright = \"track.gate\"\n";
    let directory = Directory::of(&Patch::parse(text, "track.toml").expect("a patch"));
    let notes = |arg| {
        let packet = message("/seq/track/notes", vec![arg]).expect("encodes");
        let mut decoded = decode(&packet, &directory);
        match decoded.requests.pop().map(|timed| timed.request) {
            Some(Asked(Order::Text { value, .. })) => Ok(value),
            _ => Err(decoded.failures[0].reason.clone()),
        }
    };
    for (arg, expected) in [
        (OscType::Int(0), "0"),
        (OscType::Long(-5), "-5"),
        (OscType::Float(0.5), "0.5"),
        (OscType::String("-5 0".into()), "-5 0"),
    ] {
        assert_eq!(notes(arg), Ok(expected.to_owned()));
    }
    assert!(notes(OscType::Bool(true)).expect_err("no text").contains("`notes` is a text"));
}

#[test]
fn an_address_that_is_missing_is_told() {
    for (address, wanted) in [("", "the address is missing"), ("status", "did you mean `/status`?")]
    {
        assert!(message(address, vec![]).expect_err("no address").contains(wanted));
    }
}

#[test]
fn the_rest_of_a_bundle_is_taken_and_keeps_its_order_and_time() {
    let to =
        |addr: &str, arg| OscPacket::Message(OscMessage { addr: addr.to_owned(), args: vec![arg] });
    let bundle = OscPacket::Bundle(OscBundle {
        timetag: OscTime { seconds: 2_208_988_800 + 10, fractional: 1 << 31 },
        content: vec![
            to("/gate/adsr", OscType::Int(1)),
            to("/mod/none/freq", OscType::Int(1)),
            to("/mod/sine/freq", OscType::Int(100)),
        ],
    });
    let decoded = decode(&rosc::encoder::encode(&bundle).expect("encodes"), &directory());
    let times: Vec<_> = decoded.requests.iter().map(|timed| timed.time_wall_ns).collect();
    assert_eq!(times, [Some(10_500_000_000); 2]);
    assert_eq!(decoded.requests[0].request, gate(true)[0]);
    assert_eq!(decoded.failures.len(), 1);
}

#[test]
fn a_broken_element_costs_only_itself() {
    let good = message("/gate/adsr", vec![OscType::Int(1)]).expect("encodes");
    let mut bundle = b"#bundle\0\0\0\0\0\0\0\0\x01".to_vec();
    for element in [&b"/mod/sine/freq\0\0,f\0\0"[..], &good] {
        bundle.extend((element.len() as u32).to_be_bytes());
        bundle.extend(element);
    }
    let decoded = decode(&bundle, &directory());
    assert_eq!((decoded.requests.len(), decoded.failures.len()), (1, 1), "{decoded:?}");
}

#[test]
fn patterns_reach_all_that_match() {
    let (requests, said) = send("/mod/{sine,filter}/*", vec![OscType::Int(1)]);
    assert!(requests.len() >= 5, "{requests:?}");
    assert!(said.iter().all(|reason| reason.contains("clamped")), "{said:?}");
    for pattern in ["sine*", "s[a-z]ne", "{sine,saw}", "s?ne"] {
        let address = format!("/mod/{pattern}/freq");
        assert_eq!(send(&address, vec![OscType::Int(880)]).0, param(0, 0, 880.0), "{pattern}");
    }
    assert_eq!(send("/gate/*", vec![OscType::Int(1)]).0, gate(true));
    assert_eq!(send("/gate/x*", vec![OscType::Int(1)]).1, ["no module matches `x*`"]);
}

#[test]
fn notes_and_texts_reach_all_that_match() {
    let module = |id: &str, kind: &str| format!("[[module]]\nid = \"{id}\"\nkind = \"{kind}\"\n");
    let text_of_patch = [
        "format = 1\n".into(),
        module("low", "voices"),
        module("high", "voices"),
        module("high_track", "steps"),
        module("low_track", "steps"),
        "[output]\nleft = \"low.gate\"\nright = \"low.gate\"\n".into(),
    ]
    .concat();
    let directory = Directory::of(&Patch::parse(&text_of_patch, "all.toml").expect("a patch"));
    let send = |address: &str, argument: OscType| {
        let packet = message(address, vec![argument]).expect("encodes");
        let Decoded { requests, failures, .. } = decode(&packet, &directory);
        let reached: Vec<u32> = requests
            .iter()
            .map(|timed| match &timed.request {
                Asked(
                    Order::Command(Command::Note { module, .. }) | Order::Text { module, .. },
                ) => module.0,
                other => panic!("{other:?}"),
            })
            .collect();
        (reached, failures.into_iter().map(|failure| failure.reason).collect::<Vec<_>>())
    };
    assert_eq!(send("/note/*/on", OscType::Int(60)), (vec![0, 1], vec![]));
    assert_eq!(send("/note/{low,low_track}/off", OscType::Int(60)), (vec![0], vec![]));
    assert_eq!(send("/seq/*_track/pattern", text("x.")), (vec![2, 3], vec![]));
    assert_eq!(send("/seq/h*/pattern", text("x.")), (vec![2], vec![]));
    let (none, why) = send("/seq/l[a-z]w/pattern", text("x."));
    assert_eq!(
        (none, why),
        (vec![], vec!["no module with a text `pattern` matches `l[a-z]w`".into()])
    );
    let (none, why) = send("/note/*track/on", OscType::Int(60));
    assert!(none.is_empty() && why[0].contains("matches `*track`"), "{why:?}");
}

#[test]
fn cut_and_hostile_packets_are_refused() {
    let whole = message("/mod/sine/freq", vec![OscType::Int(440)]).expect("encodes");
    for length in 0..whole.len() {
        let decoded = decode(&whole[..length], &directory());
        assert!(decoded.requests.is_empty(), "cut to {length} bytes");
        assert_eq!(decoded.failures.len(), 1, "cut to {length} bytes");
    }
    let mut deep = Vec::new();
    for _ in 0..4000 {
        let mut outer = b"#bundle\0\0\0\0\0\0\0\0\x01".to_vec();
        outer.extend((deep.len() as u32).to_be_bytes());
        outer.extend(&deep);
        deep = outer;
        if deep.len() > 60_000 {
            break;
        }
    }
    assert_eq!(decode(&deep, &directory()).failures.len(), 1);
}

#[test]
fn arrays_within_arrays_can_not_exhaust_the_stack() {
    let mut packet = b"/mod/sine/freq\0\0,".to_vec();
    packet.resize(60_000, b'[');
    packet.extend([0; 4]);
    let decoded = decode(&packet, &directory());
    assert!(decoded.failures[0].reason.contains("nested"), "{decoded:?}");
    let mut bundle = b"#bundle\0\0\0\0\0\0\0\0\x01".to_vec();
    bundle.extend((packet.len() as u32).to_be_bytes());
    bundle.extend(packet);
    assert_eq!(decode(&bundle, &directory()).failures.len(), 1);
}

#[test]
fn arguments_are_read_as_typed() {
    let words: Vec<String> =
        ["1", "0.5", "true", "on", "s:7", "d:1", "h:2", "4294967295"].map(String::from).into();
    let expected = vec![
        OscType::Int(1),
        OscType::Float(0.5),
        OscType::Bool(true),
        text("on"),
        text("7"),
        OscType::Double(1.0),
        OscType::Long(2),
        OscType::Long(4_294_967_295),
    ];
    assert_eq!(encode_arguments(&words), Ok(expected));
    assert!(encode_arguments(&["i:x".to_owned()]).is_err());
}

proptest! {
    #[test]
    fn no_bytes_can_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes, &directory());
    }

    #[test]
    fn no_mutation_of_a_packet_can_make_it_panic(at in 0_usize..24, byte: u8, bundled: bool) {
        let inner = message("/mod/sine/freq", vec![OscType::Int(440), text("a")]).expect("encodes");
        let mut packet = if bundled {
            let mut bundle = b"#bundle\0\0\0\0\0\0\0\0\x01".to_vec();
            bundle.extend((inner.len() as u32).to_be_bytes());
            bundle.extend(inner);
            bundle
        } else {
            inner
        };
        packet[at] = byte;
        let decoded = decode(&packet, &directory());
        prop_assert!(decoded.requests.len() <= 1);
    }
}

#[test]
fn a_recording_is_asked_for_with_or_without_name_and_format() {
    let start = |file: Option<&str>, format: Option<&str>| {
        let (file, format) = (file.map(str::to_owned), format.map(str::to_owned));
        (vec![Asked(Order::Record(Record::Start { file, format }))], Vec::<String>::new())
    };
    assert_eq!(send("/record/start", vec![]), start(None, None));
    assert_eq!(send("/record/start", vec![text("a/b.wav")]), start(Some("a/b.wav"), None));
    assert_eq!(send("/record/start", vec![OscType::Int(7)]), start(Some("7"), None));
    let both = vec![text(""), OscType::Int(24)];
    assert_eq!(send("/record/start", both), start(None, Some("24")));
    assert_eq!(send("/record/stop", vec![]).0, [Asked(Order::Record(Record::Stop))]);
    assert_eq!(send("/record/status", vec![]).0, [Asked(Order::Record(Record::Status))]);
    for (address, args) in [
        ("/record/start", vec![OscType::Float(1.5)]),
        ("/record/start", vec![text("a"), text("24"), text("b")]),
        ("/record/stop", vec![text("now")]),
    ] {
        let (requests, failures) = send(address, args);
        assert!(requests.is_empty() && failures.len() == 1, "{address}");
    }
}

#[test]
fn a_packet_that_asks_for_too_much_is_taken_up_to_there_and_that_is_told_once() {
    let message = |n: i32| {
        let (addr, args) = ("/mod/*/*".to_owned(), vec![OscType::Int(n)]);
        rosc::OscPacket::Message(rosc::OscMessage { addr, args })
    };
    let timetag = rosc::OscTime { seconds: 0, fractional: 1 };
    let content = (0..1000).map(message).collect();
    let bundle = rosc::OscPacket::Bundle(rosc::OscBundle { timetag, content });
    let decoded = decode(&rosc::encoder::encode(&bundle).expect("encodes"), &directory());
    assert!(decoded.requests.len() <= ORDERS_MOST && decoded.requests.len() > ORDERS_MOST - 100);
    assert!(!decoded.failures[0].clamped, "it is told before anything else");
    let told = decoded.failures.iter().filter(|failure| !failure.clamped);
    let told: Vec<_> = told.map(|failure| failure.reason.as_str()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("more than 4096 things") && told[0].contains("several packets"));
}
