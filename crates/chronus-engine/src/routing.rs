//! What leads where: in which order modules render, what each input and parameter gets, and what is
//! heard. While one patch gives way to the next, cables fade.

use std::collections::BTreeMap;

use crate::command::Handle;
use crate::patch::order::order;
use crate::patch::{Bus, Cable, OutputPort, Patch, PatchModule, Target, TargetPort};

/// An output of a cell, and the channels of its signal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Source {
    pub cell: usize,
    pub output: usize,
    pub channels: usize,
}

/// A factor, or the way from one to another while patches change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gain {
    pub from: f32,
    pub to: f32,
}

impl Gain {
    pub const ZERO: Self = Self::steady(0.0);

    pub const fn steady(gain: f32) -> Self {
        Self { from: gain, to: gain }
    }

    pub fn is_steady(self) -> bool {
        self.from == self.to
    }
}

/// What a port gets.
#[derive(Debug, Default, PartialEq)]
pub(crate) enum Feed {
    /// No cable.
    #[default]
    Nothing,
    /// The very signal of the only source.
    Direct(Source),
    /// Several sources, or one that has to be changed.
    Mixed(Sum),
}

/// Sources that are added up, after what the port has at rest.
#[derive(Debug, PartialEq)]
pub(crate) struct Sum {
    pub sources: Vec<(Source, Gain)>,
    pub rest: Gain,
    pub channels: usize,
}

/// Everything that one cell gets.
#[derive(Default)]
pub(crate) struct Feeds {
    pub inputs: Vec<Feed>,
    /// Parameter, depth and signal of the cables that end at parameters.
    pub drives: Vec<(usize, f32, Feed)>,
}

/// See the file's head. Cells are numbered by the position of their module in the patch; those that fade
/// out follow.
pub(crate) struct Routing<'a> {
    pub cells: Vec<&'a PatchModule>,
    pub order: Vec<usize>,
    pub feeds: Vec<Feeds>,
    /// The channels that leave the patch.
    pub heard: [Feed; 2],
    /// Left and right of each bus.
    pub buses: Vec<[Feed; 2]>,
    /// The modules whose values are told, and their cells.
    pub meters: Vec<(Handle, usize)>,
}

/// A cable between cells, whose gain may move.
struct Link {
    from: OutputPort,
    to: Target,
    gain: Gain,
}

impl<'a> Routing<'a> {
    /// That of a patch.
    pub fn of(patch: &'a Patch) -> Self {
        let cells: Vec<_> = patch.modules().iter().collect();
        let link = |cable: &Cable| Link {
            from: cable.from,
            to: cable.to,
            gain: Gain::steady(cable.depth),
        };
        let links: Vec<_> = patch.cables().iter().map(link).collect();
        let heard = [patch.left(), patch.right()];
        Self {
            order: patch.order().to_vec(),
            feeds: feeds(&cells, &links, cells.len()),
            heard: heard.map(|port| tap(&cells, vec![(port, Gain::steady(1.0))])),
            buses: bus_taps(&cells, patch.buses()),
            meters: meters(patch),
            cells,
        }
    }

    /// The way from `old` to `new`. `kept` says for each module of `new` where it was in `old`; the modules
    /// of `old` that are not kept follow as further cells, in their order.
    pub fn between(old: &'a Patch, new: &'a Patch, kept: &[Option<usize>]) -> Self {
        let mut cells: Vec<_> = new.modules().iter().collect();
        let mut cell_of_old = vec![usize::MAX; old.modules().len()];
        for (cell, &before) in kept.iter().enumerate() {
            if let Some(before) = before {
                cell_of_old[before] = cell;
            }
        }
        for (module, cell) in old.modules().iter().zip(&mut cell_of_old) {
            if *cell == usize::MAX {
                *cell = cells.len();
                cells.push(module);
            }
        }
        let plays_through = |cell: usize| kept.get(cell).is_some_and(Option::is_some);
        let links = links_between(old, new, &cell_of_old, plays_through);
        let pairs: Vec<_> = links.iter().map(|link| (link.from.module, link.to.module)).collect();
        let moved = |port: OutputPort| OutputPort { module: cell_of_old[port.module], ..port };
        let heard = [(old.left(), new.left()), (old.right(), new.right())].map(|(was, is)| {
            let was = moved(was);
            if was == is {
                return tap(&cells, vec![(is, Gain::steady(1.0))]);
            }
            let (out, into) = (Gain { from: 1.0, to: 0.0 }, Gain { from: 0.0, to: 1.0 });
            tap(&cells, vec![(was, out), (is, into)])
        });
        Self {
            order: order(cells.len(), &pairs),
            feeds: feeds(&cells, &links, new.modules().len()),
            heard,
            buses: bus_taps(&cells, new.buses()),
            meters: meters(new),
            cells,
        }
    }
}

/// The cables of both patches. Only those fade that end at a module which plays through: what is new begins
/// at once, heard through cables that fade in, and what goes is fed to its end.
fn links_between(
    old: &Patch,
    new: &Patch,
    cell_of_old: &[usize],
    plays_through: impl Fn(usize) -> bool,
) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::with_capacity(new.cables().len() + old.cables().len());
    // Not a hash map, which draws random numbers: a worker has none.
    let mut places = BTreeMap::new();
    for cable in new.cables() {
        let fades = plays_through(cable.to.module);
        let from = if fades { 0.0 } else { cable.depth };
        places.insert((cable.from, cable.to), links.len());
        links.push(Link { from: cable.from, to: cable.to, gain: Gain { from, to: cable.depth } });
    }
    for cable in old.cables() {
        let from = OutputPort { module: cell_of_old[cable.from.module], ..cable.from };
        let to = Target { module: cell_of_old[cable.to.module], ..cable.to };
        if let Some(&place) = places.get(&(from, to)) {
            links[place].gain.from = cable.depth;
        } else {
            let end = if plays_through(to.module) { 0.0 } else { cable.depth };
            links.push(Link { from, to, gain: Gain { from: cable.depth, to: end } });
        }
    }
    links
}

