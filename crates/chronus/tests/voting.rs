//! Wrong bits: with three or more replicas the one that differs is outvoted before the block is played,
//! fenced and replaced; with two a difference is told, and the standby replaced.

mod support;

use support::Engine;

#[test]
fn of_three_the_one_whose_bits_flip_is_outvoted_before_it_is_heard() {
    for replicas in ["3", "4"] {
        let engine = Engine::free_running(&["--replicas", replicas]);
        engine.send("/gate/adsr", &["on"]);
        engine.play_on(50);
        for (flips, role) in ["primary", "standby", "primary", "primary"].iter().enumerate() {
            engine.send("/chaos/crash", &[role, "flip"]);
            let flips = flips as u64 + 1;
            engine.wait_for("the wrong one is replaced", |status| {
                let count = |name: &str| status[name].as_u64() >= Some(flips);
                status["redundant"] == true && count("divergences") && count("respawns")
            });
            engine.play_on(100);
        }
        let status = engine.status();
        assert_eq!((&status["gaps"], &status["fresh_starts"]), (&0.into(), &0.into()), "{status}");
        engine.end_and_compare().assert_identical();
    }
}

#[test]
fn of_two_the_standby_is_replaced_when_they_differ() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(50);
    for flips in 1..=3 {
        engine.send("/chaos/crash", &["standby", "flip"]);
        engine.wait_for("the standby is replaced", |status| {
            status["redundant"] == true
                && status["divergences"].as_u64() >= Some(flips)
                && status["respawns"].as_u64() >= Some(flips)
        });
    }
    engine.play_on(100);
    engine.end_and_compare().assert_identical();
}
