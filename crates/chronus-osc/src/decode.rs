//! A packet to requests. What is wrong becomes a failure with a sentence; the rest is taken.

use chronus_control::{Order, PatchRequest, Record, meter, values};
use chronus_engine::names::near_miss;
use chronus_engine::patch::Setting;
use chronus_engine::{Command, Directory, Handle, ModuleEntry, ParamSpec, TransportChange};
use rosc::{OscMessage, OscType};

use crate::address::{ADDRESSES, Kind, parts};
use crate::arguments::{ON_OR_OFF, is_on, is_pressed, number, plain, single};
use crate::pattern::{is_pattern, matches};
use crate::{Request, chaos, edits, notes, reading, record};

/// What a packet asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// Requests, in the order of the packet.
    pub requests: Vec<Timed>,
    /// What can't be done, and what was clamped; the sender is told.
    pub failures: Vec<Failure>,
    /// It asks for more than is taken of one packet.
    is_full: bool,
}

/// A request and when it shall take effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// The address that it came to.
    pub address: String,
    /// What is asked.
    pub request: Request,
    /// The timetag in nanoseconds since 1970; `None` for as soon as possible.
    pub time_wall_ns: Option<u64>,
}

/// Something to tell the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The address that it is about.
    pub address: String,
    /// A sentence that names what would be right.
    pub reason: String,
    /// Whether it was done all the same, clamped.
    pub clamped: bool,
}

/// A packet that asks for more is taken up to there: patterns and bundles multiply, and whoever reads packets must come to the
/// next one. As many may wait for the supervisor.
pub const ORDERS_MOST: usize = 4096;

/// Decodes a packet against the modules that there are. Never panics, whatever the bytes.
pub fn decode(packet: &[u8], directory: &Directory) -> Decoded {
    let mut decoded = Decoded::default();
    let contents = reading::read(packet);
    for (message, time) in contents.messages {
        if decoded.is_full {
            break;
        }
        decoded.message(message, time, directory);
    }
    for (address, reason) in contents.complaints {
        decoded.fail(&address, reason);
    }
    if decoded.is_full {
        // Of thousands of answers a sender may read the first only.
        let told = decoded.failures.iter().position(|failure| failure.reason == too_much());
        decoded.failures[..=told.unwrap_or(0)].rotate_right(1);
    }
    decoded
}

impl Decoded {
    fn fail(&mut self, address: &str, reason: String) {
        self.failures.push(Failure { address: address.to_owned(), reason, clamped: false });
    }

    fn message(&mut self, mut message: OscMessage, time: Option<u64>, directory: &Directory) {
        let address = message.addr.clone();
        let found =
            ADDRESSES.iter().find_map(|known| Some((known, parts(known.pattern, &address)?)));
        let Some((known, parts)) = found else {
            self.fail(&address, unknown_address(&address));
            return;
        };
        if known.kind != Kind::Ping {
            message.args.iter_mut().for_each(plain);
        }
        let requests = match known.kind {
            Kind::Ping => Ok(vec![Request::Ping(message.args)]),
            Kind::Version => edits::none(&message.args, vec![Request::Version]),
            kind => {
                let mut orders = Vec::new();
                let understood = self.understand(kind, &parts, &message, directory, &mut orders);
                understood.map(|()| orders.into_iter().map(Request::Order).collect())
            }
        };
        match requests {
            Ok(requests) if self.requests.len() + requests.len() > ORDERS_MOST => {
                self.is_full = true;
                self.fail(&address, too_much());
            }
            Ok(requests) => self.requests.extend(requests.into_iter().map(|request| Timed {
                address: address.clone(),
                request,
                time_wall_ns: time,
            })),
            Err(reason) => self.fail(&address, reason),
        }
    }

