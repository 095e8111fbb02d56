//! Faust: the voice compiled to C++, with a program around it that renders instances of it in turn.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::child;
use super::player::Play;
use super::voice::{
    ATTACK_S, BLOCK, CUTOFF_HZ, DECAY_S, Q, RATE_HZ, RELEASE_S, SUSTAIN, Voice, gain,
};

/// What Faust puts the voice into: as little of its interface as the voice needs. Its arguments are rate, frames of a
/// block, voices, blocks, a file for the sound (or `-`), the gain and the frequencies.
const PROGRAM: &str = r#"#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#ifndef FAUSTFLOAT
#define FAUSTFLOAT float
#endif

struct Meta {
    void declare(const char*, const char*) {}
};

struct UI {
    float *freq = nullptr, *gain = nullptr;
    void openVerticalBox(const char*) {}
    void closeBox() {}
    void declare(float*, const char*, const char*) {}
    void addHorizontalSlider(const char* label, float* zone, float, float, float, float) {
        (strcmp(label, "freq") ? gain : freq) = zone;
    }
};

struct dsp {
    virtual ~dsp() {}
};

<<includeIntrinsic>>
<<includeclass>>

int main(int, char** arguments) {
    const int rate = atoi(arguments[1]), frames = atoi(arguments[2]);
    const int voices = atoi(arguments[3]);
    const long blocks = atol(arguments[4]);
    std::vector<std::unique_ptr<mydsp>> all;
    for (int index = 0; index < voices; index++) {
        all.emplace_back(new mydsp);
        all.back()->init(rate);
        UI ui;
        all.back()->buildUserInterface(&ui);
        *ui.freq = atof(arguments[7 + index]);
        *ui.gain = atof(arguments[6]);
    }
    std::vector<float> one(frames), sum(frames);
    float* outputs[] = {one.data()};
    float heard = 0;
    FILE* file = strcmp(arguments[5], "-") ? fopen(arguments[5], "wb") : nullptr;
    for (long block = 0; block < blocks; block++) {
        std::fill(sum.begin(), sum.end(), 0.0f);
        for (auto& voice : all) {
            voice->compute(frames, nullptr, outputs);
            for (int n = 0; n < frames; n++) sum[n] += one[n];
        }
        heard += sum[0];
        if (file) fwrite(sum.data(), sizeof(float), frames, file);
    }
    printf("%f\n", heard);
    if (file) fclose(file);
}
"#;

/// The held voice, compiled.
pub struct Faust {
    program: PathBuf,
    /// Where it writes its sound.
    sound: PathBuf,
}

impl Faust {
    /// Compiles the voice into this folder.
    pub fn build(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let voice = format!(
            "import(\"stdfaust.lib\");\n\
             freq = hslider(\"freq\", 440, 20, 20000, 0.001);\n\
             gain = hslider(\"gain\", 0, 0, 1, 0.0001);\n\
             envelope = en.adsr({ATTACK_S}, {DECAY_S}, {SUSTAIN}, {RELEASE_S}, 1);\n\
             process = os.osc(freq) * gain * envelope : fi.resonlp({CUTOFF_HZ}, {Q}, 1);\n"
        );
        let [source, around, generated, program, sound] =
            ["voice.dsp", "around.cpp", "voice.cpp", "voice", "faust.raw"]
                .map(|name| folder.join(name));
        std::fs::write(&source, voice)?;
        std::fs::write(&around, PROGRAM)?;
        let mut faust = Command::new("faust");
        run(faust.arg("-a").arg(around).arg(&source).arg("-o").arg(&generated))?;
        let mut compiler = Command::new("g++");
        run(compiler.args(["-O3", "-march=native", "-o"]).arg(&program).arg(generated))?;
        Ok(Self { program, sound })
    }

    fn play(&self, voices: usize, seconds: f64, output: &Path) -> Result<f64, Box<dyn Error>> {
        let blocks = (seconds * f64::from(RATE_HZ) / BLOCK as f64) as u64;
        let mut command = Command::new(&self.program);
        command.args([RATE_HZ.to_string(), BLOCK.to_string(), voices.to_string()]);
        command.arg(blocks.to_string()).arg(output).arg(gain(voices).to_string());
        let pitches = (0..voices).map(|index| Voice::Held.freq_hz(index).to_string());
        child::cpu_seconds(command.args(pitches))
    }
}

impl Play for Faust {
    fn cpu_seconds(&self, voices: usize, seconds: f64) -> Result<f64, Box<dyn Error>> {
        self.play(voices, seconds, Path::new("-"))
    }

    fn sound(&self, voices: usize, seconds: f64) -> Result<Vec<f32>, Box<dyn Error>> {
        self.play(voices, seconds, &self.sound)?;
        child::raw_samples(&self.sound)
    }
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}
