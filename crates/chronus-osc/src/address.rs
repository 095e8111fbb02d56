//! The OSC surface in one table. The decoder looks addresses up here, and `docs/osc-reference.md` is
//! made of it.

use std::fmt::Write as _;

/// One address.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// The address; `<name>` stands for one part that varies.
    pub pattern: &'static str,
    /// The argument forms.
    pub arguments: &'static str,
    /// What comes back when all is well.
    pub reply: &'static str,
    /// What it does.
    pub does: &'static str,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Param,
    Enable,
    Events,
    Gate,
    NoteOn,
    NoteOff,
    Text,
    Meter,
    Play,
    Halt,
    Tempo,
    BeatsPerBar,
    Position,
    Create,
    Delete,
    Connect,
    Disconnect,
    Set,
    Output,
    Commit,
    Session,
    Abort,
    Load,
    Save,
    Freq,
    Amp,
    Start,
    Stop,
    Status,
    Kill,
    Crash,
    Ping,
    Version,
    RecordStart,
    RecordStop,
    RecordStatus,
}

/// Every address there is.
pub const ADDRESSES: &[Address] = &[
    address(
        "/mod/<module>/enable",
        "",
        "",
        Kind::Enable,
        "Has a module that was bypassed, because it crashed or yielded what nobody should hear, play again, as \
         new. If it does harm again, the next try is permitted after a second, then after two, then four.",
    ),
    address(
        "/mod/<module>/<param>",
        "NUMBER; or the name of a choice, or its number, counted from 0 (a fraction is rounded)",
        "",
        Kind::Param,
        "Moves a parameter of a module, smoothly. `chronus send /mod/filter/cutoff 800`, \
         `chronus send /mod/filter/mode high-pass`",
    ),
    address(
        "/gate/<module>",
        "1, 0, true, false, \"on\" or \"off\"; of other numbers, those above 0 open it",
        "",
        Kind::Gate,
        "Opens or closes the gate of a module. A gate that is open already is triggered again, and one that is \
         closed in the same frame is open for that frame.",
    ),
    address(
        "/note/<module>/on",
        "KEY (a MIDI note number, 0 to 127; fractions are microtones), then optionally VELOCITY (0 to 1; 0.8) \
         and ID (a whole number from 1 to 4294967294)",
        "",
        Kind::NoteOn,
        "Begins a note of a module that takes notes. With an ID several notes may sound at one KEY, and a \
         note that is sounding can begin anew at another. `chronus send /note/voices/on 60`",
    ),
    address(
        "/note/<module>/off",
        "KEY, then optionally ID; without any argument all notes",
        "",
        Kind::NoteOff,
        "Ends the note of this KEY that began without an ID or, with an ID, the note of that ID.",
    ),
    address(
        "/seq/<module>/<text>",
        "TEXT; or a NUMBER, for its digits",
        "",
        Kind::Text,
        "Gives a module a text: a pattern, notes, a scale. `chronus send /seq/kick_track/pattern \"X... x...\"`",
    ),
    address(
        "/meter/<module>",
        "",
        "/meter.reply",
        Kind::Meter,
        "Asks a `meter` or `scope` for its values; the answer is its id, then names and values in turn.",
    ),
    address(
        "/transport/play",
        "none; or 1, as without, or 0, which stops: what a toggle sends",
        "",
        Kind::Play,
        "Lets musical time run on from where it is.",
    ),
    address(
        "/transport/stop",
        "none; or 1, as without, or 0, which does nothing: what a button sends when it is let go",
        "",
        Kind::Halt,
        "Stops musical time where it is.",
    ),
    address(
        "/transport/tempo",
        "NUMBER, 1 to 1000 beats per minute",
        "",
        Kind::Tempo,
        "Changes the tempo; the beat goes on from where it is.",
    ),
    address(
        "/transport/position",
        "BEAT, counted from 0, up to 1000000000",
        "",
        Kind::Position,
        "Moves musical time to a beat.",
    ),
    address(
        "/transport/beats_per_bar",
        "NUMBER, 1 to 64",
        "",
        Kind::BeatsPerBar,
        "Changes how many beats a bar has.",
    ),
    address(
        "/patch/create",
        "ID and KIND, then keys and values in turn",
        "/done",
        Kind::Create,
        "Adds a module to the patch that is being made. `chronus send /patch/create wobble lfo freq 5`",
    ),
    address(
        "/patch/delete",
        "ID",
        "/done",
        Kind::Delete,
        "Takes a module and all its cables out of the patch that is being made.",
    ),
    address(
        "/patch/connect",
        "FROM and TO, then optionally DEPTH",
        "/done",
        Kind::Connect,
        "Adds a cable to the patch that is being made, or gives one another depth. \
         `chronus send /patch/connect wobble.out filter.cutoff 0.5`",
    ),
    address(
        "/patch/disconnect",
        "FROM and TO",
        "/done",
        Kind::Disconnect,
        "Takes a cable out of the patch that is being made.",
    ),
    address(
        "/patch/set",
        "ID, KEY and VALUE",
        "/done",
        Kind::Set,
        "Sets a key of a module in the patch that is being made: a parameter, a text, `channels`, `file`.",
    ),
    address(
        "/patch/output",
        "LEFT and RIGHT, or one for both",
        "/done",
        Kind::Output,
        "Says what is heard of the patch that is being made.",
    ),
    address(
        "/patch/commit",
        "optionally REASON",
        "/done",
        Kind::Commit,
        "Puts the patch that is being made in the place of the one that plays, at one frame: modules that are in \
         both play on, what changes is crossfaded. If anything is wrong with it, all is refused with a reason, \
         and can be mended and committed again. If another patch has come to play since the first change, what was \
         changed is changed there, unless one of its modules is another by then: that is refused, with who did it and why. \
         The journal keeps who has sent it and REASON. In a bundle with a timetag it takes effect at that frame; what is \
         committed meanwhile waits for its turn and, after a second, says so: `/wait /patch/commit REASON`.",
    ),
    address(
        "/session",
        "optionally NAME",
        "/done",
        Kind::Session,
        "What this sender changes from now on is apart from what others change, until it is committed; all who send \
         the same NAME share it. Without NAME, it is what all share who have none. NAME is the author of what is committed, and outlives a takeover. The 256 senders who asked last are known by it, and \
         64 sessions may be making something at a time.",
    ),
    address("/patch/abort", "", "/done", Kind::Abort, "Forgets the patch that is being made."),
    address(
        "/patch/load",
        "FILE, in the folder of patches",
        "/done",
        Kind::Load,
        "Puts a patch file in the place of the patch that plays, as `/patch/commit` does.",
    ),
    address(
        "/patch/save",
        "FILE, in the folder of patches; then optionally \"overwrite\"",
        "/done",
        Kind::Save,
        "Writes the patch that plays, with everything as it is set, into a patch file. One that is there already is \
         replaced if it is the patch's own or \"overwrite\" is said.",
    ),
    address(
        "/engine/freq",
        "NUMBER, 20 to 20000 Hz",
        "",
        Kind::Freq,
        "The frequency of the module `sine`, as `/mod/sine/freq`.",
    ),
    address(
        "/engine/amp",
        "NUMBER, 0 to 1",
        "",
        Kind::Amp,
        "The gain of the module `sine`, as `/mod/sine/gain`.",
    ),
    address(
        "/engine/start",
        "as `/transport/play`",
        "",
        Kind::Start,
        "Fades the sound in after `/engine/stop`.",
    ),
    address(
        "/engine/stop",
        "as `/transport/stop`",
        "",
        Kind::Stop,
        "Fades the sound out. Everything plays on unheard; nothing is shut down.",
    ),
    address("/engine/status", "", "/status.reply", Kind::Status, "As `/status`."),
    address(
        "/status",
        "",
        "/status.reply",
        Kind::Status,
        "Tells how the engine is: names and values in turn, at last \"json\" and all of it as JSON. \
         [status.md](status.md) tells what each means.",
    ),
    address(
        "/record/start",
        "optionally FILE, a name within the folder of recordings (an empty one: date and time), \
         then optionally FORMAT: f32 or 24",
        "/record.reply, once the file is there",
        Kind::RecordStart,
        "Records what is played to a new WAV file in the folder of `chronus run --recordings`, from \
         the frame at which a note sent together with it begins. Without FILE it is called by the \
         date and the time. `chronus send /record/start take1`",
    ),
    address(
        "/record/stop",
        "",
        "/record.reply, once the file is whole",
        Kind::RecordStop,
        "Ends the recording, at the frame at which a note sent together with it would end.",
    ),
    address(
        "/record/status",
        "",
        "/record.reply",
        Kind::RecordStatus,
        "Tells how the recording is, or the last one was: names and values in turn.",
    ),
    address(
        "/events",
        "optionally on (the default) or off",
        "/done",
        Kind::Events,
        "From now on the sender is told of events as they happen, or not any more. The section Events lists \
         them.",
    ),
    address(
        "/chaos/kill",
        "primary, standby, SLOT, workers, checkpoints, everybody or supervisor; then optionally SIGNAL (KILL)",
        "",
        Kind::Kill,
        "Sends a signal to a worker, to all in the same moment, to the checkpoints, to all of these, or to the supervisor. Only if the engine runs with `--allow-chaos`.",
    ),
    address(
        "/chaos/crash",
        "primary, standby or SLOT; segfault, panic, abort, loop, sleep or flip",
        "",
        Kind::Crash,
        "Has a worker crash by itself, or flips a bit of its state. Only if the engine runs with `--allow-chaos`.",
    ),
    address("/ping", "anything", "/pong", Kind::Ping, "Sends the arguments back."),
    address("/version", "", "/version.reply", Kind::Version, "Tells name and version."),
];

