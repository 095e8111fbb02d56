//! Those that play: measured in turns, and listened to before.

use std::error::Error;

use chronus_dsp::Vectors;

use super::bound::Bound;
use super::chronus::{Chronus, Gates};
use super::scsynth::Server;
use super::sound::{SECONDS, Sound};
use super::voice::Voice;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Something that plays a voice.
pub trait Play {
    /// CPU seconds for so many voices and so many seconds of sound, start-up included or not.
    fn cpu_seconds(&self, voices: usize, seconds: f64) -> Result<f64>;

    /// What is heard of so many voices, from the start on.
    fn sound(&self, voices: usize, seconds: f64) -> Result<Vec<f32>>;
}

impl Play for Chronus {
    fn cpu_seconds(&self, voices: usize, seconds: f64) -> Result<f64> {
        Self::cpu_seconds(*self, voices, seconds)
    }

    fn sound(&self, voices: usize, seconds: f64) -> Result<Vec<f32>> {
        Self::sound(*self, voices, seconds)
    }
}

impl Play for Bound {
    fn cpu_seconds(&self, voices: usize, seconds: f64) -> Result<f64> {
        Ok(Self::cpu_seconds(*self, voices, seconds))
    }

    fn sound(&self, voices: usize, seconds: f64) -> Result<Vec<f32>> {
        Ok(Self::sound(*self, voices, seconds))
    }
}

impl Play for Server {
    fn cpu_seconds(&self, voices: usize, seconds: f64) -> Result<f64> {
        Self::cpu_seconds(self, voices, seconds)
    }

    fn sound(&self, voices: usize, seconds: f64) -> Result<Vec<f32>> {
        Self::sound(self, voices, seconds)
    }
}

/// Who plays, as far as rows are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Chronus(Gates, Vectors),
    Bound(Vectors),
    FusedBound(Vectors),
    /// Of the held voice: as fast as can be, with a sine that is turned and fused arithmetic if there is any.
    TurnedBound(Vectors),
    Scsynth,
    /// With Limiter and `LeakDC`.
    SafeScsynth,
    Supernova,
    Csound,
    Faust,
    Fundsp,
}

impl Who {
    /// The name of the row.
    pub fn name(self) -> String {
        match self {
            Self::Chronus(gates, set) => format!("Chronus, {}{set}", said(gates)),
            Self::Bound(set) => format!("hand-written bound, {set}"),
            Self::FusedBound(set) => format!("the same with fused arithmetic, {set}"),
            Self::TurnedBound(set) => format!("the fastest, its sine turned, {set}"),
            Self::Scsynth => "scsynth".into(),
            Self::SafeScsynth => "scsynth with Limiter and LeakDC".into(),
            Self::Supernova => "supernova, one thread".into(),
            Self::Csound => "Csound".into(),
            Self::Faust => "Faust, as C++".into(),
            Self::Fundsp => "fundsp".into(),
        }
    }

    /// How long a measurement is to take at least, so that the start does not disturb it: that of supernova
    /// takes nearly half a second.
    fn cpu_seconds(self) -> f64 {
        match self {
            Self::Supernova => 0.8,
            // Several sizes of groups are tried.
            Self::Bound(_) | Self::FusedBound(_) | Self::TurnedBound(_) => 0.12,
            _ => 0.25,
        }
    }

    /// Voice-seconds per CPU second, about; for the first measurement.
    fn guess(self) -> f64 {
        match self {
            Self::Chronus(Gates::Closed | Gates::NotesOver, _) => 80_000.0,
            Self::Chronus(..) => 8000.0,
            Self::Bound(_) | Self::FusedBound(_) | Self::TurnedBound(_) => 16_000.0,
            _ => 2000.0,
        }
    }
}

/// What the gates do, unless they are just as they should be.
fn said(gates: Gates) -> &'static str {
    match gates {
        Gates::Open => "gates held, ",
        Gates::OpenBare => "held, no limiter nor DC blocker, ",
        Gates::Attack => "envelopes moving, ",
        Gates::Closed => "gates closed, ",
        Gates::Notes => "notes of `voices`, ",
        Gates::NotesOver => "their notes over, ",
    }
}

/// A row of the table.
pub struct Player {
    pub who: Who,
    play: Box<dyn Play>,
    /// Voice-seconds per CPU second in each round, for each number of voices.
    rates: Vec<Vec<f64>>,
}

impl Player {
    pub fn new(who: Who, play: impl Play + 'static) -> Self {
        Self { who, play: Box::new(play), rates: Vec::new() }
    }

