//! `chronus status`: how a running engine is.

use std::error::Error;
use std::process::ExitCode;

use super::cli::StatusArgs;
use super::client::Client;
use crate::osc::address::osc_address;

/// Prints the status.
///
/// # Errors
/// If no engine answers.
pub fn run(args: &StatusArgs) -> Result<ExitCode, Box<dyn Error>> {
    let status = Client::connect(osc_address(args.osc)?)?.status()?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
        return Ok(ExitCode::SUCCESS);
    }
    let Some(object) = status.as_object() else { return Err("the answer makes no sense".into()) };
    for (name, value) in object {
        match value {
            serde_json::Value::Array(lines) => {
                for line in lines {
                    println!("{name:>20}  {}", line_of(line));
                }
            }
            serde_json::Value::Object(_) => println!("{name:>20}  {}", line_of(value)),
            _ => println!("{name:>20}  {}", plain(value)),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line_of(object: &serde_json::Value) -> String {
    if !object.is_object() {
        return plain(object);
    }
    let fields = object.as_object().into_iter().flatten();
    let fields = fields.filter(|(_, value)| !value.is_null() && *value != "");
    fields.map(|(name, value)| format!("{name} {}", plain(value))).collect::<Vec<_>>().join(", ")
}

fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(number) if number.is_f64() => {
            let text = format!("{:.4}", number.as_f64().unwrap_or(0.0));
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn figures_have_no_digits_that_say_nothing() {
        for (value, expected) in [(120.0, "120"), (-1.0, "-1"), (0.25, "0.25"), (1e-9, "0")] {
            assert_eq!(plain(&serde_json::json!(value)), expected);
        }
        assert_eq!(plain(&serde_json::json!(48_000)), "48000");
    }
}
