//! Guarantee: whatever a worker does wrong, it does to itself: what is played stays what the journal
//! gives, and the supervisor knows whose doing it was.

mod support;

use support::Engine;

/// What the engine's log says of the death of a process.
fn last_words(engine: &Engine, pid: u32) -> String {
    let dead = format!("worker {pid} in slot ");
    let log = engine.log();
    let line = log.lines().find(|line| line.contains(&dead));
    line.unwrap_or_else(|| panic!("nothing about {pid} in:\n{log}")).to_owned()
}

#[test]
fn a_crash_is_told_from_a_signal_that_was_sent() {
    let engine = Engine::free_running(&[]);
    engine.send("/gate/adsr", &["on"]);
    engine.play_on(100);
    let mut deaths = 0;
    // Each signal hits the first worker once and its fork of a fork of it later.
    for signal in ["SEGV", "BUS", "ILL", "FPE", "ABRT", "SYS"] {
        for role in ["primary", "standby"] {
            let pid = engine.pid_of(role);
            Engine::signal(pid, signal);
            deaths += 1;
            engine.wait_redundant(deaths);
            let words = last_words(&engine, pid);
            let sent = format!("ended by SIG{signal}, sent by process ");
            assert!(words.contains(&sent), "{words}");
            assert!(words.ends_with("; blames nobody"), "{words}");
        }
    }
    for (how, sign) in [
        ("segfault", "SIGSEGV at address 0x8"),
        ("panic", "SIGABRT by itself"),
        ("abort", "SIGABRT by itself"),
    ] {
        let pid = engine.pid_of("primary");
        engine.send("/chaos/crash", &["primary", how]);
        deaths += 1;
        engine.wait_redundant(deaths);
        let words = last_words(&engine, pid);
        assert!(words.contains(sign) && words.ends_with("; its own doing"), "{words}");
    }
    engine.end_and_compare().assert_identical();
}
