//! Reaching a device aside: a server that was stopped accepts a connection and never answers, and nobody shall wait for
//! it longer than for one that does.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use crate::{Device, Options, OutputError, OutputSpec, connect::alsa, jack::Jack, pulse::Pulse};

/// A device, and how it was reached.
pub(crate) type Reached = (Box<dyn Device>, OutputSpec);
type Answer = Result<Box<dyn Device>, OutputError>;

/// A server that answers does so within milliseconds; a busy machine may take its time. Two that do not answer must not
/// take as long as a supervisor may stand still.
const ANSWERS_WITHIN: Duration = Duration::from_millis(700);

/// Connects to servers, each by a thread that nobody waits for beyond a limit. A server that has not answered yet is
/// asked no second time.
#[derive(Default)]
pub(crate) struct Connector {
    asked: Vec<(OutputSpec, Receiver<Answer>)>,
}

impl Connector {
    /// Finds a device that can be heard.
    pub fn reach(&mut self, spec: &OutputSpec, options: &Options) -> Result<Reached, OutputError> {
        match spec {
            OutputSpec::Auto => self.reach_any(options),
            one => self.reach_one(one, options),
        }
    }

    /// The first device that answers. If none does, but one is there and refuses, that is the reason.
    fn reach_any(&mut self, options: &Options) -> Result<Reached, OutputError> {
        let mut candidates = vec![OutputSpec::Jack, OutputSpec::Pulse];
        if cfg!(feature = "cpal") {
            candidates.push(OutputSpec::Alsa(None));
        }
        let mut reason = OutputError::Nobody;
        for spec in candidates {
            match self.reach_one(&spec, options) {
                Ok(reached) => return Ok(reached),
                Err(error) => {
                    tracing::debug!("{error}");
                    if matches!(error, OutputError::Refused { .. }) {
                        reason = error;
                    }
                }
            }
        }
        Err(reason)
    }

    fn reach_one(&mut self, spec: &OutputSpec, options: &Options) -> Result<Reached, OutputError> {
        let index = match self.asked.iter().position(|(asked, _)| asked == spec) {
            Some(index) => index,
            None => self.ask(spec, options)?,
        };
        let answer = self.asked[index].1.recv_timeout(ANSWERS_WITHIN);
        if !matches!(answer, Err(RecvTimeoutError::Timeout)) {
            self.asked.swap_remove(index);
        }
        let device = answer.unwrap_or_else(|_| Err(no_answer(spec)))?;
        Ok((device, spec.clone()))
    }

    fn ask(&mut self, spec: &OutputSpec, options: &Options) -> Result<usize, OutputError> {
        let (tell, answer) = channel();
        let (asked, options) = (spec.clone(), options.clone());
        let body = move || {
            // Whom nobody waits for any more is closed again here.
            let _ = tell.send(open(&asked, &options));
        };
        let thread = thread::Builder::new().name("chronus-connect".into());
        thread.spawn(body).map_err(|source| OutputError::Thread { what: "connecting", source })?;
        self.asked.push((spec.clone(), answer));
        Ok(self.asked.len() - 1)
    }
}

fn open(spec: &OutputSpec, options: &Options) -> Answer {
    Ok(match spec {
        OutputSpec::Jack => Box::new(Jack::connect(options)?),
        OutputSpec::Pulse => Box::new(Pulse::connect(options)?),
        OutputSpec::Alsa(name) => alsa(name.as_deref(), options)?,
        silent => {
            return Err(OutputError::BadOption(format!("the output {silent} can't be heard")));
        }
    })
}

fn no_answer(spec: &OutputSpec) -> OutputError {
    let (output, mend) = match spec {
        OutputSpec::Jack => ("JACK", "have its server go on, or end it"),
        OutputSpec::Pulse => ("PulseAudio", "have its server go on, or end it"),
        _ => ("the sound card", "end who holds it"),
    };
    let reason = "it takes connections and says nothing, as a server that was stopped does".into();
    OutputError::Absent { output, reason, mend: mend.into() }
}
