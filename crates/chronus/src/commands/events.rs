//! `chronus events`: what happens to a running engine.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use chronus_osc::OscType;

use super::cli::StatusArgs;
use super::client::{Client, word};
use crate::osc::address::osc_address;

/// Who listens says so again this often: the engine may have started anew.
const LISTEN_AGAIN: Duration = Duration::from_secs(5);

/// Prints what happens, until it is ended.
///
/// # Errors
/// If no engine answers when it begins.
pub fn run(args: &StatusArgs) -> Result<ExitCode, Box<dyn Error>> {
    let client = Client::connect(osc_address(args.osc)?)?;
    client.status()?;
    let mut asked: Option<Instant> = None;
    loop {
        if asked.is_none_or(|asked| asked.elapsed() >= LISTEN_AGAIN) {
            let _ = client.send("/events", Vec::new());
            asked = Some(Instant::now());
        }
        // An engine that is away for a while may come back.
        let Ok(Some(event)) = client.answer(LISTEN_AGAIN) else { continue };
        let Some(name) = event.address.strip_prefix("/event/") else { continue };
        if args.json {
            let values: Vec<_> = event.args.iter().map(value).collect();
            println!("{}", serde_json::json!({ "event": name, "values": values }));
        } else {
            let words: Vec<_> = event.args.iter().map(word).collect();
            println!("{name}  {}", words.join("  "));
        }
    }
}

/// An argument as JSON: numbers are numbers.
fn value(arg: &OscType) -> serde_json::Value {
    match arg {
        OscType::Int(value) => (*value).into(),
        OscType::Long(value) => (*value).into(),
        // As short as they are written for people, not with the digits of a wider number.
        OscType::Float(value) => value.to_string().parse::<f64>().unwrap_or(f64::NAN).into(),
        OscType::Double(value) => (*value).into(),
        OscType::Bool(value) => (*value).into(),
        other => word(other).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::value;
    use chronus_osc::OscType;

    #[test]
    fn numbers_of_events_are_numbers_in_json() {
        let args = [
            OscType::Int(-3),
            OscType::Long(1 << 40),
            OscType::Float(11.2),
            OscType::Bool(true),
            OscType::String("7".into()),
        ];
        let values: Vec<_> = args.iter().map(value).collect();
        assert_eq!(serde_json::json!(values).to_string(), r#"[-3,1099511627776,11.2,true,"7"]"#);
    }
}
