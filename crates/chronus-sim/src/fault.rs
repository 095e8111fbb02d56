//! The kinds of faults, and where each may strike.

use crate::Spacing;

/// Writes the enumeration, the list of all and their words, so that none is forgotten.
macro_rules! faults {
    ($($name:ident $word:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fault { $($name,)* }

        pub(crate) const FAULTS: &[Fault] = &[$(Fault::$name,)*];

        /// The words for [`FaultCounts`].
        pub const FAULT_NAMES: [&str; FAULTS.len()] = [$($word,)*];
    };
}

faults! {
    KillPrimary "kill primary",
    KillStandby "kill standby",
    KillAny "kill any",
    KillCheckpoint "kill checkpoint",
    KillWorkers "kill all workers",
    KillAll "kill all, checkpoints too",
    SpawnFails "spawn fails",
    ThawSlow "thaw slow",
    ThawedDies "thawed checkpoint dies",
    Stop "stop",
    Stall "stall",
    LateWake "late wake",
    LostWake "lost wake",
    RunAway "runaway",
    CrashBetween "crash between blocks",
    CrashInModule "crash in a module by itself",
    Straggler "straggler survives the amended block",
    Untold "block published, not told",
    ForkFails "fork fails",
    ForkSlow "fork slow",
    CantLook "what becomes of forks can't be seen",
    ForkerDies "forker dies",
    ChildDies "child dies",
    ChildHangs "child hangs before it joins",
    ChildrenCrash "children crash by themselves",
    SupervisorNotRun "supervisor not run",
    SupervisorDies "supervisor dies",
    SupervisorDiesActing "supervisor dies over what it does",
    ClockJumps "clock jumps",
    ClockStops "clock stands still",
    Scribble "scribbles over a block that it has finished",
    WrongBits "wrong bits",
    WrongBitsUnseen "wrong bits, unseen by the supervisor",
    WrongBitsAtFork "wrong bits in a worker that forks",
    CommandBurst "command burst",
    PoisonCommand "poison: command",
    PoisonModule "poison: module",
    TwoPoisons "two poisons in a block",
    PoisonAndKill "poison, and an innocent killed",
    PoisonAndStop "poison, another stopped",
    PoisonAtCheckpoint "poison at a checkpoint",
    Enable "enable again",
    AllRunAway "all run away",
}

/// How often each kind was injected, in the order of [`FAULT_NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultCounts(pub [u64; FAULTS.len()]);

impl Default for FaultCounts {
    fn default() -> Self {
        Self([0; FAULTS.len()])
    }
}

impl Fault {
    /// Whether it may strike at all with this spacing.
    pub fn fits(self, spacing: Spacing) -> bool {
        use Fault::*;
        match spacing {
            Spacing::Wild => true,
            Spacing::WhenRedundant => matches!(self, KillPrimary | KillStandby | KillAny),
            Spacing::AllAtOnce => {
                let kills = matches!(self, KillPrimary | KillStandby | KillAny);
                kills || matches!(self, KillCheckpoint | KillWorkers | ClockJumps | CommandBurst)
            }
            // These may leave nobody, or hold up everybody.
            Spacing::Survivable => !matches!(
                self,
                KillWorkers
                    | KillAll
                    | SpawnFails
                    | ThawSlow
                    | ThawedDies
                    | Straggler
                    | Untold
                    | TwoPoisons
                    | PoisonAndKill
                    | PoisonAndStop
                    | ClockStops
                    | AllRunAway
            ),
        }
    }

    /// It strikes once in so many times that it might. Fresh starts are bounded, so a world in which all die
    /// often is silent and tests little.
    pub fn rarity(self) -> u64 {
        use Fault::*;
        match self {
            KillAll | SpawnFails | AllRunAway => 60,
            ThawSlow | ThawedDies | ClockStops => 12,
            ChildHangs | SupervisorDiesActing => 6,
            KillWorkers | ChildrenCrash | SupervisorDies | WrongBitsAtFork | Untold
            | TwoPoisons | PoisonAndKill | PoisonAndStop => 4,
            _ => 1,
        }
    }
}
