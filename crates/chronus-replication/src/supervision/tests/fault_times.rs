//! What is told of faults is measured from what supervision did about them.

use super::*;

const BLOCK_NS: u64 = 1_333_333;

/// The spans since the last call.
fn spans(world: &mut World) -> Vec<(Span, u64)> {
    std::mem::take(&mut world.spans)
}

fn of(span: Span, spans: &[(Span, u64)]) -> Vec<u64> {
    spans.iter().filter(|(of, _)| *of == span).map(|(_, ns)| *ns).collect()
}

#[test]
fn a_kill_is_measured_from_its_cause() {
    let mut world = World::new(2);
    assert_eq!(spans(&mut world), [], "the beginning mends no fault");
    world.times.cause([0], world.now_ns);
    world.now_ns += 300_000;
    world.send(exited(0, Death::Killed));
    world.run(10);
    let spans = spans(&mut world);
    assert_eq!(of(Span::Detection, &spans), [300_000]);
    assert_eq!(of(Span::Promotion, &spans), [0]);
    let [redundancy_ns] = of(Span::Redundancy, &spans)[..] else { panic!("{spans:?}") };
    assert!((300_000..6 * BLOCK_NS).contains(&redundancy_ns), "{redundancy_ns}");
}

/// Overtaken and level again by itself: that fault is over, and the next one is measured for itself.
#[test]
fn one_that_catches_up_by_itself_ends_its_own_fault() {
    for replicas in 2..=SLOTS {
        let mut world = World::new(replicas);
        spans(&mut world);
        world.stuck[0] = true;
        world.run(4);
        world.stuck[0] = false;
        world.run(1_000);
        let caught_up = spans(&mut world);
        let [redundancy_ns] = of(Span::Redundancy, &caught_up)[..] else { panic!("{caught_up:?}") };
        assert!(redundancy_ns < 6 * BLOCK_NS, "{redundancy_ns}");
        assert!(notices(&world.actions).contains(&Notice::CaughtUp(0)));
        world.send(exited(1, Death::Killed));
        world.run(1_000);
        let killed = spans(&mut world);
        let [redundancy_ns] = of(Span::Redundancy, &killed)[..] else { panic!("{killed:?}") };
        assert!(redundancy_ns < 6 * BLOCK_NS, "{redundancy_ns}");
    }
}

/// A standby that is stopped is noticed when it is overdue, long before it is given up.
#[test]
fn a_stopped_standby_is_noticed_when_it_is_overdue() {
    let mut world = World::new(2);
    spans(&mut world);
    world.times.cause([1], world.now_ns);
    world.stuck[1] = true;
    world.run(60);
    let spans = spans(&mut world);
    let [detection_ns] = of(Span::Detection, &spans)[..] else { panic!("{spans:?}") };
    assert!((BLOCK_NS..5 * BLOCK_NS).contains(&detection_ns), "{detection_ns}");
    let [redundancy_ns] = of(Span::Redundancy, &spans)[..] else { panic!("{spans:?}") };
    assert!(redundancy_ns > 15_000_000, "it was fenced first: {redundancy_ns}");
    assert_eq!(of(Span::Promotion, &spans), [0_u64; 0], "the primary was well");
}