const fn address(
    pattern: &'static str,
    arguments: &'static str,
    reply: &'static str,
    kind: Kind,
    does: &'static str,
) -> Address {
    Address { pattern, arguments, reply, does, kind }
}

/// The parts of `address` that vary, if it is one of this pattern.
pub(crate) fn parts<'a>(pattern: &str, address: &'a str) -> Option<Vec<&'a str>> {
    let mut parts = Vec::new();
    let (mut wanted, mut found) = (pattern.split('/'), address.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return Some(parts),
            (Some(wanted), Some(found)) if wanted.starts_with('<') && !found.is_empty() => {
                parts.push(found);
            }
            (Some(wanted), Some(found)) if wanted == found => {}
            _ => return None,
        }
    }
}

/// Whether an address is answered when all is well.
pub fn has_reply(address: &str) -> bool {
    let mut known = ADDRESSES.iter();
    known.any(|known| !known.reply.is_empty() && parts(known.pattern, address).is_some())
}

/// The reference of all addresses, as Markdown.
pub fn reference() -> String {
    let mut text = String::from(HEAD);
    for address in ADDRESSES {
        let or_none = |text: &'static str| if text.is_empty() { "none" } else { text };
        let _ = write!(
            text,
            "### `{}`\n\n{}\n\n* Arguments: {}\n* Reply: {}\n\n",
            address.pattern,
            address.does,
            or_none(address.arguments),
            or_none(address.reply)
        );
    }
    text.push_str(TAIL);
    text
}

