//! Guarantee: OSC is read as generously as others read it. What is good in a packet is done, and the rest told.

use chronus_control::Order;
use chronus_engine::{Command, Directory, Note, Patch, TransportChange};
use chronus_osc::Request::Order as Asked;
use chronus_osc::{Decoded, OscType, Request, decode, message};

const TEXT: &str = "format = 1\n[[module]]\nid = \"v\"\nkind = \"voices\"\n\
                    [[module]]\nid = \"sine\"\nkind = \"sine\"\n\
                    [[module]]\nid = \"track\"\nkind = \"steps\"\n\
                    [[module]]\nid = \"tuned\"\nkind = \"quantizer\"\n\
                    [[module]]\nid = \"adsr\"\nkind = \"adsr\"\n\
                    [[module]]\nid = \"echo\"\nkind = \"delay\"\n\
                    [output]\nleft = \"sine.out\"\nright = \"sine.out\"\n";

fn read(packet: &[u8]) -> Decoded {
    decode(packet, &Directory::of(&Patch::parse(TEXT, "generous.toml").expect("a patch")))
}

fn requests(decoded: &Decoded) -> Vec<Request> {
    decoded.requests.iter().map(|timed| timed.request.clone()).collect()
}

fn play(on: bool) -> Vec<Request> {
    vec![Asked(Order::Command(Command::Transport(TransportChange::Play(on))))]
}

fn bundle(timetag: u64, elements: &[&[u8]]) -> Vec<u8> {
    let mut bundle = b"#bundle\0".to_vec();
    bundle.extend(timetag.to_be_bytes());
    for element in elements {
        bundle.extend((element.len() as u32).to_be_bytes());
        bundle.extend(*element);
    }
    bundle
}

fn is_done(packet: &[u8], expected: &[Request]) {
    let decoded = read(packet);
    assert_eq!(requests(&decoded), expected, "{packet:?}");
    assert!(decoded.failures.is_empty(), "{:?}", decoded.failures);
}

fn refusal(packet: &[u8]) -> (String, String) {
    let mut decoded = read(packet);
    assert!(decoded.requests.is_empty(), "{decoded:?}");
    assert_eq!(decoded.failures.len(), 1, "{decoded:?}");
    let failure = decoded.failures.remove(0);
    (failure.address, failure.reason)
}

#[test]
fn a_message_without_type_tags_has_no_arguments() {
    is_done(b"/transport/stop\0", &play(false));
    is_done(b"/transport/stop", &play(false));
    is_done(b"/status\0", &[Asked(Order::Status)]);
    is_done(
        &bundle(1, &[b"/transport/play\0", b"/transport/stop\0"]),
        &[play(true), play(false)].concat(),
    );
    let (address, reason) = refusal(b"/transport/tempo\0\0\0\0");
    assert!(address == "/transport/tempo" && reason.contains("an argument is missing"), "{reason}");
    // Nobody knows what follows an address without types.
    let decoded = read(b"/transport/stop\0\x3f\x80\0\0");
    assert_eq!(requests(&decoded), play(false));
    assert!(decoded.failures[0].reason.contains("4 bytes behind the last message"), "{decoded:?}");
}

#[test]
fn a_symbol_is_a_text() {
    let gate = read(b"/gate/adsr\0\0,S\0\0on\0\0");
    assert!(matches!(requests(&gate)[..], [Asked(Order::Command(Command::Gate { on: true, .. }))]));
    let note = read(b"/note/v/on\0\0,iSS\0\0\0\0\0\0\0\x3c0.5\x007\0\0\0");
    let expected = Note { on: true, key: 60.0, velocity: 0.5, id: 7 };
    assert!(
        matches!(requests(&note)[..], [Asked(Order::Command(Command::Note { note, .. }))] if note == expected)
    );
    let ping = read(b"/ping\0\0\0,Sc\0kick\0\0\0\0\0\0\0x");
    let args = vec![OscType::String("kick".into()), OscType::Char('x')];
    assert_eq!(requests(&ping), [Request::Ping(args)]);
}