    /// Measures a short and a long run; what lies between them counts, so that the start does not. The difference takes
    /// about [`Who::cpu_seconds`], as far as that is known.
    pub fn measure(&mut self, index: usize, voices: usize) -> Result<()> {
        self.rates.resize_with(self.rates.len().max(index + 1), Vec::new);
        let rate = self.rates[index].last().copied().unwrap_or_else(|| self.who.guess());
        let mut seconds = rate * self.who.cpu_seconds() / voices as f64;
        // A guess may be so far off that the start, which takes now more and now less, hides the rest.
        for _ in 0..4 {
            let short = self.play.cpu_seconds(voices, seconds / 4.0)?;
            let more = self.play.cpu_seconds(voices, seconds * 1.25)? - short;
            if more > self.who.cpu_seconds() / 4.0 {
                self.rates[index].push(seconds * voices as f64 / more);
                return Ok(());
            }
            seconds *= 4.0;
        }
        Err("longer runs take no longer".into())
    }

    /// Voice-seconds per CPU second: the median of all rounds.
    pub fn rate(&self, index: usize) -> f64 {
        self.rates.get(index).map_or(f64::NAN, |rates| median(rates.clone()))
    }

    /// How many times as fast as another: both are compared within each round, because the machine may be at
    /// another speed in the next.
    pub fn times(&self, other: &Self, index: usize) -> f64 {
        let pairs = self.rates[index].iter().zip(&other.rates[index]);
        median(pairs.map(|(own, other)| own / other).collect())
    }

    /// Listens to one voice, and to as many as are measured.
    ///
    /// # Errors
    /// If it is not what the hand-written loop plays, as far as an ear can tell: see [`Reference`].
    pub fn listen(&self, reference: &Reference) -> Result<()> {
        let wrong = |what| format!("{} plays something else: {what}", self.who.name());
        self.compare(reference).map_err(|what| wrong(what).into())
    }

    fn compare(&self, reference: &Reference) -> Result<()> {
        let hear = |voices, hz| Sound::of(&self.play.sound(voices, SECONDS)?, hz);
        match self.who {
            Who::Chronus(Gates::Closed, _) => match hear(16, reference.hz)? {
                heard if heard.is_silent() => Ok(()),
                _ => Err("it should be silent".into()),
            },
            // On its way to somewhere, or what another row has played already.
            Who::Chronus(Gates::Attack | Gates::NotesOver, _) => Ok(()),
            // All of a group are alike: 16 are as loud as one.
            Who::Chronus(Gates::Open | Gates::OpenBare, _) => {
                reference.is_one(&hear(16, reference.hz)?)
            }
            Who::Chronus(Gates::Notes, _) if reference.voice == Voice::Held => {
                // An octave below middle C.
                let hz = 130.81;
                Reference { hz, ..reference.clone() }.is_one(&hear(1, hz)?)
            }
            _ => {
                let one = hear(1, reference.hz)?;
                reference.is_one(&one)?;
                for (voices, more_db) in &reference.many {
                    let own_db = hear(*voices, reference.hz)?.level_db - one.level_db;
                    if (own_db - more_db).abs() > MANY_DB {
                        return Err(format!(
                            "{voices} voices are {own_db:.1} dB louder than one, and should be {more_db:.1}"
                        )
                        .into());
                    }
                }
                Ok(())
            }
        }
    }
}

/// How far the level of many voices, in that of one, may be from what it should be: far less than if a quarter of
/// them were missing.
const MANY_DB: f32 = 1.2;

/// What a voice should sound like: that of the hand-written loop.
#[derive(Clone)]
pub struct Reference {
    voice: Voice,
    one: Sound,
    /// The pitch of the first voice.
    hz: f32,
    /// How much louder so many voices are than one, in dB.
    many: Vec<(usize, f32)>,
}

impl Reference {
    /// Of a voice with the plainest vectors.
    ///
    /// # Errors
    /// If the loop itself does not play its pitch.
    pub fn of(voice: Voice, counts: &[usize]) -> Result<Self> {
        let set = *Vectors::available().last().ok_or("a machine without instructions")?;
        let (bound, hz) =
            (Bound { voice, set, fused: false, turned: false }, voice.fundamental_hz(0));
        let hear = |voices| Sound::of(&bound.sound(voices, SECONDS), hz);
        let one = hear(1)?;
        let mut many = Vec::new();
        for voices in counts {
            many.push((*voices, hear(*voices)?.level_db - one.level_db));
        }
        let reference = Self { voice, one, hz, many };
        reference.is_one(&one).map_err(|what| format!("the hand-written loop is wrong: {what}"))?;
        Ok(reference)
    }

