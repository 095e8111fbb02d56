//! Audio files of all kinds that are read, made here byte by byte, with the values that libsndfile gives.

use std::fs;

use super::*;

const FRAMES: usize = 4_800;
const RATE_HZ: u32 = 48_000;

/// A tone of 440 Hz with a peak of 0.5, as integers of 16 bits.
fn tone() -> Vec<i16> {
    let sample = |frame: usize| {
        let turn = frame as f64 * 440.0 / f64::from(RATE_HZ);
        (16_384.0 * (turn * std::f64::consts::TAU).sin()).round() as i16
    };
    (0..FRAMES).map(sample).collect()
}

fn bytes_of(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn chunk(id: &[u8], content: &[u8]) -> Vec<u8> {
    sized_chunk(id, content.len() as u32, content)
}

fn sized_chunk(id: &[u8], size: u32, content: &[u8]) -> Vec<u8> {
    [id, &size.to_le_bytes(), content].concat()
}

/// The fields of a chunk `fmt `: coding, channels, byte rate, bytes of a frame, bits.
fn form((coding, channels, byte_rate, frame, bits): (u16, u16, u32, u16, u16)) -> Vec<u8> {
    let mut form = [coding, channels].map(u16::to_le_bytes).concat();
    form.extend(RATE_HZ.to_le_bytes());
    form.extend(byte_rate.to_le_bytes());
    form.extend([frame, bits].map(u16::to_le_bytes).concat());
    form
}

/// The same with an extension, which says how many bits are valid and the coding.
fn extended(coding: u16, frame: u16, bits: u16, valid: u16) -> Vec<u8> {
    let mut form = form((0xfffe, 1, 0, frame, bits));
    form.extend([22, valid, 4, 0, coding].map(u16::to_le_bytes).concat());
    form.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
    form
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let content = chunks.concat();
    let size = content.len() as u32 + 4;
    [b"RIFF", &size.to_le_bytes()[..], b"WAVE", &content].concat()
}

const PLAIN: (u16, u16, u32, u16, u16) = (1, 1, 2 * RATE_HZ, 2, 16);

fn read_as(name: &str, content: &[u8], most_bytes: u64) -> Result<Found, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    fs::write(&path, content).expect("a file");
    read(&path, Limit::of(most_bytes))
}

fn found(content: &[u8]) -> Result<Found, String> {
    read_as("a.wav", content, 1 << 24)
}

#[track_caller]
fn assert_is(what: &str, content: &[u8], expected: &[f32], ends_early: bool) {
    let found = found(content).unwrap_or_else(|error| panic!("{what}: {error}"));
    let Content { samples, channels, rate_hz } = &found.content;
    assert_eq!((*channels, *rate_hz), (1, RATE_HZ), "{what}");
    assert_eq!(samples.len(), expected.len(), "{what}");
    let first = samples.iter().zip(expected).position(|(a, b)| a.to_bits() != b.to_bits());
    assert_eq!(first, None, "{what}: a sample is another");
    assert_eq!(found.ends_early, ends_early, "{what}");
}

