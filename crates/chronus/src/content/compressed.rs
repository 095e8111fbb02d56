//! Files that a library decodes: FLAC, Ogg Vorbis and MP3.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use super::{CHANNELS_MAX, Content, Found, Unreadable};

/// As many damaged packets in a row are passed over.
const DAMAGED_MAX: u32 = 64;

/// Reads a file of which at most so many bytes may be in memory when it is decoded.
pub fn read(file: File, most_bytes: u64) -> Result<Found, Unreadable> {
    let source = Box::new(WithoutTag::new(file)?);
    let stream = MediaSourceStream::new(source, MediaSourceStreamOptions::default());
    let probe = symphonia::default::get_probe();
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    let mut format =
        probe.probe(&Hint::new(), stream, format, metadata).map_err(|error| why(&error))?;
    let track = format.default_track(TrackType::Audio).ok_or_else(no_sound)?;
    let params = track.codec_params.as_ref().and_then(|params| params.audio());
    let params = params.ok_or_else(no_sound)?;
    let (id, frames) = (track.id, track.num_frames);
    if let (Some(frames), Some(channels)) = (frames, &params.channels) {
        check_size(frames.saturating_mul(channels.count() as u64), most_bytes)?;
    }
    let codecs = symphonia::default::get_codecs();
    let mut decoder = codecs
        .make_audio_decoder(params, &AudioDecoderOptions::default())
        .map_err(|error| why(&error))?;
    let mut samples: Vec<f32> = Vec::new();
    let mut piece: Vec<f32> = Vec::new();
    let mut form: Option<(usize, u32)> = None;
    let mut damaged = 0;
    let mut ends_early = false;
    loop {
        let packet = match format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            // What is there is played.
            Err(_) if !samples.is_empty() => {
                ends_early = true;
                break;
            }
            Err(error) => return Err(why(&error)),
        };
        if packet.track_id != id {
            continue;
        }
        let decoded = match decoder.decode(&packet) {
            Ok(decoded) => decoded,
            Err(Error::DecodeError(_) | Error::IoError(_)) if damaged < DAMAGED_MAX => {
                damaged += 1;
                continue;
            }
            Err(_) if !samples.is_empty() => {
                ends_early = true;
                break;
            }
            Err(error) => return Err(why(&error)),
        };
        damaged = 0;
        let spec = decoded.spec();
        let this = (spec.channels().count(), spec.rate());
        if *form.get_or_insert(this) != this {
            // Another song follows in the same file; the first is the recording.
            ends_early = true;
            break;
        }
        decoded.copy_to_vec_interleaved(&mut piece);
        check_size((samples.len() + piece.len()) as u64, most_bytes)?;
        samples.extend_from_slice(&piece);
    }
    let Some((channels @ 1..=CHANNELS_MAX, rate_hz @ 1..)) = form else { return Err(no_sound()) };
    let found_frames = (samples.len() / channels) as u64;
    ends_early |= frames.is_some_and(|frames| found_frames < frames);
    Ok(Found { content: Content { samples: Arc::new(samples), channels, rate_hz }, ends_early })
}

/// Bytes of a tag that other programs write behind the sound, which begins with `TAG` (`ID3v1`).
const TAG_BYTES: u64 = 128;

/// A file without a tag behind it, which would be taken for a part of the last piece of sound.
struct WithoutTag {
    file: File,
    at: u64,
    end: u64,
}

impl WithoutTag {
    fn new(mut file: File) -> io::Result<Self> {
        let mut end = file.metadata()?.len();
        let mut head = [0; 3];
        if end > TAG_BYTES {
            file.seek(SeekFrom::Start(end - TAG_BYTES))?;
            file.read_exact(&mut head)?;
            end -= if head == *b"TAG" { TAG_BYTES } else { 0 };
            file.seek(SeekFrom::Start(0))?;
        }
        Ok(Self { file, at: 0, end })
    }
}

impl Read for WithoutTag {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_sub(self.at).min(bytes.len() as u64) as usize;
        let read = self.file.read(&mut bytes[..left])?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for WithoutTag {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::End(back) => SeekFrom::Start(self.end.saturating_add_signed(back)),
            other => other,
        };
        self.at = self.file.seek(to)?;
        Ok(self.at)
    }
}

impl MediaSource for WithoutTag {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.end)
    }
}

/// Refuses more samples than there may be.
pub fn check_size(samples: u64, most_bytes: u64) -> Result<(), Unreadable> {
    let bytes = samples.saturating_mul(size_of::<f32>() as u64);
    if bytes > most_bytes { Err(Unreadable::TooLarge(bytes)) } else { Ok(()) }
}

fn no_sound() -> Unreadable {
    Unreadable::Wrong("it holds no sound".into())
}

fn why(error: &Error) -> Unreadable {
    match error {
        Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Unreadable::Wrong("it is no audio file, or ends too early".into())
        }
        Error::IoError(error) => Unreadable::Wrong(error.to_string()),
        Error::Unsupported(_) => Unreadable::Wrong("it is of another kind".into()),
        error => Unreadable::Wrong(format!("it is broken ({error})")),
    }
}
