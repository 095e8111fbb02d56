//! WAV files of any length, as 32-bit floats or 24-bit integers.
//!
//! The lengths in a WAV header have 32 bits: three hours of stereo floats at 48 kHz, and
//! installations play for months. So every file begins with a chunk `JUNK` that players skip; once
//! the file has outgrown 4 GiB, that chunk becomes `ds64` with lengths of 64 bits, and the file is
//! RF64 (EBU Tech 3306). Until then it is an ordinary WAV file.

use std::{
    fmt,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
    path::Path,
    str::FromStr,
};

use crate::CHANNELS;

/// The whole header: `RIFF`, `JUNK` or `ds64`, `fmt `, `fact`, and the head of `data`.
pub(crate) const HEADER_BYTES: u64 = 12 + (8 + 28) + (8 + 40) + (8 + 4) + 8;
/// The part of the header that tells the format and the rate.
const FORM: std::ops::Range<usize> = 48..48 + 8 + 40;
/// The longest RIFF chunk that its 32 bits can tell; all ones mean "see `ds64`".
const LONGEST_RIFF: u64 = u32::MAX as u64 - 1;
/// Samples are gathered up to about this many bytes before they go to the medium.
const BUFFER_BYTES: usize = 1 << 16;
/// Full scale of 24 bits.
const FULL_SCALE: f64 = 8_388_608.0;
/// The sub-format of `WAVE_FORMAT_EXTENSIBLE` after its first two bytes, which say PCM or float.
const SUB_FORMAT: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

/// How samples are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WavFormat {
    /// 32-bit floats: the very bits that were played.
    #[default]
    F32,
    /// 24-bit integers, dithered; what is beyond full scale is clipped, and counted.
    I24,
}

/// A word that names no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no format of a recording; give f32 (32-bit float) or 24 (24-bit integer)")]
pub struct UnknownFormat(String);

impl WavFormat {
    /// Bytes of a frame.
    fn frame_bytes(self) -> u64 {
        CHANNELS as u64 * u64::from(self.bits() / 8)
    }

    fn bits(self) -> u16 {
        match self {
            Self::F32 => 32,
            Self::I24 => 24,
        }
    }
}

impl FromStr for WavFormat {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "f32" | "32" | "float" => Ok(Self::F32),
            "24" | "i24" | "s24" => Ok(Self::I24),
            _ => Err(UnknownFormat(text.to_owned())),
        }
    }
}

impl fmt::Display for WavFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::I24 => "24",
        })
    }
}

/// What a WAV file is written to: a file, or in tests something that fails on purpose.
pub trait Medium: Write + Seek {
    /// Shortens it to so many bytes.
    ///
    /// # Errors
    /// As the system says.
    fn cut(&mut self, bytes: u64) -> io::Result<()>;

    /// Brings what was written to the disk itself.
    ///
    /// # Errors
    /// As the system says.
    fn sync(&mut self) -> io::Result<()>;

    /// Whether it has been deleted meanwhile, so that nobody will ever find what is written.
    fn is_deleted(&self) -> bool;
}

impl Medium for File {
    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        match self.sync_data() {
            // Pipes and devices have nothing to bring anywhere.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            other => other,
        }
    }

    fn is_deleted(&self) -> bool {
        self.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }
}

/// Writes one WAV file, stereo.
pub struct WavWriter<M: Medium = File> {
    medium: M,
    format: WavFormat,
    rate_hz: u32,
    /// Frames taken, with those in the buffer.
    frames: u64,
    clipped: u64,
    buffer: Vec<u8>,
    dither: Dither,
    /// A longer RIFF chunk than this makes the file RF64; lower in tests.
    longest_riff: u64,
}

impl WavWriter {
    /// Creates the file, or empties the one that is there.
    ///
    /// # Errors
    /// As the system says; a disk that is full already is found here.
    pub fn create(path: &Path, rate_hz: u32, format: WavFormat) -> io::Result<Self> {
        Self::new(File::create(path)?, rate_hz, format)
    }
}

