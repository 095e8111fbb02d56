//! OSC packets against the modules of all kinds: whatever is decoded can be written into the log, read back
//! and applied, and whatever is not is answered with a sentence.

use chronus_control::{Event, Order, PatchRequest, Reply};
use chronus_engine::patch::Document;
use chronus_engine::{Command, Controls, Directory, TextPiece};
use chronus_osc::{OscType, Request, decode, encode, event, fail, message};

use crate::instruments::{EVERYTHING, RATE_HZ, TEXTS};

/// The target.
pub fn run(packet: &[u8]) {
    let decoded = decode(packet, &Directory::of(&EVERYTHING));
    for failure in &decoded.failures {
        assert!(!failure.reason.is_empty());
        let _ = fail(&failure.address, &failure.reason);
    }
    if has_half_an_array(packet) {
        assert!(decoded.requests.is_empty() && !decoded.failures.is_empty(), "{decoded:?}");
    }
    let mut controls = Controls::of(&EVERYTHING);
    let mut draft = Document::parse(TEXTS[0]).expect("TOML");
    for timed in decoded.requests {
        let _ = encode(&timed.address, &Reply::Done(String::new()));
        let _ = event(&Event::Enable { module: timed.address.clone() });
        let Request::Order(order) = timed.request else { continue };
        match order {
            Order::Command(command) => apply(&mut controls, &command),
            Order::Text { module, text, value } => {
                for piece in TextPiece::all_of(text, &value) {
                    apply(&mut controls, &Command::Text { module, piece });
                }
                assert_eq!(controls.text(module, usize::from(text)), Some(&*value));
            }
            Order::Patch(request) => edit(&mut draft, &request),
            _ => {}
        }
    }
}

/// Whether a packet is one message in whose types a bracket has no other half.
fn has_half_an_array(packet: &[u8]) -> bool {
    let until_zero = |bytes: &[u8]| bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let end = until_zero(packet);
    let tags = packet.get(end + 4 - end % 4..).and_then(|rest| rest.strip_prefix(b","));
    let Some(tags) = tags.filter(|_| packet[0] == b'/') else { return false };
    let mut open = 0_i32;
    let is_balanced = tags[..until_zero(tags)].iter().all(|tag| {
        open += i32::from(*tag == b'[') - i32::from(*tag == b']');
        open >= 0
    });
    !is_balanced || open > 0
}

fn apply(controls: &mut Controls, command: &Command) {
    assert_eq!(Command::decode(command.encode()).as_ref(), Ok(command), "in the log it is another");
    let effect = controls.apply(command, 0, RATE_HZ);
    let may_be_nothing = matches!(command, Command::Enable { .. });
    assert!(effect.is_some() || may_be_nothing, "{command:?} was decoded and does nothing");
}

fn edit(draft: &mut Document, request: &PatchRequest) {
    let _ = match request {
        PatchRequest::Create { id, kind, settings } => {
            draft.create_with(id, kind, settings).map(drop)
        }
        PatchRequest::Delete { id } => draft.delete(id),
        PatchRequest::Connect { from, to, depth } => draft.connect(from, to, *depth),
        PatchRequest::Disconnect { from, to } => draft.disconnect(from, to),
        PatchRequest::Set { id, key, setting } => draft.set(id, key, setting).map(drop),
        PatchRequest::Output { left, right } => draft.set_output(left, right),
        _ => Ok(()),
    };
    // What was edited is still a text that can be edited.
    Document::parse(&draft.to_string()).expect("TOML");
}

/// A packet of each sort, alone and in a bundle.
pub fn seeds() -> Vec<Vec<u8>> {
    let text = |text: &str| OscType::String(text.to_owned());
    let messages = [
        ("/mod/sine/freq", vec![OscType::Float(440.0)]),
        ("/mod/*/gain", vec![text("0.5")]),
        ("/mod/biquad/mode", vec![text("notch")]),
        ("/engine/freq", vec![OscType::Int(220)]),
        ("/gate/adsr", vec![text("on")]),
        ("/note/voices/on", vec![OscType::Int(60), OscType::Float(0.9), OscType::Int(7)]),
        ("/note/voices/off", vec![]),
        ("/seq/row/pattern", vec![text("X... X..x")]),
        ("/seq/score/notes", vec![text("c4 e4 g4 -")]),
        ("/transport/tempo", vec![OscType::Double(128.0)]),
        ("/transport/position", vec![OscType::Long(16)]),
        ("/patch/create", vec![text("lfo2"), text("lfo"), text("freq"), OscType::Float(2.0)]),
        ("/patch/connect", vec![text("sine.out"), text("filter.cutoff"), OscType::Float(0.5)]),
        ("/patch/disconnect", vec![text("sine.out"), text("filter.in")]),
        ("/patch/set", vec![text("filter"), text("cutoff"), OscType::Float(800.0)]),
        ("/patch/output", vec![text("sine.out"), text("filter.out")]),
        ("/patch/delete", vec![text("adsr")]),
        ("/patch/load", vec![text("groove.toml")]),
        ("/patch/commit", vec![]),
        ("/meter/meter", vec![]),
        ("/events", vec![OscType::Bool(true)]),
        ("/chaos/kill", vec![text("primary"), text("SIGSEGV")]),
        ("/chaos/crash", vec![OscType::Int(1), text("loop")]),
        ("/record/start", vec![text("take1"), text("i24")]),
        ("/status", vec![]),
        ("/ping", vec![OscType::Nil, OscType::Inf, OscType::Blob(vec![1, 2, 3])]),
    ];
    let encoded =
        messages.map(|(address, args)| message(address, args).expect("it can be encoded"));
    let mut bundle = b"#bundle\0\xe9\0\0\0\x80\0\0\0".to_vec();
    for packet in encoded.iter().take(6) {
        bundle.extend_from_slice(&(packet.len() as u32).to_be_bytes());
        bundle.extend_from_slice(packet);
    }
    let nested = [&bundle[..16], &(bundle.len() as u32).to_be_bytes(), &bundle, &[0; 12]].concat();
    let sloppy: [&[u8]; 11] = [
        b"/transport/stop\0",
        b"/transport/tempo\0\0\0\0\x42\xf0\0\0",
        b"/gate/adsr\0\0,S\0\0on\0\0",
        b"/transport/play\0,I\0\0",
        b"/transport/play\0,N\0\0\0\0\0\0",
        b"/ping\0\0\0,hdtcrmTFNI[i]\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"/ping\0\0\0,[[i\0\0\0\0\0\0\0\x01",
        b"/ping\0\0\0,i]\0\0\0\0\x01",
        b"/ping\0\0\0,[i][[f]i]\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0",
        b"#bundle\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x10/transport/stop\0\0\0\0\0",
        b"#bundle\0\0\x01\x51\x80\0\0\0\0\0\0\0\x0c/ping\0\0\0,i\0\0\0\0",
    ];
    let scala = "! a.scl\n!\nof two\n 2\n!\n 3/2 fifth\n 2/1\n";
    let scala = ["quantizer", "*"].map(|module| {
        message(&format!("/seq/{module}/scale"), vec![text(scala)]).expect("it can be encoded")
    });
    let sloppy = sloppy.into_iter().map(<[u8]>::to_vec);
    encoded.into_iter().chain([bundle, nested]).chain(sloppy).chain(scala).collect()
}
