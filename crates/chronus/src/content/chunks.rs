//! Files that are a row of chunks: WAV with its relatives RF64 and RIFX (EBU Tech 3306; Microsoft's Multimedia
//! Programming Interface 1.0), and AIFF (Apple's Audio Interchange File Format 1.3) with AIFF-C.
//!
//! They are read as generously as others do it: programs write odd chunks with and without the pad byte, heads that
//! were never completed, sizes that are wrong, and files are cut. What says how samples are to be read is the least
//! that is believed: the kind of coding, channels, rate, and bytes of a frame.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use super::coding::{Coding, Order};
use super::compressed::check_size;
use super::{CHANNELS_MAX, Content, Found, Unreadable};
use chronus_files::fill;

/// No file has more chunks before its sound.
const CHUNKS_MAX: usize = 10_000;
/// From here on a size in a head means that it was not known: programs that write into a pipe can't.
const UNKNOWN_FROM: u64 = 0x7fff_f000;
/// So many bytes of a chunk say how samples are written.
const FORM_BYTES: u64 = 64;
/// The chunks that there are, to find the next where a size is a little wrong.
const KNOWN: [&[u8; 4]; 36] = [
    b"fmt ", b"data", b"fact", b"LIST", b"JUNK", b"junk", b"PAD ", b"FLLR", b"bext", b"cue ",
    b"smpl", b"inst", b"iXML", b"id3 ", b"ID3 ", b"ds64", b"PEAK", b"_PMX", b"acid", b"cart",
    b"axml", b"chna", b"DISP", b"afsp", b"COMM", b"SSND", b"MARK", b"INST", b"NAME", b"AUTH",
    b"ANNO", b"FVER", b"COMT", b"APPL", b"CHAN", b"(c) ",
];

/// The kinds of files that are a row of chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// WAV, RF64, or RIFX, whose numbers are big.
    Wave(Order),
    /// AIFF and AIFF-C.
    Aiff,
}

impl Family {
    /// The kind of a file that begins with these 12 bytes.
    pub fn of(magic: &[u8]) -> Option<Self> {
        let (head, form) = (magic.get(..4)?, magic.get(8..12)?);
        match (head, form) {
            (b"RIFF" | b"RF64" | b"BW64", b"WAVE") => Some(Self::Wave(Order::Little)),
            (b"RIFX", b"WAVE") => Some(Self::Wave(Order::Big)),
            (b"FORM", b"AIFF" | b"AIFC") => Some(Self::Aiff),
            _ => None,
        }
    }

    fn order(self) -> Order {
        match self {
            Self::Wave(order) => order,
            Self::Aiff => Order::Big,
        }
    }
}

/// How the samples of a file are written.
struct Form {
    coding: Coding,
    order: Order,
    channels: usize,
    rate_hz: u32,
}

/// Where the samples of a file lie.
#[derive(Clone, Copy)]
struct Data {
    start: u64,
    bytes: u64,
    ends_early: bool,
}

/// Reads a file of this family, which lies at these bytes.
pub fn read(
    file: &mut File,
    bytes: Range<u64>,
    family: Family,
    most_bytes: u64,
) -> Result<Found, Unreadable> {
    let next = bytes.start + 12;
    let mut walk = Walk { file, end: bytes.end, order: family.order(), next };
    let (mut head, mut data, mut long_bytes) = (None, None, None);
    for _ in 0..CHUNKS_MAX {
        let Some(chunk) = walk.next()? else { break };
        match &chunk.id {
            b"fmt " | b"COMM" => head = Some(walk.begin_of(chunk)?),
            // Of the sizes that have 64 bits, that of the sound is the second.
            b"ds64" => {
                let head = walk.begin_of(chunk)?;
                long_bytes =
                    head.get(8..16).and_then(|size| size.try_into().ok()).map(u64::from_le_bytes);
            }
            b"data" | b"SSND" => {
                let found = match family {
                    Family::Wave(_) => walk.data_of_wave(chunk, long_bytes)?,
                    Family::Aiff => walk.data_of_aiff(chunk)?,
                };
                walk.next = found.start.saturating_add(found.bytes);
                data.get_or_insert(found);
            }
            _ => {}
        }
        if head.is_some() && data.is_some() {
            break;
        }
    }
    let missing = |what: &str| Unreadable::Wrong(format!("it is broken, or cut: {what}"));
    let head = head.ok_or_else(|| missing("nothing says how its samples are written"))?;
    let form = match family {
        Family::Wave(order) => form_of_wave(&head, order)?,
        Family::Aiff => form_of_aiff(&head)?,
    };
    let data = data.ok_or_else(|| missing("there is no chunk of samples"))?;
    decode(walk.file, &form, data, most_bytes)
}

