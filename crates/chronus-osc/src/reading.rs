//! Bytes to messages, read as generously as the OSC 1.0 text asks for and as senders write them: what is good in
//! a packet is taken, and the rest told. The bytes of one message are brought into the form that `rosc` reads.
//!
//! Matt Wright, "The Open Sound Control 1.0 Specification" (opensoundcontrol.stanford.edu).

use std::borrow::Cow;

use rosc::{OscMessage, OscPacket};

/// Bundles within bundles, and arrays within arrays, that are taken.
const MOST_DEPTH: usize = 8;
/// Elements of one packet that are looked at.
const MOST_MESSAGES: usize = 1024;
/// What a bundle begins with.
const BUNDLE: &[u8] = b"#bundle\0";
/// The types that are read, for who sends another.
const TYPES: &str = "i, f, s, b, h, t, d, S, c, r, m, T, F, N, I and [ ]";
const UNOPENED: &str = "an array ends that has not begun; send a `[` for each `]` of the types";
const UNCLOSED: &str = "an array has no end; send a `]` for each `[` of the types";

/// What a packet holds.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Its messages in their order, each with the time of its bundle in nanoseconds since 1970; `None` for as soon
    /// as possible.
    pub messages: Vec<(OscMessage, Option<u64>)>,
    /// What could not be read: the address of the message, if it has one, and a sentence.
    pub complaints: Vec<(String, String)>,
    elements: usize,
    empty: usize,
    is_over: bool,
}

/// Reads a packet. Never panics, whatever the bytes, and takes time in proportion to their number.
pub(crate) fn read(packet: &[u8]) -> Contents {
    let mut contents = Contents::default();
    match packet.first() {
        None => contents.complain("the packet is empty; send an OSC message or bundle"),
        Some(_) => contents.element(packet, None, 0),
    }
    if contents.empty > 0 {
        let empty = contents.empty;
        contents.complain(format!(
            "{empty} of the bundle's elements have no bytes and were left out; the rest is done"
        ));
    }
    contents
}

impl Contents {
    fn complain(&mut self, reason: impl Into<String>) {
        self.complaints.push((String::new(), reason.into()));
    }

    /// Takes a message, or a bundle element by element, so that one that is broken costs only itself.
    fn element(&mut self, element: &[u8], time: Option<u64>, depth: usize) {
        self.elements += 1;
        if self.elements > MOST_MESSAGES {
            self.is_over = true;
            return self.complain(format!(
                "a packet may hold {MOST_MESSAGES} messages; send the rest in more packets"
            ));
        }
        match element.first() {
            Some(b'/') => self.message(element, time),
            Some(b'#') => self.bundle(element, depth),
            _ => self.complain("an OSC packet begins with `/` (a message) or `#bundle`"),
        }
    }

    fn bundle(&mut self, bundle: &[u8], depth: usize) {
        const CUT: &str = "the packet is cut short; send the whole of it";
        if depth >= MOST_DEPTH {
            return self.complain(format!(
                "bundles may be nested {MOST_DEPTH} deep; send them one by one"
            ));
        }
        let content = bundle.strip_prefix(BUNDLE).and_then(<[u8]>::split_first_chunk::<8>);
        let Some((timetag, mut rest)) = content else { return self.complain(CUT) };
        let time = wall_ns(u64::from_be_bytes(*timetag));
        while !rest.is_empty() && !self.is_over {
            let Some((size, after)) = rest.split_first_chunk::<4>() else {
                let zeros = rest.iter().all(|byte| *byte == 0);
                let count = rest.len();
                return self.complain(if zeros { behind(count) } else { CUT.to_owned() });
            };
            let size = u32::from_be_bytes(*size) as usize;
            let Some((inner, after)) = after.split_at_checked(size) else {
                return self.complain(CUT);
            };
            if inner.is_empty() {
                self.empty += 1;
            } else {
                self.element(inner, time, depth + 1);
            }
            rest = after;
        }
    }

    fn message(&mut self, bytes: &[u8], time: Option<u64>) {
        let plain = plain(bytes);
        let address = String::from_utf8_lossy(plain.address).into_owned();
        let read = check_tags(plain.tags).and_then(|()| {
            if core::str::from_utf8(plain.address).is_err() {
                return Err("the address is not UTF-8; write it in ASCII".to_owned());
            }
            match rosc::decoder::decode_udp(&plain.bytes) {
                Ok((rest, OscPacket::Message(message))) => Ok((message, rest.len())),
                Ok((_, OscPacket::Bundle(_))) => Err("this is no message".to_owned()),
                Err(error) => Err(why(&error)),
            }
        });
        match read {
            Ok((message, rest)) => {
                self.messages.push((message, time));
                if rest + plain.untagged > 0 {
                    self.complain(behind(rest + plain.untagged));
                }
            }
            Err(reason) => self.complaints.push((address, reason)),
        }
    }
}

