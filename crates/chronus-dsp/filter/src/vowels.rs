//! How five voices sing five vowels: the formants that [`formant`](super::formant) is made of.
//!
//! Measured at IRCAM for the singing synthesizer CHANT, and published in the appendix "Formant
//! Values" of the Csound Reference Manual.

/// A resonance of the mouth.
#[derive(Clone, Copy)]
pub struct Formant {
    /// Its centre, in Hz.
    pub freq_hz: f32,
    /// Its level below that of the first formant, in dB.
    pub level_db: f32,
    /// How wide it is at 3 dB below its peak, in Hz.
    pub width_hz: f32,
}

/// Formants of a vowel.
pub const FORMANTS: usize = 5;

/// The voices, from low to high.
pub const VOICES: &[&str] = &["bass", "tenor", "countertenor", "alto", "soprano"];

/// The vowels of each voice, from bright to dark and back: a, e, i, o, u.
pub static TABLE: [[[Formant; FORMANTS]; 5]; 5] = [
    [
        vowel([600, 1040, 2250, 2450, 2750], [0, -7, -9, -9, -20], [60, 70, 110, 120, 130]),
        vowel([400, 1620, 2400, 2800, 3100], [0, -12, -9, -12, -18], [40, 80, 100, 120, 120]),
        vowel([250, 1750, 2600, 3050, 3340], [0, -30, -16, -22, -28], [60, 90, 100, 120, 120]),
        vowel([400, 750, 2400, 2600, 2900], [0, -11, -21, -20, -40], [40, 80, 100, 120, 120]),
        vowel([350, 600, 2400, 2675, 2950], [0, -20, -32, -28, -36], [40, 80, 100, 120, 120]),
    ],
    [
        vowel([650, 1080, 2650, 2900, 3250], [0, -6, -7, -8, -22], [80, 90, 120, 130, 140]),
        vowel([400, 1700, 2600, 3200, 3580], [0, -14, -12, -14, -20], [70, 80, 100, 120, 120]),
        vowel([290, 1870, 2800, 3250, 3540], [0, -15, -18, -20, -30], [40, 90, 100, 120, 120]),
        vowel([400, 800, 2600, 2800, 3000], [0, -10, -12, -12, -26], [70, 80, 100, 130, 135]),
        vowel([350, 600, 2700, 2900, 3300], [0, -20, -17, -14, -26], [40, 60, 100, 120, 120]),
    ],
    [
        vowel([660, 1120, 2750, 3000, 3350], [0, -6, -23, -24, -38], [80, 90, 120, 130, 140]),
        vowel([440, 1800, 2700, 3000, 3300], [0, -14, -18, -20, -20], [70, 80, 100, 120, 120]),
        vowel([270, 1850, 2900, 3350, 3590], [0, -24, -24, -36, -36], [40, 90, 100, 120, 120]),
        vowel([430, 820, 2700, 3000, 3300], [0, -10, -26, -22, -34], [40, 80, 100, 120, 120]),
        vowel([370, 630, 2750, 3000, 3400], [0, -20, -23, -30, -34], [40, 60, 100, 120, 120]),
    ],
    [
        vowel([800, 1150, 2800, 3500, 4950], [0, -4, -20, -36, -60], [80, 90, 120, 130, 140]),
        vowel([400, 1600, 2700, 3300, 4950], [0, -24, -30, -35, -60], [60, 80, 120, 150, 200]),
        vowel([350, 1700, 2700, 3700, 4950], [0, -20, -30, -36, -60], [50, 100, 120, 150, 200]),
        vowel([450, 800, 2830, 3500, 4950], [0, -9, -16, -28, -55], [70, 80, 100, 130, 135]),
        vowel([325, 700, 2530, 3500, 4950], [0, -12, -30, -40, -64], [50, 60, 170, 180, 200]),
    ],
    [
        vowel([800, 1150, 2900, 3900, 4950], [0, -6, -32, -20, -50], [80, 90, 120, 130, 140]),
        vowel([350, 2000, 2800, 3600, 4950], [0, -20, -15, -40, -56], [60, 100, 120, 150, 200]),
        vowel([270, 2140, 2950, 3900, 4950], [0, -12, -26, -26, -44], [60, 90, 100, 120, 120]),
        vowel([450, 800, 2830, 3800, 4950], [0, -11, -22, -22, -50], [40, 80, 100, 120, 120]),
        vowel([325, 700, 2700, 3800, 4950], [0, -16, -35, -40, -60], [50, 60, 170, 180, 200]),
    ],
];

const fn vowel(freqs_hz: [u16; 5], levels_db: [i16; 5], widths_hz: [u16; 5]) -> [Formant; 5] {
    let mut formants = [Formant { freq_hz: 0.0, level_db: 0.0, width_hz: 0.0 }; FORMANTS];
    let mut i = 0;
    while i < FORMANTS {
        formants[i] = Formant {
            freq_hz: freqs_hz[i] as f32,
            level_db: levels_db[i] as f32,
            width_hz: widths_hz[i] as f32,
        };
        i += 1;
    }
    formants
}

/// What lies between: the vowel from 0 (a) to 4 (u), the voice from 0 (bass) to 4 (soprano).
pub fn between(vowel: f32, voice: f32) -> [Formant; FORMANTS] {
    let place = |at: f32| {
        let whole = (at.clamp(0.0, 4.0) as usize).min(3);
        (whole, at.clamp(0.0, 4.0) - whole as f32)
    };
    let ((vowel, towards_vowel), (voice, towards_voice)) = (place(vowel), place(voice));
    let mut formants = TABLE[voice][vowel];
    for (i, formant) in formants.iter_mut().enumerate() {
        let blend = |of: fn(&Formant) -> f32| {
            let at_voice = |voice: usize| {
                let [from, to] = [vowel, vowel + 1].map(|vowel| of(&TABLE[voice][vowel][i]));
                from + towards_vowel * (to - from)
            };
            let [from, to] = [voice, voice + 1].map(at_voice);
            from + towards_voice * (to - from)
        };
        *formant = Formant {
            freq_hz: blend(|formant| formant.freq_hz),
            level_db: blend(|formant| formant.level_db),
            width_hz: blend(|formant| formant.width_hz),
        };
    }
    formants
}