fn decode(file: &mut File, form: &Form, data: Data, most_bytes: u64) -> Result<Found, Unreadable> {
    let Form { coding, order, channels, rate_hz } = *form;
    let frame = coding.bytes() * channels;
    let frames = data.bytes / frame as u64;
    check_size(frames.saturating_mul(channels as u64), most_bytes)?;
    file.seek(SeekFrom::Start(data.start))?;
    let mut samples = Vec::with_capacity(frames as usize * channels);
    let mut piece = vec![0; ((1 << 16) / frame).max(1) * frame];
    let mut left = frames * frame as u64;
    let mut ends_early = data.ends_early;
    while left > 0 {
        let wanted = left.min(piece.len() as u64) as usize;
        let got = fill(file, &mut piece[..wanted])?;
        coding.decode(order, &piece[..got / frame * frame], &mut samples);
        left -= got as u64;
        if got < wanted {
            // It was cut while it was being read.
            ends_early = true;
            break;
        }
    }
    Ok(Found { content: Content { samples: Arc::new(samples), channels, rate_hz }, ends_early })
}

/// A chunk: its name, and where its content lies as its head says.
#[derive(Clone, Copy)]
struct Chunk {
    id: [u8; 4],
    start: u64,
    bytes: u64,
}

/// On the way from chunk to chunk.
struct Walk<'a> {
    file: &'a mut File,
    end: u64,
    order: Order,
    next: u64,
}

