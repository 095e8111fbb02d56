//! What leads where: in which order modules render, what each input and parameter gets, and what is
//! heard. While one patch gives way to the next, cables fade.

use core::ops::Range;
use std::collections::BTreeMap;

use chronus_dsp::PortSet;
use smallvec::SmallVec;

use crate::command::Handle;
use crate::mixing::Mix;
use crate::patch::order::order;
use crate::patch::{Bus, Cable, OutputPort, Patch, PatchModule, Target, TargetPort};

/// An output of a cell, and the channels of its buffer.
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
pub(crate) enum Feed {
    /// No cable.
    Nothing,
    /// The very buffer of the only source.
    Direct(Source),
    /// Several sources, or one that has to be changed.
    Mixed(Box<Mix>),
}

/// Everything that one cell gets.
pub(crate) struct Feeds {
    pub inputs: SmallVec<[Feed; 2]>,
    /// Inputs where cables end.
    pub connected: PortSet,
    /// Parameter, depth and signal of the cables that end at parameters.
    pub drives: Vec<(usize, f32, Feed)>,
    /// Whether any of them is mixed.
    pub has_mixes: bool,
    /// Outputs that nobody reads.
    pub unheard: PortSet,
    /// If the module can be skipped, and all that is heard of it goes to inputs of later cells which may
    /// ignore them: cell and input of each.
    pub readers: Option<Vec<(usize, usize)>>,
    /// Its place in the order.
    pub place: usize,
    /// What is to be added up once it is rendered.
    pub then: Vec<Part>,
}

/// Some of the sources of a [`Mix`] at an input.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub cell: usize,
    pub input: usize,
    pub sources: Range<usize>,
}

/// See the file's head. Cells are numbered by the position of their module in the patch; those that fade
/// out follow.
pub(crate) struct Wiring {
    pub order: Vec<usize>,
    pub feeds: Vec<Feeds>,
    /// The channels that leave the patch.
    pub heard: [Mix; 2],
    /// Left and right of each bus.
    pub buses: Vec<[Mix; 2]>,
    /// The modules whose values are told, and their cells.
    pub told: Vec<(Handle, usize)>,
}

/// A cable between cells, whose gain may move.
struct Link {
    from: OutputPort,
    to: Target,
    gain: Gain,
}

impl Wiring {
    /// That of a patch.
    pub fn of(patch: &Patch) -> Self {
        let cells: Vec<_> = patch.modules().iter().collect();
        let link = |cable: &Cable| Link {
            from: cable.from,
            to: cable.to,
            gain: Gain::steady(cable.depth),
        };
        let links: Vec<_> = patch.cables().iter().map(link).collect();
        let steady = |port| tap(&cells, &[(port, Gain::steady(1.0))]);
        let heard = [patch.left(), patch.right()].map(steady);
        let wiring = Self {
            order: patch.order().to_vec(),
            feeds: feeds(&cells, &links, cells.len()),
            heard,
            buses: bus_taps(&cells, patch.buses()),
            told: told(patch),
        };
        wiring.with_readers(&cells).with_parts()
    }

    /// Finds out which outputs nobody reads, and which cells are read by inputs of later ones alone.
    fn with_readers(mut self, cells: &[&PatchModule]) -> Self {
        let count = cells.len();
        let (mut heard, mut simple) = (vec![0; count], vec![true; count]);
        let mut readers: Vec<Vec<(usize, usize)>> = vec![Vec::new(); count];
        let mut place = vec![0; count];
        for (at, &cell) in self.order.iter().enumerate() {
            place[cell] = at;
        }
        for (cell, feeds) in self.feeds.iter().enumerate() {
            for (input, feed) in feeds.inputs.iter().enumerate() {
                for source in feed.sources() {
                    readers[source.cell].push((cell, input));
                    heard[source.cell] |= 1 << source.output;
                    simple[source.cell] &= place[cell] > place[source.cell];
                }
            }
            for source in feeds.drives.iter().flat_map(|(.., feed)| feed.sources()) {
                heard[source.cell] |= 1 << source.output;
                simple[source.cell] = false;
            }
        }
        let taps = self.heard.iter().chain(self.buses.iter().flatten());
        for (source, _) in taps.flat_map(|tap| &tap.sources) {
            heard[source.cell] |= 1 << source.output;
            simple[source.cell] = false;
        }
        for &(_, cell) in &self.told {
            heard[cell] = PortSet::MAX;
            simple[cell] = false;
        }
        for (cell, (feeds, readers)) in self.feeds.iter_mut().zip(readers).enumerate() {
            let may_ignore = |&(reader, _): &(usize, usize)| cells[reader].spec().ignores;
            let is_skipped = cells[cell].spec().skips && readers.iter().all(may_ignore);
            feeds.unheard = !heard[cell];
            feeds.readers = (simple[cell] && is_skipped).then_some(readers);
            feeds.place = place[cell];
        }
        self
    }

