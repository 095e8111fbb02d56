//! SuperCollider's servers without real time: `scsynth`, and `supernova` with one thread. Definitions and score are
//! written here.

mod definition;
mod instruments;
mod score;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::voice::{RATE_HZ, Voice, gain, swing_phase};
use super::{child, turns};
use score::Message;

/// Which of the two programs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Scsynth,
    Supernova,
}

/// A server that plays a voice.
#[derive(Clone)]
pub struct Server {
    pub program: Program,
    pub voice: Voice,
    /// Whether a DC blocker and a limiter follow, as in Chronus.
    pub safe: bool,
    /// Where its files are written.
    pub folder: PathBuf,
}

impl Server {
    /// CPU seconds of rendering so many seconds, start-up included.
    pub fn cpu_seconds(&self, voices: usize, seconds: f64) -> Result<f64, Box<dyn Error>> {
        // What is written costs nothing, as with the others.
        child::cpu_seconds(&mut self.command(voices, seconds, Path::new("/dev/null"))?)
    }

    /// What is heard.
    pub fn sound(&self, voices: usize, seconds: f64) -> Result<Vec<f32>, Box<dyn Error>> {
        let output = self.folder.join("server.wav");
        child::cpu_seconds(&mut self.command(voices, seconds, &output)?)?;
        let samples = hound::WavReader::open(&output)?.into_samples::<f32>();
        Ok(samples.collect::<Result<_, _>>()?)
    }

    fn command(
        &self,
        voices: usize,
        seconds: f64,
        output: &Path,
    ) -> Result<Command, Box<dyn Error>> {
        let path = self.folder.join("score.osc");
        std::fs::write(&path, self.score(voices, seconds)?)?;
        let mut command = match self.program {
            Program::Scsynth => Command::new("scsynth"),
            Program::Supernova => {
                let mut command = Command::new("supernova");
                command.args(["-T", "1"]);
                command
            }
        };
        command.args(["-i", "0", "-o", "1", "-n", "4096", "-m", "262144"]);
        command.arg("-N").arg(path).arg("_").arg(output).arg(RATE_HZ.to_string());
        command.args(["WAV", "float"]);
        Ok(command)
    }

    fn score(&self, voices: usize, seconds: f64) -> Result<Vec<u8>, Box<dyn Error>> {
        let mut score = Vec::new();
        if self.voice == Voice::Wavetable {
            for (index, path) in self.buffers()?.iter().enumerate() {
                let read = Message::new("/b_allocRead").int(index as i32).text(path);
                score.extend(read.int(0).int(0).at(0.0));
            }
        }
        let definition = instruments::of(self.voice);
        score.extend(Message::new("/d_recv").blob(&definition).at(0.0));
        for index in 0..voices {
            let note = Message::new("/s_new").text("voice").int(1000 + index as i32).int(1).int(0);
            let note = note.text("freq").float(self.voice.freq_hz(index));
            let note = note.text("gain").float(gain(voices));
            let phase = swing_phase(index) * core::f32::consts::TAU;
            score.extend(note.text("phase").float(phase).at(0.0));
        }
        if self.safe {
            score.extend(Message::new("/d_recv").blob(&instruments::safety()).at(0.0));
            score.extend(Message::new("/s_new").text("safety").int(999).int(1).int(0).at(0.0));
        }
        score.extend(Message::new("/c_set").int(0).float(0.0).at(seconds));
        Ok(score)
    }

    /// The turns as files, in the format of the servers: of each two samples, twice the first less the second, and
    /// how much the second is more.
    fn buffers(&self) -> Result<Vec<String>, Box<dyn Error>> {
        const SAMPLES: usize = 2048;
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: RATE_HZ,
            bits_per_sample: 32,
            sample_format: hound::SampleFormat::Float,
        };
        let (mut paths, mut turns) = (Vec::new(), None);
        for index in 0..super::voice::wavetable::TURNS {
            let path = self.folder.join(format!("turn{index}.wav"));
            if !path.exists() {
                let turn = &turns.get_or_insert_with(|| turns::at(1, SAMPLES))[index];
                let mut file = hound::WavWriter::create(&path, spec)?;
                for i in 0..SAMPLES {
                    let (this, next) = (turn[i], turn[(i + 1) % SAMPLES]);
                    file.write_sample(2.0 * this - next)?;
                    file.write_sample(next - this)?;
                }
                file.finalize()?;
            }
            paths.push(path.to_str().ok_or("a path that is no text")?.to_owned());
        }
        Ok(paths)
    }
}
