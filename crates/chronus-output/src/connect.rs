//! From a name to a connected device.

use std::path::{Path, PathBuf};

use crate::{
    Device, Options, OutputError, OutputSpec, absent::Absent, deck::Recorded, fallback::Fallback,
    jack::Jack, paced::Paced, pulse::Pulse, wav,
};

/// Finds the device that `spec` names and learns its rate; nothing sounds before [`Device::start`].
///
/// A device that can be heard and is lost later is looked for until it is back; meanwhile frames are
/// taken at the same pace without a sound. [`Device::news`] tells.
///
/// # Errors
/// When the device does not answer, refuses the options, or a WAV file cannot be created. `auto` fails only
/// for options and files: without any device it is `null`, with a note.
pub fn connect(spec: &OutputSpec, options: &Options) -> Result<Box<dyn Device>, OutputError> {
    check(spec, options)?;
    let device: Box<dyn Device> = match spec {
        OutputSpec::Auto => auto(options)?,
        OutputSpec::Null | OutputSpec::Wav(_) => Box::new(Paced::new(options, None)),
        real => Box::new(Fallback::new(reach_or_await(real, options)?, real, options)?),
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
    let name = |count: u32| match path.extension() {
        Some(extension) => format!("{stem}-{count}.{}", extension.to_string_lossy()),
        None => format!("{stem}-{count}"),
    };
    let mut last = path.to_owned();
    for count in 2.. {
        let next = path.with_file_name(name(count));
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

/// Finds a device that can be heard; what another process has played goes on even without.
fn reach_or_await(spec: &OutputSpec, options: &Options) -> Result<Box<dyn Device>, OutputError> {
    match (reach(spec, options), options.rate_hz) {
        (Err(why), Some(rate_hz)) if options.goes_on => {
            Ok(Box::new(Absent::new(spec, rate_hz, &why)))
        }
        (reached, _) => reached,
    }
}

/// Finds a device that can be heard.
pub(crate) fn reach(spec: &OutputSpec, options: &Options) -> Result<Box<dyn Device>, OutputError> {
    match spec {
        OutputSpec::Jack => Ok(Box::new(Jack::connect(options)?)),
        OutputSpec::Pulse => Ok(Box::new(Pulse::connect(options)?)),
        OutputSpec::Alsa(name) => alsa(name.as_deref(), options),
        silent => Err(OutputError::BadOption(format!("the output {silent} can't be heard"))),
    }
}

fn check(spec: &OutputSpec, options: &Options) -> Result<(), OutputError> {
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
    Ok(())
}

/// The first device that answers. One that is not there is passed over in silence; one that is there and refuses
/// is named in the note, whichever device comes next.
fn auto(options: &Options) -> Result<Box<dyn Device>, OutputError> {
    if options.free_run {
        let note = "no sound, the output is `null`: no device runs free of its clock; --output wav:FILE \
                    writes what is played";
        return Ok(Box::new(Paced::new(options, Some(note.into()))));
    }
    let mut candidates = vec![OutputSpec::Jack, OutputSpec::Pulse];
    if cfg!(feature = "cpal") {
        candidates.push(OutputSpec::Alsa(None));
    }
    let mut errors = Vec::new();
    for spec in candidates {
        match reach(&spec, options) {
            Ok(device) => return Ok(Box::new(Fallback::new(device, &spec, options)?)),
            Err(error) => errors.push(error),
        }
    }
    for error in &errors {
        tracing::debug!("{error}");
    }
    let tried: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let note = format!("no sound, the output is `null`: {}", tried.join(". "));
    Ok(Box::new(Paced::new(options, Some(note))))
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