/// What each cell gets. The first `settled` cells are those of the patch that is to stay.
fn feeds(cells: &[&PatchModule], links: &[Link], settled: usize) -> Vec<Feeds> {
    let mut links_to: Vec<Vec<&Link>> = vec![Vec::new(); cells.len()];
    for link in links {
        links_to[link.to.module].push(link);
    }
    let feeds = |(cell, links): (usize, &Vec<&Link>)| {
        let module = cells[cell];
        let to = |port| links.iter().filter(move |link| link.to.port == port);
        let with_gain = |link: &&Link| (Source::of(cells, link.from), link.gain);
        let inputs = module.spec().inputs.iter().enumerate().map(|(input, spec)| {
            let sources: Vec<_> = to(TargetPort::Input(input)).map(with_gain).collect();
            // Where no cable ends before or after, the port has its rest; of cells that go, nothing changes.
            let rests = |end: fn(Gain) -> f32| {
                let is_there = |(_, gain): &(Source, Gain)| end(*gain) != 0.0 || gain.is_steady();
                if sources.iter().any(is_there) { 0.0 } else { spec.rest }
            };
            let rest = Gain { from: rests(|gain| gain.from), to: rests(|gain| gain.to) };
            let rest = if cell < settled { rest } else { Gain::steady(rest.from) };
            Feed::new(sources, rest, module.channels(), Some(cell))
        });
        let params = (0..module.spec().params.len())
            .flat_map(|param| to(TargetPort::Param(param)).map(move |link| (param, link)));
        let drives = params.map(|(param, link)| {
            let source = Source::of(cells, link.from);
            if link.gain.is_steady() {
                (param, link.gain.to, Feed::driving(source, module.channels(), cell))
            } else {
                let feed = Feed::mixed(vec![(source, link.gain)], module.channels());
                (param, 1.0, feed)
            }
        });
        Feeds { inputs: inputs.collect(), drives: drives.collect() }
    };
    links_to.iter().enumerate().map(feeds).collect()
}

fn meters(patch: &Patch) -> Vec<(Handle, usize)> {
    let modules = patch.modules().iter().enumerate();
    let told = modules.filter(|(_, module)| !module.spec().meters.is_empty());
    told.map(|(cell, module)| (module.handle(), cell)).collect()
}

fn bus_taps(cells: &[&PatchModule], buses: &[Bus]) -> Vec<[Feed; 2]> {
    let steady = |port| tap(cells, vec![(port, Gain::steady(1.0))]);
    buses.iter().map(|bus| [bus.left, bus.right].map(steady)).collect()
}

impl Source {
    fn of(cells: &[&PatchModule], port: OutputPort) -> Self {
        let channels = cells[port.module].channels();
        Self { cell: port.module, output: port.output, channels }
    }
}

/// One channel that leaves the patch.
fn tap(cells: &[&PatchModule], ports: Vec<(OutputPort, Gain)>) -> Feed {
    let sources = ports.into_iter().map(|(port, gain)| (Source::of(cells, port), gain));
    Feed::new(sources.collect(), Gain::ZERO, 1, None)
}

impl Feed {
    /// What an input of cell `own`, of so many channels, gets.
    fn new(sources: Vec<(Source, Gain)>, rest: Gain, channels: usize, own: Option<usize>) -> Self {
        match sources[..] {
            [] => Self::Nothing,
            [(source, gain)]
                if gain == Gain::steady(1.0)
                    && source.channels == channels
                    && own != Some(source.cell) =>
            {
                Self::Direct(source)
            }
            _ => Self::Mixed(Sum { sources, rest, channels }),
        }
    }

    /// What a cable brings to a parameter, its depth apart.
    fn driving(source: Source, channels: usize, own: usize) -> Self {
        if (source.channels == channels || source.channels == 1) && source.cell != own {
            return Self::Direct(source);
        }
        Self::mixed(vec![(source, Gain::steady(1.0))], channels)
    }

    fn mixed(sources: Vec<(Source, Gain)>, channels: usize) -> Self {
        Self::Mixed(Sum { sources, rest: Gain::ZERO, channels })
    }

    /// Whether it is a sum of signals with more channels than it has itself.
    pub fn is_mixed_down(&self) -> bool {
        matches!(self, Self::Mixed(sum) if sum.sources[0].0.channels > sum.channels)
    }

    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        let (direct, mixed) = match self {
            Self::Nothing => (None, &[][..]),
            Self::Direct(source) => (Some(source), &[][..]),
            Self::Mixed(sum) => (None, &sum.sources[..]),
        };
        direct.into_iter().chain(mixed.iter().map(|(source, _)| source))
    }
}

impl Sum {
    /// Whether no cable fades.
    pub fn is_steady(&self) -> bool {
        self.rest == Gain::ZERO && self.sources.iter().all(|(_, gain)| gain.is_steady())
    }

    /// How many sources are added at once if it is made as they are rendered; `None` if that is not worth while or
    /// would give other bits.
    pub fn at_once(&self) -> Option<usize> {
        let [(first, _), _, ..] = self.sources[..] else { return None };
        let wanted = first.channels;
        let are_alike = self.sources.iter().all(|(source, _)| source.channels == wanted);
        // Of signals as wide as their sum, several, so that the sum is read and written less often.
        let at_once = if wanted > self.channels { 1 } else { 4 };
        let is_worth_while = wanted >= self.channels && self.sources.len() > at_once;
        (are_alike && is_worth_while && self.is_steady()).then_some(at_once)
    }
}