#[test]
fn a_button_is_pressed_by_impulse_or_by_nothing() {
    for address in ["/transport/play", "/events", "/engine/start"] {
        let plain = read(&message(address, vec![]).expect("encodes"));
        for arg in [OscType::Inf, OscType::Nil, OscType::Bool(true)] {
            is_done(&message(address, vec![arg]).expect("encodes"), &requests(&plain));
        }
    }
    for arg in [OscType::Inf, OscType::Nil] {
        is_done(&message("/status", vec![arg.clone()]).expect("encodes"), &[Asked(Order::Status)]);
        is_done(&message("/transport/stop", vec![arg]).expect("encodes"), &play(false));
    }
    is_done(
        &message("/transport/play", vec![OscType::Bool(false)]).expect("encodes"),
        &play(false),
    );
    let gate = read(&message("/gate/adsr", vec![OscType::Inf]).expect("encodes"));
    assert!(matches!(requests(&gate)[..], [Asked(Order::Command(Command::Gate { on: true, .. }))]));
    // A number that is none is neither.
    for arg in [OscType::Float(f32::INFINITY), OscType::Double(f64::NAN)] {
        let (_, reason) = refusal(&message("/gate/adsr", vec![arg]).expect("encodes"));
        assert!(reason.contains("is neither on nor off"), "{reason}");
    }
}

#[test]
fn every_type_of_osc_is_read() {
    let args = vec![
        OscType::Long(1 << 40),
        OscType::Double(0.5),
        OscType::Time((7, 8).into()),
        OscType::Char('c'),
        OscType::Color(rosc::OscColor { red: 1, green: 2, blue: 3, alpha: 4 }),
        OscType::Midi(rosc::OscMidiMessage { port: 0, status: 0x90, data1: 60, data2: 100 }),
        OscType::Blob(vec![1, 2, 3]),
        OscType::Array(rosc::OscArray { content: vec![OscType::Int(1)] }),
        OscType::Nil,
    ];
    is_done(&message("/ping", args.clone()).expect("encodes"), &[Request::Ping(args.clone())]);
    for (arg, what) in
        args[2..].iter().zip(["a timetag", "\"c\"", "a colour", "a MIDI message", "a blob"])
    {
        let (address, reason) =
            refusal(&message("/transport/tempo", vec![arg.clone()]).expect("encodes"));
        assert!(address == "/transport/tempo" && reason.contains(what), "{reason}");
    }
    let tempo = vec![Asked(Order::Command(Command::Transport(TransportChange::Tempo(9.0))))];
    for arg in [OscType::Char('9'), OscType::Long(9), OscType::Double(9.0)] {
        is_done(&message("/transport/tempo", vec![arg]).expect("encodes"), &tempo);
    }
    let (address, reason) = refusal(b"/ping\0\0\0,q\0\0");
    assert!(address == "/ping" && reason.contains("no type `q`; the types are i, f"), "{reason}");
    let (address, reason) = refusal(b"/ping\0\0\0,s\0\0\xff\xfe\0\0");
    assert!(address == "/ping" && reason.contains("UTF-8"), "{reason}");
}

#[test]
fn an_array_has_a_beginning_and_an_end() {
    let ping = |tags: &str, ints: usize| {
        let mut packet = b"/ping\0\0\0,".to_vec();
        packet.extend(tags.bytes());
        packet.resize((packet.len() / 4 + 1) * 4, 0);
        packet.extend((1..=ints as u32).flat_map(u32::to_be_bytes));
        packet
    };
    let array = |content: Vec<OscType>| OscType::Array(rosc::OscArray { content });
    let [one, two] = [1, 2].map(OscType::Int);
    let inner = array(vec![one.clone()]);
    for (tags, expected) in [
        ("[]", vec![array(vec![])]),
        ("[i]i", vec![inner.clone(), two.clone()]),
        ("[[i]i]", vec![array(vec![inner, two])]),
    ] {
        is_done(&ping(tags, tags.matches('i').count()), &[Request::Ping(expected)]);
    }
    for tags in ["[", "[[i", "[i", "i[", "[[i]", "i[i][", "[S"] {
        let (address, reason) = refusal(&ping(tags, tags.matches('i').count()));
        assert!(address == "/ping" && reason.contains("no end; send a `]` for each `[`"), "{tags}");
    }
    for tags in ["]", "i]", "[i]]", "][", "]i["] {
        let (address, reason) = refusal(&ping(tags, tags.matches('i').count()));
        assert!(address == "/ping" && reason.contains("has not begun; send a `[`"), "{tags}");
    }
    // It costs only itself.
    let decoded = read(&bundle(1, &[&ping("[[i", 1), &ping("i", 1)]));
    assert_eq!((requests(&decoded), decoded.failures.len()), (vec![Request::Ping(vec![one])], 1));
}