const HEAD: &str = "\
# OSC reference

Chronus listens on UDP, `127.0.0.1:5005` unless `--osc ADDR:PORT` (or `CHRONUS_OSC_HOST` and
`CHRONUS_OSC_PORT`) says otherwise. Every user and program of the machine can send there. `--osc unix:PATH` (or
`CHRONUS_OSC_HOST=unix:PATH`) is a unix datagram socket instead, for the user that runs the engine alone (mode 0600);
given beside `--osc ADDR:PORT` it is a second way in. The section Unix sockets has the rest. This page is made of the table in
`crates/chronus-osc/src/address.rs`; a test fails when they differ.

## Addresses

";

const TAIL: &str = "\
## Arguments

A NUMBER may be an OSC int (`i`), float (`f`), double (`d`), long (`h`), `T` or `F` (1 and 0), or a
string (`s`, `S` or `c`) that reads as a number. There is one rule for all numbers: one that is out of range is
clamped to the range, and the sender is told. NaN and infinity are refused, and so is what is no number but a
name, as the ID of a note, the size of a bar with a fraction, or a text such as a pattern that has a mistake. `/patch/set` and
`/patch/create` clamp, too, and say so in their `/done`, and so does `/patch/load` of the numbers in a patch file.

What is sent is read as generously as others read it. A message without type tags has no arguments. `I` (an
impulse) at a button is a press, `N` (nil) as good as no argument. All types of OSC 1.0 are read: `i f s b h t d S
c r m T F N I [ ]`, each `[` with its `]`; what doesn't fit where it is sent is told. Bytes behind a good message, and elements of a
bundle without any, are left out, which is told once with an empty ADDRESS; what is cut or broken costs only itself.

