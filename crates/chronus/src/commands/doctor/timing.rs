//! How late real-time threads are woken under the load of an engine, and what latency that is fit for.

use std::time::Duration;

use chronus_replication::lead;

use super::Finding;
use crate::processes::lead::{Lateness, measure};

/// The usual rate of a device, in frames per second.
const RATE_HZ: u32 = 48_000;
/// The usual number of replicas.
const REPLICAS: usize = 2;

/// Measures for so long, and judges.
pub fn findings(seconds: f64) -> Vec<Finding> {
    vec![judge(&measure(Duration::from_secs_f64(seconds.min(86_400.0)), REPLICAS, RATE_HZ))]
}

fn judge(lateness: &Lateness) -> Finding {
    const NAME: &str = "timing";
    let worst_ms = lateness.worst_ns as f64 / 1e6;
    let blocks = lead::for_lateness(lateness.worst_ns, RATE_HZ);
    let lead_ms = lead::length_ns(blocks, RATE_HZ) as f64 / 1e6;
    let found = format!(
        "woken up to {worst_ms:.1} ms late, later than 1 ms {} times of {}",
        lateness.late, lateness.wakings
    );
    if !lateness.realtime {
        let mend = "this was measured without real-time priority; see above, and measure again";
        return Finding::lack(NAME, found, mend);
    }
    if lateness.worst_ns > lead::MOST_NS {
        let mend = "no lead bears that: end what else runs, or use another machine";
        return Finding::lack(NAME, format!("{found}: NOT fit for real time"), mend);
    }
    let fit = format!("{found}: fit for a latency of {lead_ms:.1} ms and the device's period");
    let mend = match lead_ms {
        ..=15.0 => return Finding::ok(NAME, fit + ", good for playing live"),
        ..=30.0 => "good for sequences, live coding and playback; keys feel late",
        _ => "good for installations and playback; who plays live wants a quieter machine",
    };
    Finding::note(NAME, fit, format!("{mend}. `--lead auto` takes that lead by itself"))
}

#[cfg(test)]
mod tests {
    use super::super::Mark;
    use super::*;

    #[test]
    fn a_machine_is_fit_for_half_as_much_again_as_it_was_late() {
        let late = |ms: u64| Lateness {
            worst_ns: ms * 1_000_000,
            wakings: 1000,
            late: 3,
            cores: 2,
            realtime: true,
        };
        let quiet = judge(&late(1));
        assert_eq!(quiet.mark, Mark::Ok);
        assert!(quiet.detail.contains("fit for a latency of 10.7 ms"), "{quiet:?}");
        let busy = judge(&late(12));
        assert_eq!(busy.mark, Mark::Note);
        assert!(
            busy.detail.contains("18.7 ms") && busy.mend.contains("keys feel late"),
            "{busy:?}"
        );
        assert_eq!(judge(&late(70)).mark, Mark::Lack);
        assert_eq!(judge(&Lateness { realtime: false, ..late(1) }).mark, Mark::Lack);
    }
}
