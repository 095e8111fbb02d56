//! What anybody can send who may send anything: packets that cost as much as one can, and names of files that are
//! no recordings.

use std::error::Error;
use std::net::UdpSocket;
use std::path::Path;

use chronus_osc::{encode_arguments, message};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::engine::Engine;

/// Packets, by what is in them.
pub const PACKETS: [&str; 6] = [
    "400 questions",
    "1000 patterns that fit nothing",
    "bundles in bundles",
    "anything",
    "a name of 60 kB",
    "a list without end",
];
/// Files that no sample may play.
pub const FILES: [&str; 6] =
    ["/dev/ptmx", "/dev/zero", "/proc/kmsg", "/etc/hostname", "a pipe", "a folder"];

/// Most that a packet may hold.
const MOST_BYTES: usize = 65_000;

/// Sends a packet from a socket of its own, whose answers nobody reads.
pub fn send(
    engine: &Engine,
    which: &str,
    random: &mut fastrand::Rng,
) -> Result<(), Box<dyn Error>> {
    let socket: UdpSocket = engine.another_socket()?;
    // Before the engine listens, the system may refuse.
    let _ = socket.send(&packet(which, random)?);
    Ok(())
}

fn packet(which: &str, random: &mut fastrand::Rng) -> Result<Vec<u8>, Box<dyn Error>> {
    let element = |address: &str, words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        encode_arguments(&words).and_then(|arguments| message(address, arguments))
    };
    Ok(match which {
        "400 questions" => bundle(&vec![element("/status", &[])?; 400]),
        "1000 patterns that fit nothing" => bundle(&vec![element("/mod/*/*x*y*", &["0.5"])?; 1000]),
        "bundles in bundles" => {
            let mut inner = element("/status", &[])?;
            while inner.len() + 20 < MOST_BYTES {
                inner = bundle(&[inner]);
            }
            inner
        }
        "a name of 60 kB" => element("/record/start", &[&"n".repeat(60_000)])?,
        "a list without end" => b"/mod/osc/gain\0\0\0,[[f\0\0\0\0\x3f\0\0\0".to_vec(),
        _ => (0..random.usize(1..6000)).map(|_| random.u8(..)).collect(),
    })
}

/// A bundle for at once.
fn bundle(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"#bundle\0\0\0\0\0\0\0\0\x01".to_vec();
    for element in elements {
        bytes.extend((element.len() as u32).to_be_bytes());
        bytes.extend(element);
    }
    bytes
}

/// Names a file for a sample. It must be refused, and the next edit be taken.
pub fn name_file(engine: &Engine, which: &str) -> Result<(), Box<dyn Error>> {
    let path = match which {
        "a pipe" => pipe_in(engine.folder())?,
        "a folder" => ".".to_owned(),
        path => path.to_owned(),
    };
    let create = engine.ask("/patch/create", &["intruder", "sample"]);
    let taken = create
        .and_then(|()| engine.ask("/patch/set", &["intruder", "file", &path]))
        .and_then(|()| engine.ask("/patch/commit", &[]));
    engine.ask("/patch/abort", &[])?;
    match taken {
        Ok(()) => Err(format!("{path} was taken for a recording").into()),
        Err(refused) if refused.to_string().contains("no answer") => Err(refused),
        Err(_) => Ok(()),
    }
}

fn pipe_in(folder: &Path) -> Result<String, Box<dyn Error>> {
    let path = folder.join("pipe.wav");
    if !path.exists() {
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    }
    Ok(path.display().to_string())
}
