//! An engine that runs already, as it sees itself.

use chronus_os::peer::Peer;
use serde_json::Value;

use super::Finding;
use crate::commands::client::Client;

const NAME: &str = "running engine";

/// What the engine at this address says, if there is one.
pub fn findings(osc: Peer) -> Vec<Finding> {
    let client = match Client::connect(osc) {
        Ok(client) => client,
        // Whether there is one can't be told.
        Err(why) if why.is_forbidden => {
            let mend = "ask as the user that runs it, or as root";
            return vec![Finding::note(NAME, why.to_string(), mend)];
        }
        Err(_) => return vec![Finding::ok(NAME, format!("none at {osc}"))],
    };
    match client.status() {
        Ok(status) => vec![judge(&status)],
        Err(_) => vec![Finding::ok(NAME, format!("none at {osc}"))],
    }
}

fn judge(status: &Value) -> Finding {
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let figure = |value: &Value| value.as_f64().unwrap_or(0.0);
    let (blocks, stalled) = (count(&status["gap_blocks"]), count(&status["stalls"]["gap_blocks"]));
    let (lead_ms, longest_ms) =
        (figure(&status["lead_ms"]), figure(&status["stalls"]["longest_ms"]));
    let running = duration(figure(&status["uptime_s"]));
    let detail = format!(
        "it plays {} with a lead of {lead_ms:.1} ms for {running}; {blocks} blocks came too late, {stalled} of \
         them while the machine stood still; the longest stall was {longest_ms:.1} ms",
        status["patch"].as_str().unwrap_or("a patch"),
    );
    if status["realtime"] == Value::Bool(false) {
        return Finding::lack(
            NAME,
            detail,
            "it has no real-time priority: see above, and start it anew",
        );
    }
    if blocks == 0 {
        return Finding::ok(NAME, detail);
    }
    let mend =
        format!("start it with a longer lead: --lead {:.0}ms", longest_ms.max(lead_ms) * 1.5);
    Finding::note(NAME, detail, mend)
}

/// A duration for people, in the largest unit of which there are two at least.
fn duration(seconds: f64) -> String {
    let units = [(86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes")];
    let unit = units.into_iter().find(|(length, _)| seconds >= 2.0 * length);
    let (length, name) = unit.unwrap_or((1.0, "seconds"));
    format!("{:.0} {name}", (seconds / length).floor())
}

#[cfg(test)]
mod tests {
    use super::super::Mark;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_duration_is_never_nothing_of_a_large_unit() {
        for (seconds, said) in [
            (0.4, "0 seconds"),
            (119.0, "119 seconds"),
            (150.0, "2 minutes"),
            (7199.0, "119 minutes"),
            (10_800.0, "3 hours"),
            (1e6, "11 days"),
        ] {
            assert_eq!(duration(seconds), said);
        }
    }

    #[test]
    fn an_engine_that_has_lost_blocks_gets_advice() {
        let status = |realtime: bool, blocks: u64| {
            json!({
                "patch": "groove", "lead_ms": 10.0, "uptime_s": 7200.0, "realtime": realtime,
                "gap_blocks": blocks, "stalls": {"gap_blocks": blocks, "longest_ms": 14.0}
            })
        };
        assert_eq!(judge(&status(true, 0)).mark, Mark::Ok);
        assert_eq!(judge(&status(false, 0)).mark, Mark::Lack);
        let lossy = judge(&status(true, 3));
        assert_eq!(lossy.mark, Mark::Note);
        assert!(lossy.mend.contains("--lead 21ms"), "{lossy:?}");
        assert!(lossy.detail.contains("for 2 hours; 3 blocks"), "{lossy:?}");
    }
}