In addresses that begin with `/mod`, `/gate`, `/note` and `/seq` the module may be an OSC 1.0 pattern
(`*`, `?`, `[a-c]`, `{sine,adsr}`), and in `/mod/<module>/<param>` the parameter, too: the message goes
to all that match.

## Time

A message without a timetag takes effect a constant delay after its arrival, to the frame: the lead and twice
the device's period (`delay_frames`). It has arrived when the kernel has its packet, however late that is read, and
all messages of a packet take effect at the same frame. The delay grows at once where it must: when the device asks
for more at a time, or when messages are read too late again and again because the machine is busy. It shrinks by
no more than one frame in a hundred, so that no message overtakes another. A message in a bundle with a timetag takes
effect at that frame. A timetag that comes too late takes effect at once and is counted (`late_commands`); one that is more
than an hour ahead is refused. The timetag 1 (or 0) means immediately, as for a message without one, and is never
late; seconds without the first of their 32 bits count from 2036-02-07 on, when they begin anew. If the machine is suspended, what waits comes later by as much.
Bundles may hold bundles; the messages of a packet keep their order, and so do answers of one kind. Answers of different kinds may
come in another order than the questions: `/pong` and most of `/fail` come first, since nobody else is asked for them. A packet that asks for more than 4,096 things, which
patterns in a bundle easily do, is taken up to the message that goes beyond, and the sender told.

## Recording

`/record.reply` has names and values in turn:

* `state`: `idle` (nothing was recorded yet), `waiting` (for its first frame), `recording`,
  `finishing`, `complete`, or `failed`
* `file`: the file
* `format`, `rate_hz`: `f32` (32-bit floats, the very bits that were played) or `24` (24-bit
  integers with dither), and the sample rate in Hz
* `start_frame`: which frame of the performance is the first in the file
* `frames`, `seconds`: how long it is
* `lost_frames`: played, but not in the file, since the disk was too slow for more than eight
  seconds
* `clipped`: samples beyond full scale, which only the format `24` has to clip
* `error`: why it failed, as a sentence

Who began a recording that fails later (a full disk, a deleted file) is told by
`/fail /record/start REASON`; what was written until then is a whole file. There is one recording at
a time. A file that exists is never written over. A bundle with a timetag begins or ends a recording
at that frame. A file longer than 4 GiB is RF64, which players of long files read. The end of the
engine completes the recording.

## Events

Who has sent `/events` is told, at the port or unix socket that it sent from:

* `/event/bypass MODULE REASON`: the module crashed, came to no end, or yielded NaN, infinity or a level beyond
  all measure; it is bypassed from that block on, and the rest plays on. `/mod/<module>/enable` has it try again.
