//! Guarantee: a disk that takes nothing, for a while or for good, costs the sound nothing, and it is said at
//! once; a journal goes on without a gap when there is room again, and is a whole prefix until then; and a
//! standard error that nobody reads holds nobody up.

mod support;

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chronus::journal::Journal;
use chronus_osc::{Reply, message, parse_reply};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use support::{Engine, PATIENCE, samples, string, wait_until};

/// Lets no file of an engine grow beyond `most`, which the system says as it says that a disk is full.
fn limit(engine: &Engine, most: Option<u64>) {
    let supervisor = engine.status()["supervisor_pid"].as_u64().expect("a process");
    let pid = Pid::from_raw(supervisor as i32);
    prlimit(pid, Resource::Fsize, Rlimit { current: most, maximum: None }).expect("a limit");
}

/// Somebody who is told of events, apart from the one who asks how it is.
struct Listener(UdpSocket);

impl Listener {
    fn of(engine: &Engine) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("socket");
        socket.connect(engine.port()).expect("connect");
        socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
        let listener = Self(socket);
        listener.0.send(&message("/events", Vec::new()).expect("message")).expect("sent");
        assert_eq!(listener.next().address, "/done");
        listener
    }

    fn next(&self) -> Reply {
        let mut packet = vec![0; chronus_osc::MOST_DATAGRAM_BYTES];
        let length = self.0.recv(&mut packet).expect("an answer or an event");
        parse_reply(&packet[..length]).expect("a message")
    }

    /// The next that is told of the journal.
    fn told(&self) -> Reply {
        loop {
            let event = self.next();
            if event.address == "/event/journal" {
                return event;
            }
        }
    }
}

fn journal(engine: &Engine) -> PathBuf {
    engine.folder.path().join("a.journal")
}

/// Renders a journal as it is now, on the side.
fn render(journal: &Path) -> Vec<f32> {
    let folder = tempfile::tempdir().expect("folder");
    let (copy, wav) = (folder.path().join("copy.journal"), folder.path().join("copy.wav"));
    fs::copy(journal, &copy).expect("copied");
    let mut command = Command::new(env!("CARGO_BIN_EXE_chronus"));
    let rendered = command.arg("render").arg(&copy).arg("-o").arg(&wav).output().expect("it runs");
    let said = String::from_utf8_lossy(&rendered.stderr);
    assert!(rendered.status.success() && said.contains("not closed in order"), "{said}");
    samples(&wav)
}

/// The mark of each second lets the reader know how far it may render.
fn wait_for_sound_in_the_journal(engine: &Engine) {
    wait_until("a mark in the journal", || {
        Journal::read(&journal(engine)).is_ok_and(|journal| journal.frames > 48_000)
    });
}

#[test]
fn a_journal_waits_for_room_and_goes_on_without_a_gap() {
    let engine = Engine::launch(&["--output", "null", "--free-run"], &[], None);
    let listener = Listener::of(&engine);
    engine.send("/gate/adsr", &["on"]);
    // The limit is the log's too, which shall not meet it.
    for step in 0..1000 {
        engine.send("/mod/sine/freq", &[&(200 + step % 100).to_string()]);
    }
    engine.play_on(200);
    wait_for_sound_in_the_journal(&engine);
    let room = fs::metadata(journal(&engine)).expect("a journal").len() + 500;
    limit(&engine, Some(room));
    for step in 0..20 {
        engine.send("/mod/sine/freq", &[&(300 + step).to_string()]);
        engine.play_on(20);
    }
    let event = listener.told();
    assert_eq!(event.args[0], string("waiting"), "{event:?}");
    let status = engine.status();
    assert_eq!(status["journal"]["state"], "waiting", "{status:#?}");
    let reason = status["journal"]["reason"].as_str().expect("a reason");
    assert_eq!(event.args[1], string(reason));
    engine.wait_for_log(reason);
    // Meanwhile it plays, and what is there can be rendered.
    for step in 0..100 {
        engine.send("/mod/sine/freq", &[&(400 + step).to_string()]);
        engine.play_on(5);
    }
    let prefix = render(&journal(&engine));
    assert!(prefix.iter().any(|sample| sample.abs() > 0.05), "silence proves nothing");
    limit(&engine, None);
    assert_eq!(listener.told().args[0], string("writing"));
    assert_eq!(engine.status()["journal"]["state"], "writing");
    engine.send("/record/start", &["after"]);
    engine.wait_for("a recording", |status| status["recording"]["start_frame"].is_u64());
    for step in 0..20 {
        engine.send("/mod/sine/freq", &[&(600 + step).to_string()]);
        engine.play_on(20);
    }
    let status = engine.status();
    assert_eq!((&status["gaps"], &status["journal"]["lost"]), (&0.into(), &0.into()));
    let start = status["recording"]["start_frame"].as_u64().expect("a frame") as usize * 2;
    let file = status["recording"]["file"].as_str().expect("a file").to_owned();
    // The journal must be complete, and give what was played before, while and after there was no room.
    let (_engine, rendered) = engine.end_and_render();
    assert!(rendered.starts_with(&prefix), "what was rendered on the way is a prefix of the whole");
    let recorded = samples(Path::new(&file));
    let expected = &rendered[start..start + recorded.len()];
    assert!(recorded.iter().zip(expected).all(|(a, b)| a.to_bits() == b.to_bits()));
    assert!(recorded.iter().any(|sample| sample.abs() > 0.05), "silence proves nothing");
}

#[test]
fn a_disk_that_stays_full_leaves_a_whole_prefix_and_ends_in_order() {
    let mut engine = Engine::launch(&["--output", "null", "--free-run"], &[], None);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(200);
    wait_for_sound_in_the_journal(&engine);
    limit(&engine, Some(fs::metadata(journal(&engine)).expect("a journal").len() + 100));
    engine.send("/mod/sine/freq", &["300"]);
    engine.wait_for("the full disk", |status| status["journal"]["state"] == "waiting");
    assert!(engine.end().success(), "{}", engine.log());
    assert!(render(&journal(&engine)).iter().any(|sample| sample.abs() > 0.05));
}

/// A pipe that is full already, and whose other end nobody reads.
fn full_pipe() -> (std::os::fd::OwnedFd, Stdio) {
    let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
    fcntl_setfl(&writer, OFlags::NONBLOCK).expect("flags");
    let mut file = File::from(writer);
    loop {
        match file.write(&[b'.'; 4096]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    fcntl_setfl(&file, OFlags::empty()).expect("flags");
    (reader, Stdio::from(file))
}

#[test]
fn a_standard_error_that_nobody_reads_holds_nobody_up() {
    let (_unread, errors) = full_pipe();
    let arguments = ["--output", "wav:a.wav", "--free-run"];
    let engine = Engine::launch(&arguments, &[("CHRONUS_LOG", "debug")], Some(errors));
    engine.send("/gate/adsr", &["on"]);
    for _ in 0..5 {
        engine.play_on(50);
        engine.harm("/chaos/kill", "primary", &[]);
    }
    let status = engine.status();
    assert_eq!((&status["gaps"], &status["fresh_starts"]), (&0.into(), &0.into()));
    engine.end_and_compare().assert_identical();
}