/// Completes a file that a [`WavWriter`] has begun in a process that died: the header tells of all whole frames
/// that have arrived.
///
/// # Errors
/// `InvalidData` if it is not such a file; otherwise as the system says.
pub fn complete(path: &Path) -> io::Result<()> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let mut header = [0; HEADER_BYTES as usize];
    file.read_exact(&mut header)?;
    let rate_hz = u32::from_le_bytes([header[60], header[61], header[62], header[63]]);
    let format = if header[70] == 24 { WavFormat::I24 } else { WavFormat::F32 };
    let mut writer = WavWriter::over(file, rate_hz, format);
    // The lengths may differ, the form may not.
    if header[FORM] != writer.header()[FORM] {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a recording of ours"));
    }
    writer.frames = u64::MAX;
    writer.mend()
}

impl<M: Medium> WavWriter<M> {
    fn over(medium: M, rate_hz: u32, format: WavFormat) -> Self {
        Self {
            medium,
            format,
            rate_hz,
            frames: 0,
            clipped: 0,
            buffer: Vec::with_capacity(2 * BUFFER_BYTES),
            dither: Dither::default(),
            longest_riff: LONGEST_RIFF,
        }
    }

    /// Begins a file on an empty medium; the header goes out at once.
    ///
    /// # Errors
    /// As the medium says.
    pub fn new(medium: M, rate_hz: u32, format: WavFormat) -> io::Result<Self> {
        let mut writer = Self::over(medium, rate_hz, format);
        writer.write_header()?;
        Ok(writer)
    }

    /// Frames taken so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Samples beyond full scale that were clipped.
    pub fn clipped(&self) -> u64 {
        self.clipped
    }