    /// Whether this is one voice: the same pitch, nearly as loud, about as bright. Filters and band-limiting differ.
    fn is_one(&self, sound: &Sound) -> Result<()> {
        const LEVEL_DB: f32 = 1.5;
        const BRIGHTNESS_DB: f32 = 4.0;
        const CENTS: f32 = 10.0;
        if self.one.is_silent() || sound.is_silent() {
            return Err("nothing is heard".into());
        }
        let Some(hz) = sound.fundamental_hz else {
            return Err(format!("no pitch, and it should have {} Hz", self.hz).into());
        };
        if (1200.0 * (hz / self.hz).log2()).abs() > CENTS {
            return Err(format!("its pitch is {hz} Hz, and should be {} Hz", self.hz).into());
        }
        let level_db = sound.level_db - self.one.level_db;
        if level_db.abs() > LEVEL_DB {
            return Err(format!("it is {level_db:.1} dB louder than it should be").into());
        }
        // As far as they have the same pitch.
        let brightness_db = sound.brightness_db - self.one.brightness_db;
        let of_pitch_db = 20.0 * (self.hz / self.voice.fundamental_hz(0)).log10();
        if (brightness_db - of_pitch_db).abs() > BRIGHTNESS_DB {
            return Err(format!("it is {brightness_db:.1} dB brighter than it should be").into());
        }
        Ok(())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = |at: usize| values.get(at).copied().unwrap_or(f64::NAN);
    f64::midpoint(middle(values.len() / 2), middle(values.len().saturating_sub(1) / 2))
}

#[cfg(test)]
mod tests {
    use super::{Bound, Chronus, Play, Player, Reference, Result, Vectors, Voice, Who};
    use crate::voices::report::main_gates;
    use clap::ValueEnum;

    /// The hand-written loop, and what is done to its sound; it may be told of fewer voices.
    struct Changed {
        change: fn(&mut Vec<f32>),
        voices: fn(usize) -> usize,
    }

    impl Play for Changed {
        fn cpu_seconds(&self, _: usize, _: f64) -> Result<f64> {
            Err("nobody measures it".into())
        }

        fn sound(&self, voices: usize, seconds: f64) -> Result<Vec<f32>> {
            let set = Vectors::available()[0];
            let bound = Bound { voice: Voice::Pulse, set, fused: false, turned: false };
            let played = (self.voices)(voices);
            let mut samples = bound.sound(played, seconds);
            let level = played as f32 / voices as f32;
            for sample in &mut samples {
                *sample *= level;
            }
            (self.change)(&mut samples);
            Ok(samples)
        }
    }

    fn listen_to(change: fn(&mut Vec<f32>), voices: fn(usize) -> usize) -> String {
        let reference = Reference::of(Voice::Pulse, &[64]).unwrap();
        let player = Player::new(Who::Scsynth, Changed { change, voices });
        player.listen(&reference).map_or_else(|error| error.to_string(), |()| "as it should".into())
    }

    #[test]
    fn who_is_silent_or_plays_something_else_is_found_out() {
        assert_eq!(listen_to(|_| (), |voices| voices), "as it should");
        let silent = listen_to(|samples| samples.fill(0.0), |voices| voices);
        assert_eq!(silent, "scsynth plays something else: nothing is heard");
        let soft = |samples: &mut Vec<f32>| *samples = samples.iter().map(|x| 0.5 * x).collect();
        assert!(listen_to(soft, |voices| voices).contains("it is -6.0 dB louder"));
        // Every second sample: an octave higher.
        let high = |samples: &mut Vec<f32>| {
            let half: Vec<f32> = samples.iter().copied().step_by(2).collect();
            *samples = half;
        };
        assert!(listen_to(high, |voices| voices).contains("its pitch is"));
        let dull = |samples: &mut Vec<f32>| {
            let mut last = 0.0;
            for sample in samples {
                last += 0.04 * (*sample - last);
                *sample = 1.3 * last;
            }
        };
        assert!(listen_to(dull, |voices| voices).contains("than it should be"));
        let fewer = listen_to(|_| (), |voices| voices.div_ceil(2));
        assert!(fewer.contains("64 voices are"), "{fewer}");
    }

    #[test]
    fn chronus_and_the_hand_written_loops_sound_alike_with_all_sets() {
        for voice in Voice::value_variants() {
            let voice = *voice;
            let reference = Reference::of(voice, &[16]).unwrap();
            for set in Vectors::available() {
                let gates = main_gates(voice);
                let chronus = Player::new(Who::Chronus(gates, set), Chronus { voice, set, gates });
                chronus.listen(&reference).unwrap();
                let bound = Bound { voice, set, fused: false, turned: false };
                Player::new(Who::Bound(set), bound).listen(&reference).unwrap();
            }
        }
    }
}