#[test]
fn heads_are_read_as_generously_as_others_do() {
    let tone = tone();
    let data = bytes_of(&tone);
    let expected: Vec<f32> = tone.iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
    let (fmt, sound) = (chunk(b"fmt ", &form(PLAIN)), chunk(b"data", &data));
    let odd = chunk(b"note", b"seven b");
    let pad = vec![0];
    let mut longer = form(PLAIN);
    longer.extend([8, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let mut oversize = extended(1, 2, 16, 16);
    oversize.splice(16..18, 40_u16.to_le_bytes());
    oversize.extend([9; 18]);
    let list = sized_chunk(b"LIST", 5, b"INFO.");
    let open = |size: u32| riff(&[fmt.clone(), sized_chunk(b"data", size, &data)]);
    let mut rf64 = [&[0xff; 8], &(data.len() as u64).to_le_bytes()[..], &[0; 12]].concat();
    rf64.splice(..8, (data.len() as u64 + 72).to_le_bytes());
    let rf64 = [&b"RF64\xff\xff\xff\xffWAVE"[..], &chunk(b"ds64", &rf64), &fmt].concat();
    let rf64 = [rf64, sized_chunk(b"data", u32::MAX, &data)].concat();
    for (what, content) in [
        ("a plain file", riff(&[fmt.clone(), sound.clone()])),
        (
            "an odd chunk with its pad",
            riff(&[fmt.clone(), odd.clone(), pad.clone(), sound.clone()]),
        ),
        ("an odd chunk first", riff(&[odd.clone(), pad.clone(), fmt.clone(), sound.clone()])),
        ("an odd chunk without its pad", riff(&[fmt.clone(), list.clone(), sound.clone()])),
        ("an odd chunk at the end", riff(&[fmt.clone(), sound.clone(), odd])),
        (
            "a chunk that is longer than it says",
            riff(&[fmt.clone(), list, vec![0; 3], sound.clone()]),
        ),
        ("a form with an extension", riff(&[chunk(b"fmt ", &longer), sound.clone()])),
        ("a longer extension", riff(&[chunk(b"fmt ", &oversize), sound.clone()])),
        ("no byte rate", riff(&[chunk(b"fmt ", &form((1, 1, 0, 2, 16))), sound.clone()])),
        ("no bytes of a frame", riff(&[chunk(b"fmt ", &form((1, 1, 0, 0, 16))), sound.clone()])),
        ("sound before its form", riff(&[sound.clone(), fmt.clone()])),
        ("a size of the whole that is wrong", {
            let mut file = riff(&[fmt.clone(), sound.clone()]);
            file.splice(4..8, [0; 4]);
            file
        }),
        ("written into a pipe, size all ones", open(u32::MAX)),
        ("written into a pipe, size large", open(0x7fff_f000)),
        ("a head that was never completed", open(0)),
        ("a file of 64 bits", rf64),
        ("a tag before it", {
            let tag = [&b"ID3\x03\0\0\0\0\x01\x02"[..], &[0; 130]].concat();
            [tag, riff(&[fmt.clone(), sound.clone()])].concat()
        }),
    ] {
        assert_is(what, &content, &expected, false);
    }
}

#[test]
fn what_is_there_of_a_cut_file_is_read_and_told() {
    let tone = tone();
    let expected: Vec<f32> = tone.iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
    let whole = riff(&[chunk(b"fmt ", &form(PLAIN)), chunk(b"data", &bytes_of(&tone))]);
    assert_is("half", &whole[..44 + FRAMES], &expected[..FRAMES / 2], true);
    assert_is("within a frame", &whole[..=44 + FRAMES], &expected[..FRAMES / 2], true);
    let longer = [&whole[..], b"and more"].concat();
    assert_is("more than it says", &longer, &expected, false);
    for (what, cut) in [("nothing", 0), ("within its head", 30), ("no sound", 44)] {
        let error = found(&whole[..cut]).expect_err(what);
        assert!(error.contains("save or convert"), "{what}: {error}");
    }
}

/// The samples of a file of these bytes, coded so.
fn samples_of(form: &[u8], data: &[u8]) -> Vec<f32> {
    let found = found(&riff(&[chunk(b"fmt ", form), chunk(b"data", data)]));
    found.unwrap_or_else(|error| panic!("{error}")).content.samples.to_vec()
}

#[test]
fn integers_and_floats_of_all_widths_have_full_scale_at_one() {
    let plain = |coding, bits: u16| form((coding, 1, 0, bits / 8, bits));
    assert_eq!(samples_of(&plain(1, 8), &[0, 64, 128, 255]), [-1.0, -0.5, 0.0, 127.0 / 128.0]);
    assert_eq!(samples_of(&plain(1, 16), &[0, 0x80, 1, 0]), [-1.0, 1.0 / 32_768.0]);
    assert_eq!(samples_of(&plain(1, 24), &[0, 0, 0x80, 1, 0, 0]), [-1.0, 1.0 / 8_388_608.0]);
    assert_eq!(samples_of(&plain(1, 32), &[0, 0, 0, 0x80, 0, 0, 0, 0x40]), [-1.0, 0.5]);
    let floats = [0.25_f32, -3.0, f32::NAN].map(f32::to_le_bytes).concat();
    assert_eq!(samples_of(&plain(3, 32), &floats), [0.25, -3.0, 0.0]);
    let doubles = [0.1_f64, -1.0, f64::INFINITY].map(f64::to_le_bytes).concat();
    assert_eq!(samples_of(&plain(3, 64), &doubles), [0.1_f32, -1.0, 0.0]);
    // Fewer bits than their bytes have are the highest.
    assert_eq!(samples_of(&extended(1, 4, 32, 24), &[0, 1, 0, 0x40]), [0.5 + 1.0 / 8_388_608.0]);
    assert_eq!(samples_of(&form((1, 1, 0, 4, 24)), &[0, 0, 0, 0x40]), [0.5]);
    assert_eq!(samples_of(&form((1, 1, 0, 2, 12)), &[0x10, 0x40]), [0.5 + 1.0 / 2048.0]);
    // ITU-T G.711: the loudest and the quietest codes.
    assert_eq!(
        samples_of(&plain(6, 8), &[0xaa, 0xd5, 0x2a]),
        [0.984_375, 0.000_244_140_63, -0.984_375]
    );
    assert_eq!(samples_of(&plain(7, 8), &[0x80, 0xff, 0x00]), [0.980_346_7, 0.0, -0.980_346_7]);
}

#[test]
fn aiff_is_read_like_wav_with_its_numbers_the_other_way_round() {
    let form = |kind: Option<&[u8; 4]>, bits: u16| {
        let mut form = [0, 1, 0, 0, 0, 2].to_vec();
        form.extend(bits.to_be_bytes());
        form.extend([0x40, 0x0e, 0xbb, 0x80, 0, 0, 0, 0, 0, 0]);
        form.extend(kind.map_or(Vec::new(), |kind| [&kind[..], &[0, 0]].concat()));
        form
    };
    let chunk = |id: &[u8; 4], content: &[u8]| {
        [&id[..], &(content.len() as u32).to_be_bytes(), content].concat()
    };
    let file = |kind: Option<&[u8; 4]>, bits: u16, data: &[u8]| {
        let sound = [&[0; 8], data].concat();
        let chunks = [chunk(b"COMM", &form(kind, bits)), chunk(b"SSND", &sound)].concat();
        let name = if kind.is_some() { b"AIFC" } else { b"AIFF" };
        [b"FORM", &(chunks.len() as u32 + 4).to_be_bytes()[..], name, &chunks].concat()
    };
    assert_is("16 bits", &file(None, 16, &[0x40, 0, 0x80, 0]), &[0.5, -1.0], false);
    assert_is("8 bits, signed", &file(None, 8, &[0x40, 0x80]), &[0.5, -1.0], false);
    assert_is("little", &file(Some(b"sowt"), 16, &[0, 0x40, 0, 0x80]), &[0.5, -1.0], false);
    let floats = [0.1_f32, -2.0].map(f32::to_be_bytes).concat();
    assert_is("floats", &file(Some(b"fl32"), 32, &floats), &[0.1, -2.0], false);
    let cut = file(None, 16, &[0x40, 0, 0x80, 0]);
    assert_is("cut", &cut[..cut.len() - 2], &[0.5], true);
}

/// A file that was made of the tone by libsndfile.
fn compressed(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    fs::read(path).expect("a file that is there")
}

#[test]
fn compressed_files_are_read_like_others() {
    let expected: Vec<f32> = tone().iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
    let tag = [&b"TAG"[..], &[0; 125]].concat();
    let flac = compressed("tone.flac");
    assert_is("FLAC", &flac, &expected, false);
    assert_is("FLAC with a tag behind it", &[&flac[..], &tag].concat(), &expected, false);
    let id3 = [&b"ID3\x03\0\0\0\0\0\x08"[..], &[0; 8], &flac].concat();
    assert_is("FLAC with a tag before it", &id3, &expected, false);
    for name in ["tone.ogg", "tone.mp3"] {
        let Found { content, ends_early } = found(&compressed(name)).expect(name);
        let form = (content.samples.len(), content.channels, content.rate_hz, ends_early);
        assert_eq!(form, (FRAMES, 1, RATE_HZ, false), "{name}");
        let off = content.samples.iter().zip(&expected).map(|(a, b)| (a - b).abs());
        let off = off.fold(0.0, f32::max);
        assert!(off < 0.1, "{name}: {off}");
        let again = found(&compressed(name)).expect(name);
        assert_eq!(again.content.digest(), content.digest(), "{name}");
        let error = read_as(name, &compressed(name), 4_096).expect_err("it is too large");
        assert!(error.contains("--sample-memory"), "{error}");
    }
    let cut = compressed("tone.mp3");
    let Found { content, ends_early } = found(&cut[..cut.len() * 2 / 3]).expect("what is there");
    assert!(ends_early && (1..FRAMES).contains(&content.samples.len()));
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("huge.wav");
    let head = riff(&[chunk(b"fmt ", &form(PLAIN)), sized_chunk(b"data", 1 << 30, &[0; 4])]);
    fs::write(&path, &head).expect("written");
    fs::File::options().write(true).open(&path).expect("open").set_len(1 << 30).expect("sparse");
    let error = read(&path, Limit { all: 1 << 30, free: 700 << 20 }).expect_err("too large");
    for words in ["huge.wav takes at least 2048 MiB", "1024 MiB in all", "324", "--sample-memory"] {
        assert!(error.contains(words), "{words}: {error}");
    }
    fs::File::options().write(true).open(&path).expect("open").set_len(1 << 40).expect("sparse");
    let error = read(&path, Limit::of(1 << 30)).expect_err("too large");
    assert!(error.contains("--sample-memory"), "{error}");
}

#[test]
fn what_is_no_audio_file_is_told_with_what_is() {
    for (what, content) in [
        ("a text", b"format = 1\n[[module]]\n".repeat(100)),
        ("zeros", vec![0; 10_000]),
        ("no rate", {
            let mut form = form(PLAIN);
            form.splice(4..8, [0; 4]);
            riff(&[chunk(b"fmt ", &form), chunk(b"data", &[0; 4])])
        }),
        ("no channels", riff(&[chunk(b"fmt ", &form((1, 0, 0, 2, 16))), chunk(b"data", &[0; 4])])),
        ("a form without sound", riff(&[chunk(b"fmt ", &form(PLAIN))])),
        ("sound without a form", riff(&[chunk(b"data", &[0; 4])])),
        (
            "integers of 64 bits",
            riff(&[chunk(b"fmt ", &form((1, 1, 0, 8, 64))), chunk(b"data", &[0; 8])]),
        ),
        (
            "an unknown coding",
            riff(&[chunk(b"fmt ", &form((0x1234, 1, 0, 8, 64))), chunk(b"data", &[0; 8])]),
        ),
    ] {
        let error = found(&content).expect_err(what);
        assert!(error.contains("read are WAV, AIFF, FLAC, Ogg Vorbis and MP3"), "{what}: {error}");
    }
    let error = read(Path::new("/nowhere/a.wav"), Limit::of(1)).expect_err("there is none");
    assert!(error.starts_with("there is no recording /nowhere/a.wav;"), "{error}");
}

#[test]
fn a_recording_is_its_samples_its_channels_and_its_rate() {
    let content = |samples: &[f32], channels, rate_hz| {
        Content { samples: Arc::new(samples.to_vec()), channels, rate_hz }.digest()
    };
    let samples = [0.0, 0.5, -0.5, 1.0];
    let one = content(&samples, 1, 48_000);
    assert_eq!(one, content(&samples, 1, 48_000));
    for other in [
        content(&samples, 2, 48_000),
        content(&samples, 1, 44_100),
        content(&samples[..3], 1, 48_000),
        content(&[-0.0, 0.5, -0.5, 1.0], 1, 48_000),
    ] {
        assert_ne!(one, other);
    }
}

#[test]
fn what_can_hardly_be_meant_is_told() {
    let path = Path::new("a.wav");
    let told = |samples: &[f32], rate_hz, ends_early| {
        let content = Content { samples: Arc::new(samples.to_vec()), channels: 1, rate_hz };
        Found { content, ends_early }.remarks(path)
    };
    assert_eq!(told(&[0.0, -1.0, 4.0], 44_100, false), Vec::<String>::new());
    let odd = told(&[0.0, -1e30], 1, true);
    assert_eq!(odd.len(), 3, "{odd:?}");
    assert!(
        odd[0].contains("ends before its head says so")
            && odd[1].contains("has 1 frames per second")
    );
    assert!(odd[2].starts_with("the recording a.wav is 600 dB above full scale"), "{odd:?}");
    assert_eq!(told(&[0.0], u32::MAX, false).len(), 1);
}
