//! `chronus send`: one message to a running engine, and what it answers.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use chronus_os::peer::Peer;
use chronus_osc::{OscType, encode_arguments};

use super::cli::SendArgs;
use super::client::{Client, word};
use crate::osc::address::osc_address;

/// How long a complaint about a command may take; there is no answer to one that is well.
const COMPLAINT_WITHIN: Duration = Duration::from_millis(100);
/// How long the answer to something that may take its time, such as completing a file, may take.
const WORK_WITHIN: Duration = Duration::from_secs(10);

/// Sends a message.
///
/// # Errors
/// If it can't be sent, or the engine complains.
pub fn run(args: &SendArgs) -> Result<ExitCode, Box<dyn Error>> {
    let (words, osc) = args.parted()?;
    deliver(osc_address(osc)?, &args.address, encode_arguments(&words)?)
}

/// Sends a message and prints what is answered.
///
/// # Errors
/// If it can't be sent, or the engine complains.
pub fn deliver(to: Peer, address: &str, args: Vec<OscType>) -> Result<ExitCode, Box<dyn Error>> {
    let client = Client::connect(to)?;
    client.send(address, args)?;
    let (mut any, has_reply) = (false, chronus_osc::address::has_reply(address));
    let mut within = if has_reply { WORK_WITHIN } else { COMPLAINT_WITHIN };
    while let Some(reply) = client.answer(within).map_err(|_| client.nobody())? {
        any = true;
        let words: Vec<String> = reply.args.iter().map(word).collect();
        if reply.address == "/fail" {
            return Err(words.join(": ").into());
        }
        println!("{} {}", reply.address, words.join(" "));
        // The answer itself is still to come.
        within = if reply.address == "/wait" { WORK_WITHIN } else { COMPLAINT_WITHIN };
    }
    if any || !has_reply { Ok(ExitCode::SUCCESS) } else { Err(client.nobody().into()) }
}
