//! Wrong bits: with three or more replicas the one that differs is outvoted before the block is played,
//! fenced and replaced; with two a difference is told, and the standby replaced.

mod support;

use support::{Engine, replicas};

#[test]
fn of_three_the_one_whose_bits_flip_is_outvoted_before_it_is_heard() {
    for replicas in ["3", "4"] {
        let engine = Engine::free_running(&["--replicas", replicas]);
        engine.send("/gate/adsr", &["on"]);
        engine.play_on(50);
        for role in ["primary", "standby", "primary", "primary"] {
            engine.harm("/chaos/crash", role, &["flip"]);
            engine.play_on(100);
        }
        let status = engine.status();
        assert!(status["divergences"].as_u64() >= Some(4), "{status}");
        assert_eq!((&status["gaps"], &status["fresh_starts"]), (&0.into(), &0.into()), "{status}");
        engine.end_and_compare().assert_identical();
    }
}

#[test]
fn of_two_the_standby_is_replaced_when_they_differ() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(50);
    for _ in 0..3 {
        engine.wait_level();
        let worker = engine.worker("standby");
        // A supervisor that is not run for a while compares the newest blocks only, and misses one that differs.
        engine.wait_for("another in the place of the standby", |status| {
            engine.send("/chaos/crash", &[&worker.slot.to_string(), "flip"]);
            status["redundant"] == true && !replicas(status).any(|it| it == worker)
        });
    }
    assert!(engine.status()["divergences"].as_u64() >= Some(3));
    engine.play_on(100);
    engine.end_and_compare().assert_identical();
}