#[test]
fn what_follows_a_good_message_is_told_and_it_is_done() {
    let ping = message("/ping", vec![OscType::Int(7)]).expect("encodes");
    let expected = [Request::Ping(vec![OscType::Int(7)])];
    let zeros = [0_u8; 16];
    for count in [1, 2, 3, 4, 8, 13] {
        for packet in [&ping[..], &bundle(1, &[&ping]), &bundle(1, &[&bundle(1, &[&ping])])] {
            let decoded = read(&[packet, &zeros[..count]].concat());
            assert_eq!(requests(&decoded), expected, "{count} bytes");
            assert!((1..=2).contains(&decoded.failures.len()), "{decoded:?}");
            for failure in &decoded.failures {
                let is_told = failure.reason.contains("left out; the rest is done");
                assert!(is_told && failure.address.is_empty(), "{failure:?}");
            }
        }
    }
    // Inside an element, too; and what is cut costs only itself.
    let decoded = read(&bundle(1, &[&[&ping[..], &zeros[..4]].concat(), &ping]));
    assert_eq!((requests(&decoded).len(), decoded.failures.len()), (2, 1), "{decoded:?}");
    let cut = bundle(1, &[&ping, &ping]);
    let decoded = read(&cut[..cut.len() - 1]);
    assert_eq!(requests(&decoded), expected);
    assert!(decoded.failures[0].reason.contains("cut short"), "{decoded:?}");
}

#[test]
fn elements_of_no_bytes_are_told_once() {
    let ping = message("/ping", vec![]).expect("encodes");
    let decoded = read(&bundle(1, &[b"", &ping, b"", &bundle(1, &[b"", &ping])]));
    assert_eq!(requests(&decoded), [Request::Ping(vec![]), Request::Ping(vec![])]);
    assert_eq!(decoded.failures.len(), 1);
    assert!(decoded.failures[0].reason.starts_with("3 of the bundle's elements"), "{decoded:?}");
    is_done(&bundle(1, &[]), &[]);
    // A packet of nothing else, or of nonsense, is answered by a few sentences and not by thousands.
    let decoded = read(&bundle(1, &vec![&b""[..]; 16_000]));
    assert_eq!(decoded.failures.len(), 1);
    let decoded = read(&bundle(1, &vec![&ping[..]; 2000]));
    assert_eq!(
        (decoded.requests.len(), decoded.failures.len()),
        (1023, 1),
        "the bundle counts, too"
    );
}

#[test]
fn bundles_within_bundles_have_their_own_time() {
    const S: u64 = 1 << 32;
    let ping = message("/ping", vec![]).expect("encodes");
    let inner = bundle((2_208_988_800 + 20) * S, &[&ping]);
    let outer = bundle((2_208_988_800 + 10) * S, &[&ping, &inner, &bundle(1, &[&ping]), &ping]);
    let times: Vec<_> = read(&outer).requests.iter().map(|timed| timed.time_wall_ns).collect();
    assert_eq!(times, [Some(10_000_000_000), Some(20_000_000_000), None, Some(10_000_000_000)]);
    let mut deep = ping;
    for _ in 0..8 {
        deep = bundle(1, &[&deep]);
    }
    assert_eq!(read(&deep).requests.len(), 1);
    assert!(read(&bundle(1, &[&deep])).failures[0].reason.contains("nested 8 deep"));
}

#[test]
fn timetags_go_on_after_2036() {
    let ping = message("/ping", vec![]).expect("encodes");
    let time = |seconds: u64, fraction: u64| {
        read(&bundle(seconds << 32 | fraction, &[&ping])).requests[0].time_wall_ns
    };
    // 2036-02-07, 06:28:16 UTC: the seconds of NTP begin anew.
    let turn_s = (1_u64 << 32) - 2_208_988_800;
    assert_eq!(turn_s, 2_085_978_496);
    assert_eq!(time(0xffff_ffff, 0), Some((turn_s - 1) * 1_000_000_000));
    assert_eq!(time(0, 1 << 31), Some(turn_s * 1_000_000_000 + 500_000_000));
    assert_eq!(time(86_400, 0), Some((turn_s + 86_400) * 1_000_000_000));
    assert_eq!(time(2_208_988_800, 0), Some(0));
    // Immediately; and from before anybody could mean it.
    assert_eq!([time(0, 1), time(0, 0), time(2_208_988_799, 0)], [None; 3]);
}

