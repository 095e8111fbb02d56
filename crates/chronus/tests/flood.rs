//! Guarantee: more messages than can be taken stall no sound and take no memory. Some are refused, which is
//! counted and told now and then; those that were taken are in the journal, and it replays bit for bit.

mod support;

use std::net::UdpSocket;
use std::time::{Duration, Instant, SystemTime};

use support::{Engine, string};

/// As many packets a second come as this machine can send, up to so many.
const RATE_HZ: u64 = 100_000;

/// A flood lasts so long.
const LENGTH: Duration = Duration::from_millis(500);

/// What a flood has come to.
struct Flood {
    sent: u64,
    took: Duration,
    /// Answers to it.
    busy: u64,
}

/// Sends parameter changes for a while, and counts the answers.
fn flood(engine: &Engine) -> Flood {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("socket");
    socket.connect(engine.port()).expect("connect");
    socket.set_nonblocking(true).expect("it never waits");
    let packets: Vec<Vec<u8>> = (0..64_u8)
        .map(|step| {
            let freq = chronus_osc::OscType::Float(200.0 + 3.0 * f32::from(step));
            chronus_osc::message("/mod/sine/freq", vec![freq]).expect("a message")
        })
        .collect();
    let (mut sent, mut busy) = (0, 0);
    let mut answer = [0; 2048];
    let start = Instant::now();
    while start.elapsed() < LENGTH {
        let due = start.elapsed().as_micros() as u64 * RATE_HZ / 1_000_000;
        for packet in packets.iter().cycle().take(due.saturating_sub(sent).min(2000) as usize) {
            sent += u64::from(socket.send(packet).is_ok());
        }
        while let Ok(length) = socket.recv(&mut answer) {
            let reply = chronus_osc::parse_reply(&answer[..length]).expect("a reply");
            assert_eq!(reply.address, "/fail");
            assert_eq!(reply.args[0], string("/mod/sine/freq"));
            busy += 1;
        }
    }
    Flood { sent, took: start.elapsed(), busy }
}

/// Resident memory of a process, in KiB.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a size");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

/// How the engine is when it has taken what there was: a question may be lost in a flood.
fn calm_status(engine: &Engine) -> serde_json::Value {
    let frames = |status: &serde_json::Value| status["frames"].as_u64().expect("frames");
    let now = frames(&engine.wait_for("an answer", |_| true));
    engine.wait_for("more sound", |status| frames(status) > now + 64_000)
}

#[test]
fn a_flood_of_messages_is_refused_in_part_and_nothing_else_happens() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(100);
    let own = engine.status()["supervisor_pid"].as_u64().expect("a process") as u32;
    // The first floods find queues and buffers that were never used.
    for _ in 0..3 {
        flood(&engine);
    }
    engine.play_on(1000);
    let before = (calm_status(&engine), resident_kib(own));
    let flood = flood(&engine);
    let more = |status: &serde_json::Value, name: &str| {
        let count = |status: &serde_json::Value| status[name].as_u64().expect("a count");
        count(status) - count(&before.0)
    };
    // However long it takes until all that came is taken.
    engine.wait_for("each packet is accounted for", |status| {
        more(status, "osc_packets") + more(status, "osc_lost") >= flood.sent
    });
    let after = (calm_status(&engine), resident_kib(own));
    let grown = |name: &str| more(&after.0, name);
    let (packets, busy, lost) = (grown("osc_packets"), grown("osc_busy"), grown("osc_lost"));
    eprintln!(
        "{} packets in {:?}: {packets} received, {lost} lost, {busy} refused, {} told; {} to {} KiB",
        flood.sent, flood.took, flood.busy, before.1, after.1
    );
    let most_told = 2 * (flood.took.as_millis() as u64 / 100 + 2);
    assert!(flood.busy <= most_told, "{} answers", flood.busy);
    assert!(after.1 < before.1 + 2048, "{} KiB have become {}", before.1, after.1);
    let log = || format!("{:#}\n{}", after.0, engine.log());
    assert_eq!(after.0["gaps"], 0, "{}", log());
    assert_eq!(after.0["journal"]["lost"], 0, "{}", log());
    engine.end_and_compare().assert_identical();
}

/// A bundle of so many messages for a time to come.
fn bundle(count: usize, ahead_s: u64) -> Vec<u8> {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let seconds = unix.as_secs() + ahead_s + 2_208_988_800;
    let mut packet = b"#bundle\0".to_vec();
    packet.extend_from_slice(&(seconds << 32).to_be_bytes());
    let message = chronus_osc::message("/gate/adsr", vec![string("on")]).expect("a message");
    for _ in 0..count {
        packet.extend_from_slice(&(message.len() as u32).to_be_bytes());
        packet.extend_from_slice(&message);
    }
    packet
}

#[test]
fn more_than_can_wait_is_refused_and_the_sender_told_now_and_then() {
    let engine = Engine::start(&[]);
    let (count, packets) = (100, 200);
    let packet = bundle(count, 60);
    for _ in 0..packets {
        engine.send_bytes(&packet);
        std::thread::sleep(Duration::from_millis(1));
    }
    let status = engine.status();
    let told: Vec<_> =
        std::iter::from_fn(|| engine.answer_within(Duration::from_millis(500))).collect();
    assert!(!told.is_empty() && told.len() < 100, "{} answers", told.len());
    for reply in &told {
        let why = format!("{:?}", reply.args);
        assert!(
            reply.address == "/fail" && why.contains("busy: ") && why.contains("later"),
            "{why}"
        );
    }
    let number = |name: &str| status[name].as_u64().expect("a count");
    let sent = (count * packets) as u64;
    assert_eq!(number("osc_busy") + number("osc_lost") * count as u64, sent - 8192, "{status}");
}

/// Packets in which patterns and bundles multiply: 1,000 times everything that can be set, 50 such packets at once.
#[test]
fn the_worst_packets_are_taken_up_to_a_bound_and_make_nobody_deaf() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(50);
    let all = support::packet("/mod/*/*", &["0.5"]);
    let questions = support::packet("/status", &[]);
    let worst = support::bundle(Duration::ZERO, &vec![all; 1000]);
    let asking = support::bundle(Duration::ZERO, &vec![questions; 400]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("socket");
    socket.connect(engine.port()).expect("connect");
    for packet in [&worst, &asking].into_iter().cycle().take(50) {
        socket.send(packet).expect("it is sent");
    }
    // Whoever comes after them is heard.
    engine.send("/ping", &["7"]);
    engine.answer_from(&["/pong"]);
    let mut answer = vec![0; 65_536];
    socket.set_read_timeout(Some(support::PATIENCE)).expect("it waits");
    let told = std::iter::repeat_with(|| {
        let length = socket.recv(&mut answer).expect("an answer");
        chronus_osc::parse_reply(&answer[..length]).expect("a reply")
    });
    let is_it = |reply: &chronus_osc::Reply| matches!(&reply.args[..], [.., chronus_osc::OscType::String(why)] if why.contains("4096 things"));
    assert!(told.take(20_000).any(|reply| is_it(&reply)), "the sender is told");
    engine.play_on(100);
    let status = engine.status();
    assert_eq!((&status["gaps"], &status["supervisor_deaths"]), (&0.into(), &0.into()), "{status}");
    engine.end_and_compare().assert_identical();
}
