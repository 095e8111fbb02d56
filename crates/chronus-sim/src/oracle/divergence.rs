//! Who is named as different is wrong, unless there were too few to tell.

use chronus_replication::{BlockIndex, Slot};

use super::Verdict;

/// What a replica has of a block, as the world knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bits {
    /// Those that the undisturbed machine renders.
    Right,
    /// Others, by an injected fault.
    Wrong,
    /// Those of before an amendment.
    Outdated,
}

/// A slot is said to differ from a reference; `voters` is what those have who can tell.
///
/// # Errors
/// If it has the right bits, and the reference too, or more of those who can tell.
pub fn named(
    block: BlockIndex,
    (slot, bits): (Slot, Option<Bits>),
    reference: Option<Bits>,
    voters: &[Bits],
) -> Verdict {
    let count = |wanted| voters.iter().filter(|bits| **bits == wanted).count();
    let is_outvoted = voters.len() >= 3 && count(Bits::Right) > count(Bits::Wrong);
    if bits == Some(Bits::Right) && (reference != Some(Bits::Wrong) || is_outvoted) {
        return Err(format!(
            "slot {slot} is said to differ in block {block}; it is right, the reference is \
             {reference:?}, all are {voters:?}"
        ));
    }
    Ok(())
}

/// A worker is asked to fork; `is_compared` if it goes first or has rendered a block that could be compared;
/// `other` is, too.
///
/// # Errors
/// If the other should have been asked, since a mistake could be handed on from child to child.
pub fn forks(forker: Slot, is_compared: bool, other: Option<Slot>) -> Verdict {
    match other {
        Some(other) if !is_compared => {
            Err(format!("slot {forker} is to fork before it has rendered anything, not {other}"))
        }
        _ => Ok(()),
    }
}
