//! What to send to a patch that says nothing by itself, so that nobody takes its silence for a fault.

use chronus_engine::Patch;

/// The kinds that play by themselves.
const PLAYERS: [&str; 2] = ["steps", "clock"];

/// A message that makes the patch sound, unless it plays by itself or has nothing to be played with.
pub fn first(patch: &Patch) -> Option<String> {
    let mut modules = patch.modules().iter();
    if modules.clone().any(|module| PLAYERS.contains(&module.spec().kind)) {
        return None;
    }
    if let Some(module) = modules.clone().find(|module| module.spec().notes) {
        return Some(format!("/note/{}/on 60 0.9", module.id()));
    }
    let module = modules.find(|module| module.spec().gate)?;
    Some(format!("/gate/{} on", module.id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<String> {
        first(&Patch::parse(text, "a patch").expect("a patch"))
    }

    #[test]
    fn what_is_silent_until_it_is_played_says_how() {
        assert_eq!(of(include_str!("../../../patches/first.toml")), Some("/gate/adsr on".into()));
        let organ = of(include_str!("../../../patches/organ.toml"));
        assert_eq!(organ, Some("/note/voices/on 60 0.9".into()));
        assert_eq!(of(include_str!("../../../patches/groove.toml")), None);
        assert_eq!(of(include_str!("../../../patches/drone.toml")), None);
    }
}