    fn understand(
        &mut self,
        kind: Kind,
        parts: &[&str],
        message: &OscMessage,
        directory: &Directory,
        requests: &mut Vec<Order>,
    ) -> Result<(), String> {
        let args = &message.args;
        match kind {
            Kind::Param => return self.params(parts, message, directory, requests),
            Kind::Freq => return self.params(&["sine", "freq"], message, directory, requests),
            Kind::Amp => return self.params(&["sine", "gain"], message, directory, requests),
            Kind::Gate => {
                let on = is_on(single(args, ON_OR_OFF)?)?;
                for module in gates(parts[0], directory)? {
                    requests.push(Order::Command(Command::Gate { module, on }));
                }
            }
            Kind::NoteOn | Kind::NoteOff => {
                let told = &mut Vec::new();
                let note = if kind == Kind::NoteOn {
                    notes::on(args, told)?
                } else {
                    notes::off(args, told)?
                };
                self.clamped(&message.addr, told);
                for module in players(parts[0], directory)? {
                    requests.push(Order::Command(Command::Note { module, note }));
                }
            }
            Kind::Text => return texts(parts, args, directory, requests),
            Kind::Enable => {
                edits::none(args, ())?;
                for entry in matching(parts[0], directory)? {
                    requests.push(Order::Command(Command::Enable { module: entry.handle }));
                }
            }
            Kind::Events => requests.push(Order::Events(is_pressed(args)?)),
            // A toggle says 1 and 0; what stops may be a button, which says 0 when it is let go.
            Kind::Play => requests.push(transport(TransportChange::Play(is_pressed(args)?))),
            Kind::Halt if is_pressed(args)? => {
                requests.push(transport(TransportChange::Play(false)));
            }
            Kind::Tempo | Kind::BeatsPerBar | Kind::Position => {
                let told = &mut Vec::new();
                let change = match kind {
                    Kind::Tempo => edits::tempo(args, told)?,
                    Kind::BeatsPerBar => edits::meter(args, told)?,
                    _ => edits::position(args, told)?,
                };
                self.clamped(&message.addr, told);
                requests.push(transport(change));
            }
            Kind::Meter => requests.push(edits::none(args, meter(parts[0], directory)?)?),
            Kind::Create => requests.push(Order::Patch(edits::create(args)?)),
            Kind::Delete => requests.push(Order::Patch(edits::delete(args)?)),
            Kind::Connect => requests.push(Order::Patch(edits::connect(args)?)),
            Kind::Disconnect => requests.push(Order::Patch(edits::disconnect(args)?)),
            Kind::Set => requests.push(Order::Patch(edits::set(args)?)),
            Kind::Output => requests.push(Order::Patch(edits::output(args)?)),
            Kind::Load => requests.push(Order::Patch(edits::load(args)?)),
            Kind::Save => requests.push(Order::Patch(edits::save(args)?)),
            Kind::Commit => requests.push(Order::Patch(edits::commit(args)?)),
            Kind::Session => requests.push(Order::Patch(edits::session(args)?)),
            Kind::Abort => requests.push(Order::Patch(edits::none(args, PatchRequest::Abort)?)),
            Kind::Start => requests.push(Order::Command(Command::Mute(!is_pressed(args)?))),
            Kind::Stop if is_pressed(args)? => requests.push(Order::Command(Command::Mute(true))),
            Kind::Halt | Kind::Stop | Kind::Ping | Kind::Version => {}
            Kind::Status => requests.push(edits::none(args, Order::Status)?),
            Kind::Kill => requests.push(Order::Chaos(chaos::kill(args)?)),
            Kind::Crash => requests.push(Order::Chaos(chaos::crash(args)?)),
            Kind::RecordStart => requests.push(Order::Record(record::start(args)?)),
            Kind::RecordStop => requests.push(Order::Record(edits::none(args, Record::Stop)?)),
            Kind::RecordStatus => {
                requests.push(Order::Record(edits::none(args, Record::Status)?));
            }
        }
        Ok(())
    }

    fn params(
        &mut self,
        parts: &[&str],
        message: &OscMessage,
        directory: &Directory,
        requests: &mut Vec<Order>,
    ) -> Result<(), String> {
        let modules = matching(parts[0], directory)?;
        let (one, mut any) = (modules.len() == 1, false);
        for entry in modules {
            let names: Vec<&str> = if is_pattern(parts[1]) {
                let names = entry.spec.params.iter().map(|param| param.name);
                names.filter(|name| matches(parts[1], name)).collect()
            } else if one || entry.param(parts[1]).is_ok() {
                vec![parts[1]]
            } else {
                Vec::new()
            };
            for name in names {
                any = true;
                if requests.len() == ORDERS_MOST {
                    self.is_full = true;
                    return Err(too_much());
                }
                let (param, spec) = entry.param(name).map_err(|error| error.to_string())?;
                let wanted = value_of(single(&message.args, &values::range_of(spec))?, spec)?;
                let told = &mut Vec::new();
                let value = values::clamped(wanted, spec, told);
                self.clamped(&message.addr, told);
                let module = entry.handle;
                requests.push(Order::Command(Command::SetParam { module, param, value }));
            }
        }
        if any { Ok(()) } else { Err(format!("no parameter matches `{}`", parts[1])) }
    }