#[test]
fn numbers_out_of_range_are_clamped_and_told_everywhere_alike() {
    let note = |decoded: &Decoded| match requests(decoded)[..] {
        [Asked(Order::Command(Command::Note { note, .. }))] => note,
        _ => panic!("{decoded:?}"),
    };
    let note_of = |address: &str, args: Vec<OscType>| {
        let decoded = read(&message(address, args).expect("encodes"));
        let told: Vec<_> = decoded.failures.iter().map(|it| it.reason.clone()).collect();
        assert!(decoded.failures.iter().all(|it| it.clamped), "{decoded:?}");
        (note(&decoded), told)
    };
    let (loud, told) = note_of("/note/v/on", vec![OscType::Int(60), OscType::Int(100)]);
    assert_eq!((loud.velocity, told.len()), (1.0, 1));
    assert!(
        told[0].starts_with("a velocity of 100 was clamped to 1; the range is 0 to 1"),
        "{told:?}"
    );
    let (low, told) =
        note_of("/note/v/on", vec![OscType::Int(-3), OscType::Float(-1.0), OscType::Int(1)]);
    assert_eq!((low.key, low.velocity, low.on, low.id, told.len()), (0.0, 0.0, false, 1, 2));
    let (high, told) = note_of("/note/v/off", vec![OscType::Int(128)]);
    assert_eq!((high.key, high.on, told.len()), (127.0, false, 1));
    for (address, value, expected, sentence) in [
        (
            "/transport/tempo",
            5000.0,
            TransportChange::Tempo(1000.0),
            "a tempo of 5000 was clamped to 1000",
        ),
        ("/transport/tempo", -1.0, TransportChange::Tempo(1.0), "a tempo of -1 was clamped to 1"),
        ("/transport/position", -1.0, TransportChange::Position(0.0), "beat -1 was clamped to 0"),
        ("/transport/position", 1e20, TransportChange::Position(1e9), "was clamped to 1000000000"),
        (
            "/transport/beats_per_bar",
            99.0,
            TransportChange::BeatsPerBar(64),
            "a bar of 99 beats was clamped to 64",
        ),
        (
            "/transport/beats_per_bar",
            0.0,
            TransportChange::BeatsPerBar(1),
            "a bar of 0 beats was clamped to 1",
        ),
    ] {
        let decoded = read(&message(address, vec![OscType::Double(value)]).expect("encodes"));
        assert_eq!(requests(&decoded), [Asked(Order::Command(Command::Transport(expected)))]);
        let failure = &decoded.failures[0];
        assert!(failure.clamped && failure.reason.contains(sentence), "{failure:?}");
    }
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for address in ["/transport/tempo", "/transport/position", "/note/v/on", "/mod/sine/freq"] {
            let (_, reason) =
                refusal(&message(address, vec![OscType::Double(value)]).expect("encodes"));
            assert!(reason.contains("is not finite"), "{reason}");
        }
    }
}

#[test]
fn a_text_sent_as_a_parameter_is_shown_its_way() {
    let (_, reason) = refusal(
        &message("/mod/track/pattern", vec![OscType::String("x.".into())]).expect("encodes"),
    );
    assert!(reason.contains("send it to /seq/track/pattern"), "{reason}");
    let (_, reason) = refusal(&message("/seq/sine/freq", vec![OscType::Int(1)]).expect("encodes"));
    assert!(reason.contains("send it to /mod/sine/freq"), "{reason}");
    let note = OscType::String("1/8.".into());
    let (_, reason) = refusal(&message("/mod/echo/sync", vec![note]).expect("encodes"));
    assert!(reason.contains("did you mean `1_8d`? choices: `off`, `1_32`"), "{reason}");
}

#[test]
fn a_scala_file_may_be_sent_as_it_is() {
    let text = |value: &str| {
        let packet = message("/seq/tuned/scale", vec![OscType::String(value.to_owned())]);
        let decoded = read(&packet.expect("encodes"));
        assert!(decoded.failures.is_empty(), "{decoded:?}");
        match requests(&decoded)[..] {
            [Asked(Order::Text { ref value, .. })] => value.clone(),
            _ => panic!("{decoded:?}"),
        }
    };
    let file = "! a.scl\n!\nof two\n 2\n!\n 3/2 fifth\n 2/1\n";
    assert_eq!(text(file), file);
    let long = format!("! {}\n{file}", "x".repeat(1000));
    assert_eq!(text(&long), "!\n\n2\n3/2\n2/1\n");
}