    /// Has sums of several sources made as those are rendered, if all are rendered before.
    fn with_parts(mut self) -> Self {
        for cell in 0..self.feeds.len() {
            for input in 0..self.feeds[cell].inputs.len() {
                let own_place = self.feeds[cell].place;
                let Feed::Mixed(mix) = &self.feeds[cell].inputs[input] else { continue };
                let places = mix.sources.iter().map(|(source, _)| self.feeds[source.cell].place);
                let places: Vec<_> = places.collect();
                if places.iter().any(|&place| place >= own_place) {
                    continue;
                }
                let Feed::Mixed(mix) = &mut self.feeds[cell].inputs[input] else { continue };
                let Some(at_once) = mix.make_early() else { continue };
                // Each part when its last source is there, and those before it are done.
                let (mut last, mut start) = (0, 0);
                for part in places.chunks(at_once) {
                    last = part.iter().copied().fold(last, usize::max);
                    let sources = start..start + part.len();
                    start = sources.end;
                    self.feeds[self.order[last]].then.push(Part { cell, input, sources });
                }
            }
        }
        self
    }

    /// The way from `old` to `new`. `kept` says for each module of `new` where it was in `old`; the modules
    /// of `old` that are not kept follow as further cells, in their order.
    pub fn between(old: &Patch, new: &Patch, kept: &[Option<usize>]) -> Self {
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
                return tap(&cells, &[(is, Gain::steady(1.0))]);
            }
            let (out, into) = (Gain { from: 1.0, to: 0.0 }, Gain { from: 0.0, to: 1.0 });
            tap(&cells, &[(was, out), (is, into)])
        });
        let wiring = Self {
            order: order(cells.len(), &pairs),
            feeds: feeds(&cells, &links, new.modules().len()),
            heard,
            buses: bus_taps(&cells, new.buses()),
            told: told(new),
        };
        wiring.with_readers(&cells).with_parts()
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
    let feed = |(cell, links): (usize, &Vec<&Link>)| {
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
            Feed::new(sources, rest, module.channels(), cell)
        });
        let params = (0..module.spec().params.len())
            .flat_map(|param| to(TargetPort::Param(param)).map(move |link| (param, link)));
        let drives = params.map(|(param, link)| {
            let source = Source::of(cells, link.from);
            if link.gain.is_steady() {
                (param, link.gain.to, Feed::driving(source, module.channels(), cell))
            } else {
                let feed = Feed::mixed(vec![(source, link.gain)], Gain::ZERO, module.channels());
                (param, 1.0, feed)
            }
        });
        let inputs: SmallVec<[Feed; 2]> = inputs.collect();
        let drives: Vec<_> = drives.collect();
        let mut feeds = inputs.iter().chain(drives.iter().map(|(.., feed)| feed));
        let has_mixes = feeds.any(|feed| matches!(feed, Feed::Mixed(_)));
        let mut connected = 0;
        for (index, feed) in inputs.iter().enumerate() {
            connected |= PortSet::from(!matches!(feed, Feed::Nothing)) << index;
        }
        Feeds {
            inputs,
            connected,
            drives,
            has_mixes,
            unheard: 0,
            readers: None,
            place: 0,
            then: Vec::new(),
        }
    };
    links_to.iter().enumerate().map(feed).collect()
}

fn told(patch: &Patch) -> Vec<(Handle, usize)> {
    let modules = patch.modules().iter().enumerate();
    let told = modules.filter(|(_, module)| !module.spec().told.is_empty());
    told.map(|(cell, module)| (module.handle(), cell)).collect()
}

fn bus_taps(cells: &[&PatchModule], buses: &[Bus]) -> Vec<[Mix; 2]> {
    let steady = |port| tap(cells, &[(port, Gain::steady(1.0))]);
    buses.iter().map(|bus| [bus.left, bus.right].map(steady)).collect()
}

impl Source {
    fn of(cells: &[&PatchModule], port: OutputPort) -> Self {
        let channels = cells[port.module].channels();
        Self { cell: port.module, output: port.output, channels }
    }
}

/// One channel that leaves the patch.
fn tap(cells: &[&PatchModule], ports: &[(OutputPort, Gain)]) -> Mix {
    let sources = ports.iter().map(|&(port, gain)| (Source::of(cells, port), gain)).collect();
    Mix::new(sources, Gain::ZERO, 1)
}

impl Feed {
    /// What an input of cell `own`, of so many channels, gets.
    fn new(sources: Vec<(Source, Gain)>, rest: Gain, channels: usize, own: usize) -> Self {
        match sources[..] {
            [] => Self::Nothing,
            [(source, gain)]
                if gain == Gain::steady(1.0)
                    && source.channels == channels
                    && source.cell != own =>
            {
                Self::Direct(source)
            }
            _ => Self::mixed(sources, rest, channels),
        }
    }

    /// What a cable brings to a parameter, its depth apart.
    fn driving(source: Source, channels: usize, own: usize) -> Self {
        if (source.channels == channels || source.channels == 1) && source.cell != own {
            return Self::Direct(source);
        }
        Self::mixed(vec![(source, Gain::steady(1.0))], Gain::ZERO, channels)
    }

    fn mixed(sources: Vec<(Source, Gain)>, rest: Gain, channels: usize) -> Self {
        Self::Mixed(Box::new(Mix::new(sources, rest, channels)))
    }

    fn sources(&self) -> impl Iterator<Item = &Source> {
        let (direct, mixed) = match self {
            Self::Nothing => (None, &[][..]),
            Self::Direct(source) => (Some(source), &[][..]),
            Self::Mixed(mix) => (None, &mix.sources[..]),
        };
        direct.into_iter().chain(mixed.iter().map(|(source, _)| source))
    }
}