    /// Tells what was done with another value than was sent.
    fn clamped(&mut self, address: &str, told: &mut Vec<String>) {
        let failure = |reason| Failure { address: address.to_owned(), reason, clamped: true };
        self.failures.extend(told.drain(..).map(failure));
    }
}

/// A number, or the name of a choice.
fn value_of(arg: &OscType, spec: &ParamSpec) -> Result<f64, String> {
    let wanted = match arg {
        OscType::String(text) => Setting::Text(text.clone()),
        other => match number(other, &values::range_of(spec)) {
            Ok(number) => Setting::Number(number),
            Err(_) if spec.is_enumeration() => return Err(values::not_set_by_this(spec)),
            Err(reason) => return Err(reason),
        },
    };
    values::value_of(&wanted, spec)
}

/// The modules that a name or a pattern means.
fn matching<'a>(part: &str, directory: &'a Directory) -> Result<Vec<&'a ModuleEntry>, String> {
    if !is_pattern(part) {
        return Ok(vec![directory.module(part).map_err(|error| error.to_string())?]);
    }
    let found: Vec<_> = directory.modules().filter(|entry| matches(part, &entry.id)).collect();
    if found.is_empty() { Err(format!("no module matches `{part}`")) } else { Ok(found) }
}

fn gates(part: &str, directory: &Directory) -> Result<Vec<Handle>, String> {
    if !is_pattern(part) {
        return Ok(vec![directory.gate(part).map_err(|error| error.to_string())?]);
    }
    let gated = those(part, "a gate", directory, ModuleEntry::has_gate)?;
    Ok(gated.iter().map(|entry| entry.handle).collect())
}

fn players(part: &str, directory: &Directory) -> Result<Vec<Handle>, String> {
    if !is_pattern(part) {
        return Ok(vec![directory.notes(part).map_err(|error| error.to_string())?]);
    }
    let players = those(part, "an input for notes", directory, ModuleEntry::takes_notes)?;
    Ok(players.iter().map(|entry| entry.handle).collect())
}

/// The modules that match a pattern and have what is asked for; there is at least one.
fn those<'a>(
    part: &str,
    what: &str,
    directory: &'a Directory,
    have: impl Fn(&ModuleEntry) -> bool,
) -> Result<Vec<&'a ModuleEntry>, String> {
    let mut found = matching(part, directory)?;
    found.retain(|entry| have(entry));
    if found.is_empty() {
        return Err(format!("no module with {what} matches `{part}`"));
    }
    Ok(found)
}

fn transport(change: TransportChange) -> Order {
    Order::Command(Command::Transport(change))
}

fn texts(
    parts: &[&str],
    args: &[OscType],
    directory: &Directory,
    requests: &mut Vec<Order>,
) -> Result<(), String> {
    let (part, name) = (parts[0], parts[1]);
    if !is_pattern(part) {
        let entry = directory.module(part).map_err(|error| error.to_string())?;
        requests.push(text(entry, name, args)?);
        return Ok(());
    }
    let what = format!("a text `{name}`");
    for entry in those(part, &what, directory, |entry| entry.text(name).is_ok())? {
        requests.push(text(entry, name, args)?);
    }
    Ok(())
}

fn text(entry: &ModuleEntry, name: &str, args: &[OscType]) -> Result<Order, String> {
    let (text, spec) = entry.text(name).map_err(|error| error.to_string())?;
    let value = match single(args, spec.doc)? {
        OscType::String(value) => value.clone(),
        // `notes` may be one number, and who types it means its digits.
        OscType::Int(value) => value.to_string(),
        OscType::Long(value) => value.to_string(),
        OscType::Float(value) if value.is_finite() => value.to_string(),
        OscType::Double(value) if value.is_finite() => value.to_string(),
        _ => return Err(format!("`{}` is a text; {}", spec.name, spec.doc)),
    };
    let value = spec.take(&value)?;
    Ok(Order::Text { module: entry.handle, text, value })
}

fn too_much() -> String {
    format!(
        "with this the packet asks for more than {ORDERS_MOST} things; it and what follows it in the packet is not done: name \
         fewer modules or parameters, or send several packets"
    )
}

fn unknown_address(address: &str) -> String {
    let near = near_miss(address, ADDRESSES.iter().map(|known| known.pattern));
    match near {
        Some(near) => format!("there is no such address; did you mean `{near}`?"),
        None => "there is no such address; docs/osc-reference.md lists them all".into(),
    }
}