fn behind(count: usize) -> String {
    format!(
        "{count} bytes behind the last message have no meaning and were left out; the rest is done"
    )
}

fn why(error: &rosc::OscError) -> String {
    match error {
        rosc::OscError::StringError(_) => {
            "an argument is a text that is not UTF-8; send it in UTF-8".to_owned()
        }
        rosc::OscError::BadArg(_) => format!("an argument is none ({error}); send it again"),
        _ => "the message is cut short or no OSC message; send the whole of one".to_owned(),
    }
}

/// A message as `rosc` reads it.
struct Plain<'a> {
    bytes: Cow<'a, [u8]>,
    address: &'a [u8],
    /// Without the comma.
    tags: &'a [u8],
    /// How many bytes follow the address without a type.
    untagged: usize,
}

/// Old senders leave the type tags out, and then nobody knows what follows the address: it counts as a message
/// without arguments. A symbol is a text. What should be filled up to four bytes at the end may not be.
fn plain(bytes: &[u8]) -> Plain<'_> {
    let until_zero = |bytes: &[u8]| bytes.iter().position(|byte| *byte == 0);
    let end = until_zero(bytes).unwrap_or(bytes.len());
    let (address, rest) = bytes.split_at(end);
    // The type tags begin at the next multiple of four.
    let padding = (4 - end % 4).min(rest.len());
    let tagged = &rest[padding..];
    let Some(tags) = tagged.strip_prefix(b",") else {
        let mut plain = address.to_vec();
        plain.resize(end + 4 - end % 4, 0);
        plain.extend(b",\0\0\0");
        return Plain { bytes: plain.into(), address, tags: &[], untagged: tagged.len() };
    };
    let tags = &tags[..until_zero(tags).unwrap_or(tags.len())];
    // What is cut in the middle of a number must not be filled up to another.
    let ends_in_text = tags.last().is_none_or(|tag| b"sSTFNI".contains(tag));
    let may_fill = ends_in_text && bytes.last() == Some(&0);
    let is_whole = bytes.len().is_multiple_of(4) || !may_fill;
    if is_whole && !tags.contains(&b'S') {
        return Plain { bytes: bytes.into(), address, tags, untagged: 0 };
    }
    let mut plain = bytes.to_vec();
    let at = end + padding + 1;
    for tag in &mut plain[at..at + tags.len()] {
        if *tag == b'S' {
            *tag = b's';
        }
    }
    if !is_whole {
        plain.resize(plain.len().next_multiple_of(4), 0);
    }
    Plain { bytes: plain.into(), address, tags, untagged: 0 }
}

/// The parser calls itself for each array within an array, so a message of nothing but opening brackets would
/// exhaust the stack. Of brackets without their other half it takes any, though nobody knows what was meant.
fn check_tags(tags: &[u8]) -> Result<(), String> {
    let mut depth = 0_usize;
    for tag in tags {
        match tag {
            b'[' => depth += 1,
            b']' => depth = depth.checked_sub(1).ok_or(UNOPENED)?,
            b'i' | b'f' | b's' | b'b' | b'h' | b't' | b'd' | b'S' | b'c' | b'r' | b'm' | b'T'
            | b'F' | b'N' | b'I' => {}
            other => {
                let other = char::from(*other).escape_default();
                return Err(format!("there is no type `{other}`; the types are {TYPES}"));
            }
        }
        if depth > MOST_DEPTH {
            return Err(format!("arrays may be nested {MOST_DEPTH} deep; send fewer brackets"));
        }
    }
    if depth == 0 { Ok(()) } else { Err(UNCLOSED.to_owned()) }
}

/// A timetag in nanoseconds since 1970; `None` for "immediately" (1, and 0, which some senders take for it).
///
/// The seconds of NTP fill 32 bits in 2036. As RFC 4330 has it, those without the first bit count from there on.
fn wall_ns(timetag: u64) -> Option<u64> {
    const SECONDS_1900_TO_1970: u64 = 2_208_988_800;
    if timetag <= 1 {
        return None;
    }
    let seconds = timetag >> 32;
    let era = if seconds >> 31 == 0 { 1 << 32 } else { 0 };
    // The first two years of the older half are before 1970.
    let seconds = (seconds + era).checked_sub(SECONDS_1900_TO_1970)?;
    let fraction_ns = ((timetag & 0xffff_ffff) * 1_000_000_000) >> 32;
    Some(seconds * 1_000_000_000 + fraction_ns)
}