* `/event/edit NUMBER AUTHOR REASON`: another edition of the patch is in order.
* `/event/enable MODULE`: it tries again.
* `/event/withheld NUMBER REASON`: a command did harm and was withheld.
* `/event/withdrawn NUMBER REASON`: an edit did harm while it was prepared; the patch before it plays on.
* `/event/device STATE TEXT`: STATE is `lost` (time goes on without a sound, and the device is tried again),
  `refused` (it is there but can't be had, for example at another rate), `back` (it plays, again or for the first
  time), or `gone` (nothing takes frames any more); TEXT says why, or what the device is.
* `/event/journal STATE REASON`: STATE is `waiting` (the disk takes nothing; the journal goes on without a gap when
  it does), `writing` (it does) or `over` (nothing more is written; what is there can be rendered).
* `/event/stall MS CORE FRAME`: the machine ran nobody on this core for so many milliseconds, until about this frame of
  the performance; core -1 means that the supervisor was run on none. Told if it was at least a quarter of the lead.
* `/event/gap BLOCKS STALLED MS`: so many blocks came too late; of these, so many because the machine stood still, for so
  many milliseconds at most.
* `/event/alarm alone TEXT`: a replica has been missing for two seconds or more; the sound goes on, but the next fault may be
  heard. `/event/alarm unburied TEXT`: dead processes are not buried, as if the keeper were stopped, and it would not
  start another supervisor. `/event/alarm unreachable TEXT`: the file of the unix socket was removed, renamed or replaced, so
  that nobody new finds it. Told again every minute; TEXT is `over` once all is well.
* `/event/clock suspended SECONDS`, `/event/clock set SECONDS`: the machine was suspended for so long, or its wall
  clock was set by so much (back, if it is negative).

At most 32 are told; who asked first makes way. A supervisor that takes over goes on telling them; who wants to be told after
the engine was started anew asks again now and then, as `chronus events` does every five seconds.

## Unix sockets

A message is a datagram, as over UDP, and arrives when the kernel has it. Answers go to the name that the sender has bound:
a path (an absolute one, since the engine runs in a folder of its own), an abstract name, or one that the kernel
chooses, as for a socket that is bound to an empty name. What a sender without a name asks for is done; a refusal is only in
the engine's log. A path has at most 107 bytes. Descriptors that come along are refused or closed.

`chmod` opens the socket to others: whoever may write to the file may play. It is made when the engine begins and removed when it
ends in order; one that was left behind is replaced, and one at which somebody listens, or any other file, is left
alone and the engine refused.

Where UDP loses messages, a unix socket holds up their sender: when as many wait to be read as its own buffer or
`net.unix.max_dgram_qlen` permit, it waits, or is told `EAGAIN` if it does not want to. The engine waits for nobody: who does not
read is not answered. All that was sent and not read yet has one limit, so listeners who have not asked for `/events` again for
15 seconds are left out while more than half of it is taken. Who goes on asking and never reads can take the rest, and
until it reads or ends, others are answered over UDP alone; what all of them send is done in any case.

## Answers

What changes the patch is answered with `/done ADDRESS` once it is done, and sometimes a sentence. If it has to wait for
longer than a second, `/wait ADDRESS REASON` comes before that. Whatever can't be done is answered to its sender with `/fail ADDRESS REASON`, where REASON is a
sentence that names what would be right; the rest of its bundle is done all the same. A clamped value
is answered in the same way, and done. What is refused or clamped is in the engine's log, too, at most a line a second. An address
that takes no arguments refuses a message that has some. A name, such as that of a file, has 255 letters at most; of what is longer than
200 letters, answers and log show both ends with `…` between. The engine plays on in any case.
";

#[cfg(test)]
mod tests {
    #[test]
    fn the_reference_in_docs_is_that_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/osc-reference.md");
        let expected = super::reference();
        if std::env::var_os("CHRONUS_BLESS").is_some() {
            std::fs::write(path, &expected).expect("write the reference");
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            found == expected,
            "run `CHRONUS_BLESS=1 cargo test -p chronus-osc` and commit docs/"
        );
    }
}
