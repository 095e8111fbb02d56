//! Which vector instructions modules are rendered with: the widest that the machine has, unless the environment
//! or a benchmark chooses others. All give the same bits.

use core::fmt::{self, Display};
use core::sync::atomic::{AtomicU8, Ordering};

use pulp::Arch;

/// The environment variable that chooses: one of [`Vectors::name`], or `auto`.
pub const VARIABLE: &str = "CHRONUS_VECTORS";

/// A set of vector instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Vectors {
    /// What every processor of its family has, where that is none of the others.
    Scalar,
    /// 128 bits: every x86-64.
    Sse2,
    /// 128 bits and fused arithmetic: every `AArch64`.
    Neon,
    /// 256 bits and fused arithmetic (x86-64-v3).
    Avx2,
    /// 512 bits and fused arithmetic (x86-64-v4).
    Avx512,
}

/// Why a set can't be had. It says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(String);

impl Display for Refusal {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl core::error::Error for Refusal {}

/// What was chosen in this process; [`UNDECIDED`] before anybody asked.
static CHOSEN: AtomicU8 = AtomicU8::new(UNDECIDED);
const UNDECIDED: u8 = u8::MAX;

impl Vectors {
    /// All, the widest first.
    const ALL: [Self; 5] = [Self::Avx512, Self::Avx2, Self::Neon, Self::Sse2, Self::Scalar];

    /// Those that this machine has, the widest first; at least one.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|set| set.try_arch().is_some()).collect()
    }

    /// Those that modules made from now on are rendered with, unless they are told others: what
    /// [`choose`](Self::choose) said last or, if it never did, what the environment says. A word there that means
    /// nothing here counts as `auto`; programs complain of it at their start: [`of_environment`](Self::of_environment).
    pub fn chosen() -> Self {
        let chosen = CHOSEN.load(Ordering::Relaxed);
        if let Some(set) = Self::ALL.into_iter().find(|set| *set as u8 == chosen) {
            return set;
        }
        let set = Self::of_environment().unwrap_or_else(|_| Self::widest());
        set.choose();
        set
    }

    /// What the environment variable [`VARIABLE`] chooses; without it, what `auto` is.
    ///
    /// # Errors
    /// As [`named`](Self::named).
    pub fn of_environment() -> Result<Self, Refusal> {
        let Some(word) = std::env::var_os(VARIABLE) else { return Ok(Self::widest()) };
        Self::named(&word.to_string_lossy())
            .map_err(|Refusal(sentence)| Refusal(format!("{VARIABLE}: {sentence}")))
    }

    /// The set of this name, or for `auto` the widest that this machine has.
    ///
    /// # Errors
    /// If there is none of this name, or the machine does not have it.
    pub fn named(name: &str) -> Result<Self, Refusal> {
        if name == "auto" {
            return Ok(Self::widest());
        }
        let names: Vec<_> = Self::available().into_iter().map(Self::name).collect();
        let choice = format!("choose `auto` or, on this machine, `{}`", names.join("`, `"));
        match Self::ALL.into_iter().find(|set| set.name() == name) {
            Some(set) if set.try_arch().is_some() => Ok(set),
            Some(_) => Err(Refusal(format!("this machine has no vectors `{name}`; {choice}"))),
            None => Err(Refusal(format!("no vectors are called `{name}`; {choice}"))),
        }
    }

    /// Renders with these what is made in this process from now on.
    ///
    /// # Panics
    /// If this machine does not have them.
    pub fn choose(self) {
        assert!(self.try_arch().is_some(), "this machine has no vectors `{}`", self.name());
        CHOSEN.store(self as u8, Ordering::Relaxed);
    }

    /// How it is called in the environment and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Sse2 => "sse2",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// What work is dispatched through.
    ///
    /// # Panics
    /// If this machine does not have them.
    pub fn arch(self) -> Arch {
        self.try_arch().unwrap_or_else(|| panic!("this machine has no vectors `{}`", self.name()))
    }

    fn widest() -> Self {
        Self::available().first().copied().unwrap_or(Self::Scalar)
    }

    #[cfg(target_arch = "x86_64")]
    fn try_arch(self) -> Option<Arch> {
        match self {
            Self::Sse2 => Some(Arch::Scalar),
            Self::Avx2 => pulp::x86::V3::try_new().map(Arch::V3),
            Self::Avx512 => pulp::x86::V4::try_new().map(Arch::V4),
            Self::Scalar | Self::Neon => None,
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn try_arch(self) -> Option<Arch> {
        match self {
            Self::Neon => pulp::aarch64::Neon::try_new().map(Arch::Neon),
            Self::Scalar => Some(Arch::Scalar),
            _ => None,
        }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn try_arch(self) -> Option<Arch> {
        (self == Self::Scalar).then(Arch::new)
    }
}

impl Display for Vectors {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Vectors;

    #[test]
    fn sets_are_found_by_name_and_the_widest_is_auto() {
        let available = Vectors::available();
        for set in &available {
            assert_eq!(Vectors::named(set.name()), Ok(*set));
        }
        assert_eq!(Vectors::named("auto"), Ok(available[0]));
    }

    #[test]
    fn a_set_that_is_not_there_is_refused_with_a_sentence_that_names_those_that_are() {
        let missing = Vectors::ALL.into_iter().find(|set| !Vectors::available().contains(set));
        let missing = missing.expect("no machine has all").name();
        let said = Vectors::named(missing).expect_err("it is not there").to_string();
        assert!(
            said.starts_with(&format!("this machine has no vectors `{missing}`; choose `auto`"))
        );
        let said = Vectors::named("avx").expect_err("nothing is called so").to_string();
        assert!(said.starts_with("no vectors are called `avx`; choose `auto` or"), "{said}");
        assert!(said.ends_with(&format!("`{}`", Vectors::available().last().unwrap())), "{said}");
    }
}