impl Walk<'_> {
    /// The next chunk, if there is one.
    fn next(&mut self) -> io::Result<Option<Chunk>> {
        let at = self.next;
        let at = match self.id_at(at)? {
            None => return Ok(None),
            Some(id) if is_name(id) => at,
            // The chunk before is a little longer or shorter than it says.
            Some(_) => match self.known_near(at)? {
                Some(near) => near,
                None => return Ok(None),
            },
        };
        let mut head = [0; 8];
        if self.read_at(at, &mut head)? < head.len() {
            return Ok(None);
        }
        let [id, size] = [0, 4].map(|at| [head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let bytes = match self.order {
            Order::Little => u32::from_le_bytes(size),
            Order::Big => u32::from_be_bytes(size),
        };
        let chunk = Chunk { id, start: at + 8, bytes: u64::from(bytes) };
        self.next = chunk.start + chunk.bytes;
        if !chunk.bytes.is_multiple_of(2) {
            let is_padded = self.is_known(self.next + 1)? || !self.is_known(self.next)?;
            self.next += u64::from(is_padded);
        }
        Ok(Some(chunk))
    }

    fn read_at(&mut self, at: u64, bytes: &mut [u8]) -> io::Result<usize> {
        if at >= self.end {
            return Ok(0);
        }
        self.file.seek(SeekFrom::Start(at))?;
        fill(self.file, bytes)
    }

    fn id_at(&mut self, at: u64) -> io::Result<Option<[u8; 4]>> {
        let mut id = [0; 4];
        Ok((self.read_at(at, &mut id)? == id.len()).then_some(id))
    }

    fn is_known(&mut self, at: u64) -> io::Result<bool> {
        Ok(self.id_at(at)?.is_some_and(|id| KNOWN.contains(&&id)))
    }

    fn known_near(&mut self, at: u64) -> io::Result<Option<u64>> {
        for near in [at - 1, at + 1, at + 2, at + 3] {
            if self.is_known(near)? {
                return Ok(Some(near));
            }
        }
        Ok(None)
    }

    /// The first bytes of a chunk, as many as matter.
    fn begin_of(&mut self, chunk: Chunk) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; chunk.bytes.min(FORM_BYTES) as usize];
        let read = self.read_at(chunk.start, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    fn data_of_wave(&mut self, chunk: Chunk, long_bytes: Option<u64>) -> io::Result<Data> {
        let there = self.end.saturating_sub(chunk.start);
        let said = match long_bytes {
            Some(long) if chunk.bytes == u64::from(u32::MAX) => long,
            _ => chunk.bytes,
        };
        // A head that was never completed, unless another chunk follows the empty one.
        let is_open = said == 0 && !self.is_known(chunk.start)?;
        let is_unknown = is_open || said >= UNKNOWN_FROM && long_bytes.is_none();
        let bytes = if is_open { there } else { said.min(there) };
        Ok(Data { start: chunk.start, bytes, ends_early: said > there && !is_unknown })
    }

    fn data_of_aiff(&mut self, chunk: Chunk) -> io::Result<Data> {
        let head = self.begin_of(Chunk { bytes: 8, ..chunk })?;
        let offset = head.first_chunk().map_or(0, |offset| u64::from(u32::from_be_bytes(*offset)));
        let start = chunk.start + 8 + offset;
        let there = self.end.saturating_sub(start);
        let said = chunk.bytes.saturating_sub(8 + offset);
        let is_open = chunk.bytes == 0;
        let bytes = if is_open { there } else { said.min(there) };
        let ends_early = said > there && said < UNKNOWN_FROM;
        Ok(Data { start, bytes, ends_early })
    }
}

/// Whether a chunk may be called so.
fn is_name(id: [u8; 4]) -> bool {
    id.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// What the chunk `fmt ` says.
fn form_of_wave(head: &[u8], order: Order) -> Result<Form, Unreadable> {
    const EXTENSIBLE: u16 = 0xfffe;
    let short = |at: usize| {
        let bytes = *head.get(at..)?.first_chunk()?;
        Some(match order {
            Order::Little => u16::from_le_bytes(bytes),
            Order::Big => u16::from_be_bytes(bytes),
        })
    };
    let long = |at: usize| match order {
        Order::Little => Some(u32::from(short(at)?) | u32::from(short(at + 2)?) << 16),
        Order::Big => Some(u32::from(short(at)?) << 16 | u32::from(short(at + 2)?)),
    };
    let fields = (short(0), short(2), long(4), short(12));
    let (Some(tag), Some(channels), Some(rate_hz), Some(frame)) = fields else {
        return Err("its head is too short".to_owned().into());
    };
    let (channels, frame) = (usize::from(channels), usize::from(frame));
    check_form(channels, rate_hz)?;
    let bits = usize::from(short(14).unwrap_or(8));
    // In the extension, the kind of coding is the beginning of a longer name.
    let tag = if tag == EXTENSIBLE { short(24).unwrap_or(1) } else { tag };
    // Samples may have fewer bits than the bytes that they lie in, at whose top they are. What heads say of the bytes
    // of a frame is often wrong; but 24 bits in 4 bytes are common.
    let bytes = match bits {
        17..=24 if frame == 4 * channels => 4,
        // Some leave it to the bytes.
        0 => frame / channels,
        bits => bits.div_ceil(8),
    };
    let coding = match (tag, bytes) {
        (1, 1) => Coding::Unsigned(1),
        (1, 2..=4) => Coding::Integer(bytes),
        (3, 4) => Coding::Float,
        (3, 8) => Coding::Double,
        (6, _) => Coding::ALaw,
        (7, _) => Coding::MuLaw,
        (1 | 3, _) => return Err(format!("its samples have {bits} bits").into()),
        _ => {
            return Err(
                format!("its samples are compressed in a way ({tag}) that is not read").into()
            );
        }
    };
    Ok(Form { coding, order, channels, rate_hz })
}

/// What the chunk `COMM` says.
fn form_of_aiff(head: &[u8]) -> Result<Form, Unreadable> {
    let short = |at: usize| head.get(at..)?.first_chunk().copied().map(u16::from_be_bytes);
    let rate = head.get(8..).and_then(|rate| rate.first_chunk());
    let (Some(channels), Some(bits), Some(rate)) = (short(0), short(6), rate) else {
        return Err("its head is too short".to_owned().into());
    };
    let (channels, rate_hz) = (usize::from(channels), of_extended(rate));
    check_form(channels, rate_hz)?;
    let bytes = usize::from(bits).div_ceil(8);
    let integer = match bytes {
        1..=4 => Ok(Coding::Integer(bytes)),
        _ => Err(Unreadable::Wrong(format!("its samples have {bits} bits"))),
    };
    let kind: Option<&[u8; 4]> = head.get(18..).and_then(|kind| kind.first_chunk());
    let (coding, order) = match kind {
        None | Some(b"NONE" | b"none" | b"twos") => (integer?, Order::Big),
        Some(b"sowt") => (integer?, Order::Little),
        Some(b"raw ") => (Coding::Unsigned(1), Order::Big),
        Some(b"in24") => (Coding::Integer(3), Order::Big),
        Some(b"in32") => (Coding::Integer(4), Order::Big),
        Some(b"42n1" | b"42ni") => (Coding::Integer(3), Order::Little),
        Some(b"23n1" | b"23ni") => (Coding::Integer(4), Order::Little),
        Some(b"fl32" | b"FL32") => (Coding::Float, Order::Big),
        Some(b"fl64" | b"FL64") => (Coding::Double, Order::Big),
        Some(b"alaw" | b"ALAW") => (Coding::ALaw, Order::Big),
        Some(b"ulaw" | b"ULAW") => (Coding::MuLaw, Order::Big),
        Some(other) => {
            let other = other.escape_ascii();
            return Err(
                format!("its samples are compressed in a way ({other}) that is not read").into()
            );
        }
    };
    Ok(Form { coding, order, channels, rate_hz })
}

fn check_form(channels: usize, rate_hz: u32) -> Result<(), Unreadable> {
    if !(1..=CHANNELS_MAX).contains(&channels) {
        return Err(format!("it has {channels} channels").into());
    }
    if rate_hz == 0 {
        return Err("its sample rate is 0".to_owned().into());
    }
    Ok(())
}

/// A float of 80 bits (IEEE 754 double extended), as a whole number; 0 if it is none that a rate can be.
fn of_extended(bytes: &[u8; 10]) -> u32 {
    let exponent = i32::from(u16::from_be_bytes([bytes[0], bytes[1]])) - 16_383;
    let [_, _, mantissa @ ..] = *bytes;
    if !(0..32).contains(&exponent) {
        return 0;
    }
    // The highest bit of the mantissa stands for 1; what is below is rounded.
    let halves = u64::from_be_bytes(mantissa) >> (62 - exponent);
    u32::try_from(halves.div_ceil(2)).unwrap_or(0)
}
