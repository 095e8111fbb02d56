//! Guarantee: a disk that takes nothing, for a while or for good, costs the sound nothing, and it is said at
//! once; a journal goes on without a gap when there is room again, and is a whole prefix until then; and a
//! standard error that nobody reads holds nobody up.

mod support;

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::MutexGuard;

use chronus_engine::Command as Played;
use chronus_journal::Journal;
use chronus_osc::{Reply, message, parse_reply};
use chronus_replication::Entry;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use support::takes::{kill_supervisor, supervisor_of};
use support::{ANY_PORT, Client, Engine, PATIENCE, samples, string, turn, wait_until};
use tempfile::TempDir;

/// Lets no file of an engine grow beyond `most`, which the system says as it says that a disk is full.
fn limit(engine: &Engine, most: Option<u64>) {
    let pid = Pid::from_raw(supervisor_of(&engine.status()) as i32);
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
    let copy = folder.path().join("copy.journal");
    fs::copy(journal, &copy).expect("copied");
    let (rendered, said) = render_whole(&copy);
    assert!(said.contains("not closed in order"), "{said}");
    rendered
}

/// Renders a journal; what it gives, and what is said of it.
fn render_whole(journal: &Path) -> (Vec<f32>, String) {
    let folder = tempfile::tempdir().expect("folder");
    let wav = folder.path().join("a.wav");
    let mut command = Command::new(env!("CARGO_BIN_EXE_chronus"));
    let rendered =
        command.arg("render").arg(journal).arg("-o").arg(&wav).output().expect("it runs");
    let said = String::from_utf8_lossy(&rendered.stderr).into_owned();
    assert!(rendered.status.success(), "{said}");
    (samples(&wav), said)
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
    // The journal must be complete, and give what was played before, while and after there was no room.
    let (engine, rendered) = engine.end_and_render();
    assert!(rendered.starts_with(&prefix), "what was rendered on the way is a prefix of the whole");
    assert_recorded(&status, engine.folder.path(), &rendered);
}

/// An engine whose journal is on a disk of its own, which nobody else sees.
struct SmallDisk {
    process: Child,
    client: Client,
    folder: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl SmallDisk {
    const MOUNT: &str = "mount -t tmpfs -o size=256k chronus disk";

    fn is_permitted() -> bool {
        let folder = tempfile::tempdir().expect("temporary folder");
        fs::create_dir(folder.path().join("disk")).expect("a folder");
        let mounted = Self::within(&folder, Self::MOUNT).stderr(Stdio::null()).status();
        mounted.is_ok_and(|status| status.success())
    }

    /// A command line in a folder, whose mounts are its own.
    fn within(folder: &TempDir, script: &str) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", script]);
        command.current_dir(folder.path()).stdin(Stdio::null());
        command
    }

    fn start() -> Self {
        let (turn, folder) = (turn(), tempfile::tempdir().expect("temporary folder"));
        fs::create_dir(folder.path().join("disk")).expect("a folder");
        let program = env!("CARGO_BIN_EXE_chronus");
        let script = format!(
            "{} && exec {program} run --journal disk/a.journal --free-run --output null --osc {ANY_PORT}",
            Self::MOUNT
        );
        let log = folder.path().join("log");
        let errors = File::create(&log).expect("log");
        let mut process = Self::within(&folder, &script).stderr(errors).spawn().expect("it starts");
        let client = Client::of(&mut process, log);
        client.wait_level();
        Self { process, client, folder, _turn: turn }
    }

    /// A file on the disk.
    fn file(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join("disk").join(name);
        PathBuf::from(format!("/proc/{}/root{}", self.process.id(), folder.display()))
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut filler = File::create(self.file("filler")).expect("a file");
        while filler.write_all(&[b'.'; 64]).is_ok() {}
    }

    fn play(&self, from: u32) {
        for step in 0..20 {
            self.client.send("/mod/sine/freq", &[&(from + step).to_string()]);
            self.client.play_on(20);
        }
    }

    fn wait_for_journal(&self, state: &str) -> serde_json::Value {
        self.client.wait_for(state, |status| status["journal"]["state"] == state)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_supervisor_killed_while_the_disk_is_full_costs_the_journal_nothing() {
    if !SmallDisk::is_permitted() {
        eprintln!("skipped: it takes root and unshare to have a disk of its own");
        return;
    }
    let mut engine = SmallDisk::start();
    engine.client.send("/gate/adsr", &["on"]);
    engine.play(200);
    engine.fill();
    // More than fits what is left of the last page.
    for step in 0..200 {
        engine.client.send("/mod/sine/freq", &[&(300 + step % 100).to_string()]);
    }
    engine.client.play_on(200);
    engine.wait_for_journal("waiting");
    kill_supervisor(&engine.client);
    engine.play(400);
    engine.wait_for_journal("waiting");
    fs::remove_file(engine.file("filler")).expect("it is there");
    engine.wait_for_journal("writing");
    engine.play(500);
    engine.client.send("/record/start", &["after"]);
    engine.client.wait_for("it records", |status| status["recording"]["start_frame"].is_u64());
    engine.play(600);
    let status = engine.client.status();
    assert_eq!((&status["gaps"], &status["journal"]["lost"]), (&0.into(), &0.into()));
    let disk = File::open(engine.file("")).expect("the disk");
    Engine::signal(engine.process.id(), "TERM");
    assert!(engine.process.wait().expect("it ends").success(), "{}", engine.client.log());
    let written = format!("/proc/self/fd/{}/a.journal", disk.as_raw_fd());
    let copy = engine.folder.path().join("copy.journal");
    fs::copy(written, &copy).expect("a copy");
    let journal = Journal::read(&copy).expect("a journal");
    assert!(journal.complete, "it ends in order");
    let is_moved =
        |entry: &&Entry| matches!(Played::decode(entry.payload), Ok(Played::SetParam { .. }));
    assert_eq!(journal.entries.iter().filter(is_moved).count(), 280, "all that was played");
    let (rendered, said) = render_whole(&copy);
    assert_eq!(said, "", "nothing is missing");
    assert_recorded(&status, engine.folder.path(), &rendered);
}

/// What was recorded in a folder is what the journal gives there, and no silence.
fn assert_recorded(status: &serde_json::Value, folder: &Path, rendered: &[f32]) {
    let start = status["recording"]["start_frame"].as_u64().expect("a frame") as usize * 2;
    let recorded = samples(&folder.join(status["recording"]["file"].as_str().expect("a file")));
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