    /// Appends whole frames.
    ///
    /// # Errors
    /// As the medium says; [`WavWriter::mend`] then saves what can be saved.
    pub fn write(&mut self, interleaved: &[f32]) -> io::Result<()> {
        for piece in interleaved.chunks(BUFFER_BYTES / 8) {
            match self.format {
                WavFormat::F32 => {
                    self.buffer.extend(piece.iter().flat_map(|sample| sample.to_le_bytes()));
                }
                WavFormat::I24 => self.encode_24(piece),
            }
            self.frames += (piece.len() / CHANNELS) as u64;
            if self.buffer.len() >= BUFFER_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn encode_24(&mut self, samples: &[f32]) {
        for &sample in samples {
            self.clipped += u64::from(sample.abs() > 1.0);
            // Silence stays silence: dither would be the loudest thing in it.
            let noise = if sample == 0.0 { 0.0 } else { self.dither.next() };
            let value = (f64::from(sample) * FULL_SCALE + noise).round();
            let value = value.clamp(-FULL_SCALE, FULL_SCALE - 1.0) as i32;
            self.buffer.extend_from_slice(&value.to_le_bytes()[..3]);
        }
    }

    /// Brings the file up to date, so that it is whole even if the program ends here.
    ///
    /// # Errors
    /// As the medium says.
    pub fn update(&mut self) -> io::Result<()> {
        // The header must never promise more than there is, so the samples go first.
        self.flush()?;
        self.write_header()
    }

    /// Completes the file, and has it on the disk.
    ///
    /// # Errors
    /// As the medium says.
    pub fn finish(&mut self) -> io::Result<()> {
        self.update()?;
        self.medium.sync()
    }

    /// After an error: makes the file end with the last whole frame that did reach the medium. A
    /// full disk has no new room, but what is there can still be overwritten and shortened.
    ///
    /// # Errors
    /// As the medium says; the header of the last update then stays, which is valid, too.
    pub fn mend(&mut self) -> io::Result<()> {
        self.buffer.clear();
        let end = self.medium.seek(SeekFrom::End(0))?;
        let arrived = end.saturating_sub(HEADER_BYTES) / self.format.frame_bytes();
        self.frames = self.frames.min(arrived);
        self.write_header()?;
        self.medium.cut(HEADER_BYTES + self.frames * self.format.frame_bytes())
    }

    /// See [`Medium::is_deleted`].
    pub(crate) fn is_deleted(&self) -> bool {
        self.medium.is_deleted()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.medium.write_all(&self.buffer)?;
        self.buffer.clear();
        self.medium.flush()
    }

    fn write_header(&mut self) -> io::Result<()> {
        let header = self.header();
        self.medium.seek(SeekFrom::Start(0))?;
        self.medium.write_all(&header)?;
        self.medium.flush()?;
        self.medium.seek(SeekFrom::End(0))?;
        Ok(())
    }

    fn header(&self) -> Vec<u8> {
        let data = self.frames * self.format.frame_bytes();
        let riff = HEADER_BYTES - 8 + data;
        let long = riff > self.longest_riff;
        // In RF64 every length of 32 bits that has one of 64 in `ds64` is all ones.
        let short = |length: u64| if long { u32::MAX } else { length as u32 };
        let mut header = Vec::with_capacity(HEADER_BYTES as usize);
        header.extend(if long { *b"RF64" } else { *b"RIFF" });
        header.extend(short(riff).to_le_bytes());
        header.extend(b"WAVE");
        header.extend(if long { *b"ds64" } else { *b"JUNK" });
        header.extend(28_u32.to_le_bytes());
        for length in [riff, data, self.frames] {
            header.extend(if long { length } else { 0 }.to_le_bytes());
        }
        header.extend(0_u32.to_le_bytes());
        self.format_chunk(&mut header);
        header.extend(b"fact");
        header.extend(4_u32.to_le_bytes());
        header.extend(short(self.frames).to_le_bytes());
        header.extend(b"data");
        header.extend(short(data).to_le_bytes());
        header
    }

    /// `WAVE_FORMAT_EXTENSIBLE`, which 24 bits demand and players of floats understand.
    fn format_chunk(&self, header: &mut Vec<u8>) {
        let (bits, frame_bytes) = (self.format.bits(), self.format.frame_bytes());
        header.extend(b"fmt ");
        header.extend(40_u32.to_le_bytes());
        header.extend(0xfffe_u16.to_le_bytes());
        header.extend((CHANNELS as u16).to_le_bytes());
        header.extend(self.rate_hz.to_le_bytes());
        header.extend((self.rate_hz * frame_bytes as u32).to_le_bytes());
        header.extend((frame_bytes as u16).to_le_bytes());
        header.extend(bits.to_le_bytes());
        header.extend(22_u16.to_le_bytes());
        header.extend(bits.to_le_bytes());
        // Front left, front right.
        header.extend(3_u32.to_le_bytes());
        let kind: u16 = if self.format == WavFormat::F32 { 3 } else { 1 };
        header.extend(kind.to_le_bytes());
        header.extend(SUB_FORMAT);
    }
}

/// Triangular noise of one step to either side, which makes the rounding error independent of the
/// sound. It begins alike in every file, so that the same sound gives the same file.
struct Dither(u64);

impl Default for Dither {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Dither {
    /// The next of the noise, between -1 and 1: the sum of the two halves of a xorshift's output.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let half = |bits: u64| f64::from(bits as u32) / 4_294_967_296.0;
        half(self.0 >> 32) + half(self.0) - 1.0
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Cursor;

    use super::*;

    /// A disk that is full after so many bytes, and takes what still fits, as real ones do.
    pub(crate) struct SmallDisk {
        pub cursor: Cursor<Vec<u8>>,
        pub size_bytes: u64,
    }

    impl SmallDisk {
        pub fn new(size_bytes: u64) -> Self {
            Self { cursor: Cursor::default(), size_bytes }
        }
    }

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = self.size_bytes.saturating_sub(self.cursor.position()) as usize;
            if room == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.cursor.write(&bytes[..bytes.len().min(room)])
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for SmallDisk {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.cursor.seek(to)
        }
    }

    impl Medium for SmallDisk {
        fn cut(&mut self, bytes: u64) -> io::Result<()> {
            self.cursor.get_mut().truncate(bytes as usize);
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn is_deleted(&self) -> bool {
            false
        }
    }

    fn wav(format: WavFormat) -> WavWriter<SmallDisk> {
        WavWriter::new(SmallDisk::new(1 << 24), 48_000, format).unwrap()
    }

    fn bytes(wav: &WavWriter<SmallDisk>) -> &[u8] {
        wav.medium.cursor.get_ref()
    }

    fn u64_at(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    }

    /// Reads an RF64 file as its standard says, chunk by chunk: the bytes of its samples.
    fn read_rf64(file: &[u8]) -> &[u8] {
        assert_eq!((&file[..8], &file[8..12]), (&b"RF64\xff\xff\xff\xff"[..], &b"WAVE"[..]));
        let (mut at, mut data_bytes) = (12, None);
        loop {
            let (id, size) = (&file[at..at + 4], &file[at + 4..at + 8]);
            let size = u32::from_le_bytes(size.try_into().unwrap());
            at += 8;
            match id {
                b"ds64" => data_bytes = Some(u64_at(file, at + 8) as usize),
                b"data" => {
                    assert_eq!(size, u32::MAX);
                    return &file[at..at + data_bytes.unwrap()];
                }
                _ => {}
            }
            at += size as usize;
        }
    }

    fn ramp(samples: usize) -> Vec<f32> {
        (0..samples).map(|sample| sample as f32 / 1e5 - 0.5).collect()
    }

    #[test]
    fn floats_read_back_bit_for_bit() {
        let (mut wav, sound) = (wav(WavFormat::F32), ramp(50_000));
        sound.chunks(778).for_each(|piece| wav.write(piece).unwrap());
        wav.finish().unwrap();
        let mut reader = hound::WavReader::new(bytes(&wav)).unwrap();
        assert_eq!((reader.duration(), reader.spec().sample_rate), (25_000, 48_000));
        let read: Vec<f32> = reader.samples().map(Result::unwrap).collect();
        assert_eq!(read, sound);
        assert_eq!(bytes(&wav).len() as u64, HEADER_BYTES + 50_000 * 4);
    }

    #[test]
    fn integers_are_within_a_step_and_a_half_and_clipping_is_counted() {
        let (mut wav, mut sound) = (wav(WavFormat::I24), ramp(50_000));
        sound.extend([1.0, -1.0, 1.5, -7.0, 0.0, 0.0, f32::NAN, 0.0]);
        wav.write(&sound).unwrap();
        wav.finish().unwrap();
        let mut reader = hound::WavReader::new(bytes(&wav)).unwrap();
        assert_eq!(reader.spec().bits_per_sample, 24);
        let read: Vec<i32> = reader.samples().map(Result::unwrap).collect();
        let (mut sum, mut squares) = (0.0, 0.0);
        for (read, wanted) in read.iter().zip(&sound[..50_000]) {
            let error = f64::from(*read) - f64::from(*wanted) * FULL_SCALE;
            assert!(error.abs() <= 1.5, "{read} for {wanted}");
            (sum, squares) = (sum + error, squares + error * error);
        }
        // Triangular dither has no mean and a power of a quarter step together with the rounding.
        assert!((sum / 5e4).abs() < 0.02 && (squares / 5e4 - 0.25).abs() < 0.02, "{sum} {squares}");
        assert_eq!(read[50_002..], [8_388_607, -8_388_608, 0, 0, 0, 0]);
        assert_eq!(wav.clipped(), 2);
    }

    #[test]
    fn the_same_sound_gives_the_same_file() {
        let files = [3, 5000].map(|frames| {
            let mut wav = wav(WavFormat::I24);
            ramp(20_000).chunks(2 * frames).for_each(|piece| wav.write(piece).unwrap());
            wav.finish().unwrap();
            bytes(&wav).to_vec()
        });
        assert!(files[0] == files[1]);
    }

    #[test]
    fn a_file_that_outgrows_its_lengths_becomes_rf64() {
        for format in [WavFormat::F32, WavFormat::I24] {
            let mut wav = wav(format);
            wav.longest_riff = HEADER_BYTES - 8 + 1000 * format.frame_bytes();
            wav.write(&ramp(2000)).unwrap();
            wav.update().unwrap();
            assert_eq!((&bytes(&wav)[..4], &bytes(&wav)[12..16]), (&b"RIFF"[..], &b"JUNK"[..]));
            assert_eq!(hound::WavReader::new(bytes(&wav)).unwrap().duration(), 1000);
            wav.write(&ramp(2)).unwrap();
            wav.update().unwrap();
            let file = bytes(&wav);
            let data = 1001 * format.frame_bytes();
            assert_eq!((&file[..4], &file[8..16]), (&b"RF64"[..], &b"WAVEds64"[..]));
            assert_eq!(file[4..8], [0xff; 4]);
            assert_eq!(file[HEADER_BYTES as usize - 8..][..8], *b"data\xff\xff\xff\xff");
            assert_eq!(u64_at(file, 20), file.len() as u64 - 8);
            assert_eq!((u64_at(file, 28), u64_at(file, 36)), (data, 1001));
            assert_eq!(file.len() as u64, HEADER_BYTES + data);
            // The samples from before the change and after it.
            let read = read_rf64(file);
            assert_eq!(read.len() as u64, data);
            if format == WavFormat::F32 {
                let sound = [ramp(2000), ramp(2)].concat();
                let written: Vec<u8> = sound.iter().flat_map(|s| s.to_le_bytes()).collect();
                assert!(read == written);
            }
        }
    }

    #[test]
    fn lengths_beyond_32_bits_are_told_in_64() {
        let mut wav = wav(WavFormat::F32);
        wav.frames = (LONGEST_RIFF + 8 - HEADER_BYTES) / 8;
        assert_eq!(wav.header()[..4], *b"RIFF");
        wav.frames += 1;
        let header = wav.header();
        assert_eq!(header[..4], *b"RF64");
        assert_eq!(u64_at(&header, 28), wav.frames * 8);
        assert_eq!(header.len() as u64, HEADER_BYTES);
    }

    #[test]
    fn a_full_disk_leaves_a_file_that_ends_with_its_last_whole_frame() {
        for (format, frames) in [(WavFormat::F32, 30_000), (WavFormat::I24, 40_000)] {
            // Half a frame more than fits.
            let disk = SmallDisk::new(HEADER_BYTES + 240_000 + 3);
            let mut wav = WavWriter::new(disk, 48_000, format).unwrap();
            let error = wav.write(&ramp(100_000)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            wav.mend().unwrap();
            assert_eq!(wav.frames(), frames);
            assert_eq!(bytes(&wav).len() as u64, HEADER_BYTES + 240_000);
            let reader = hound::WavReader::new(bytes(&wav)).unwrap();
            assert_eq!(u64::from(reader.duration()), frames);
        }
    }

    #[test]
    fn a_file_that_a_dead_process_has_left_is_completed() {
        let folder = tempfile::tempdir().unwrap();
        for (format, frame_bytes) in [(WavFormat::F32, 8), (WavFormat::I24, 6)] {
            let path = folder.path().join("left.wav");
            let mut wav = WavWriter::create(&path, 44_100, format).unwrap();
            wav.write(&ramp(200)).unwrap();
            wav.update().unwrap();
            wav.write(&ramp(100)).unwrap();
            // The samples went out, the header did not, and a last frame in part.
            wav.flush().unwrap();
            wav.medium.write_all(&[1, 2, 3]).unwrap();
            drop(wav);
            complete(&path).unwrap();
            let reader = hound::WavReader::open(&path).unwrap();
            assert_eq!((reader.duration(), reader.spec().sample_rate), (150, 44_100));
            let bytes = std::fs::metadata(&path).unwrap().len();
            assert_eq!(bytes, HEADER_BYTES + 150 * frame_bytes);
        }
        let path = folder.path().join("other.wav");
        std::fs::write(&path, [0; 200]).unwrap();
        assert_eq!(complete(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(std::fs::read(&path).unwrap(), [0; 200], "left as it was");
    }

    #[test]
    fn a_disk_without_room_for_the_header_is_found_at_once() {
        let error = WavWriter::new(SmallDisk::new(50), 48_000, WavFormat::F32).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
