//! From a name to a connected device.

use std::path::{Path, PathBuf};

use crate::{
    Device, Options, OutputError, OutputSpec, connector::Connector, fallback::Fallback,
    paced::Paced, recorder::Recorded, wav,
};

/// Finds the device that `spec` names and learns its rate; nothing sounds before [`Device::start`].
///
/// A device that can be heard and is lost later is looked for until it is back, and so is one that is not there, or
/// refuses, at the start; meanwhile frames are taken at the same pace without a sound. [`Device::news`] tells.
///
/// # Errors
/// When the options are impossible, as [`check`] says, or a WAV file cannot be created.
pub fn connect(spec: &OutputSpec, options: &Options) -> Result<Box<dyn Device>, OutputError> {
    check(spec, options)?;
    let device: Box<dyn Device> = match spec {
        OutputSpec::Auto if options.free_run => {
            let note = "no sound, the output is `null`: no device runs free of its clock; --output \
                        wav:FILE writes what is played";
            Box::new(Paced::new(options, Some(note.into())))
        }
        OutputSpec::Null | OutputSpec::Wav(_) => Box::new(Paced::new(options, None)),
        real => Box::new(reach_or_await(real, options)?),
    };
    let mut device = Recorded::new(device, options.free_run);
    if let OutputSpec::Wav(path) = spec {
        let path = &file_of(path, options);
        let manner = Paced::new(options, None).manner();
        device.become_file(path, format!("WAV file {}: {manner}", path.display()))?;
    }
    if let Some(path) = &options.capture {
        device.add(&file_of(path, options))?;
    }
    Ok(Box::new(device.open_deck()?))
}

/// The file that is written: the one that was asked for, or the next beside it if another process has begun
/// that one and died.
fn file_of(path: &Path, options: &Options) -> PathBuf {
    if !options.goes_on {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut last = path.to_owned();
    for name in chronus_files::numbering::following(&stem, 2) {
        let next = match path.extension() {
            Some(extension) => format!("{name}.{}", extension.to_string_lossy()),
            None => name,
        };
        let next = path.with_file_name(next);
        if !next.exists() {
            match wav::complete(&last) {
                Ok(()) => tracing::info!(
                    "{} ends where its supervisor died; the sound goes on in {}",
                    last.display(),
                    next.display()
                ),
                Err(error) => tracing::error!("{} may lack its end: {error}", last.display()),
            }
            return next;
        }
        last = next;
    }
    path.to_owned()
}

/// Takes care of a device that can be heard, whether it is there or not.
fn reach_or_await(spec: &OutputSpec, options: &Options) -> Result<Fallback, OutputError> {
    let mut connector = Connector::default();
    match connector.reach(spec, options) {
        Ok((device, spec)) => Fallback::new(device, &spec, options, connector),
        Err(why) if why.may_pass() => Fallback::awaiting(spec, options, &why, connector),
        Err(error) => Err(error),
    }
}

/// Whether a device can be asked for in this way, whatever there is at the moment.
///
/// # Errors
/// A sentence, if it never can.
pub fn check(spec: &OutputSpec, options: &Options) -> Result<(), OutputError> {
    let bad = |text: String| Err(OutputError::BadOption(text));
    if let Some(rate_hz) = options.rate_hz.filter(|rate_hz| !(8_000..=384_000).contains(rate_hz)) {
        return bad(format!("a rate of {rate_hz} Hz is out of range; use 8000 to 384000"));
    }
    if let Some(frames) = options.period_frames.filter(|frames| !(1..=16_384).contains(frames)) {
        return bad(format!("a period of {frames} frames is out of range; use 1 to 16384"));
    }
    if let (OutputSpec::Wav(wav), Some(capture)) = (spec, &options.capture)
        && wav == capture
    {
        return bad(format!("{} is the output already; capture to another file", wav.display()));
    }
    let has_clock = matches!(spec, OutputSpec::Jack | OutputSpec::Pulse | OutputSpec::Alsa(_));
    if options.free_run && has_clock {
        return Err(OutputError::NotFree(spec.to_string()));
    }
    if matches!(spec, OutputSpec::Alsa(_)) && !cfg!(feature = "cpal") {
        return Err(OutputError::NotBuiltIn { output: "ALSA" });
    }
    Ok(())
}

/// ALSA, if it is built in.
#[cfg(feature = "cpal")]
pub(crate) fn alsa(name: Option<&str>, options: &Options) -> Result<Box<dyn Device>, OutputError> {
    Ok(Box::new(crate::alsa::Alsa::connect(name, options)?))
}

/// ALSA, if it is built in.
#[cfg(not(feature = "cpal"))]
pub(crate) fn alsa(_: Option<&str>, _: &Options) -> Result<Box<dyn Device>, OutputError> {
    Err(OutputError::NotBuiltIn { output: "ALSA" })
}
