//! A routing laid out to be played: all signals in one row, and for each cell the places there of what it
//! reads and writes.
//!
//! In a large patch, most signals are read soon after they are rendered, and never again. So their memory is allocated by
//! liveness: such outputs share it, so that a little, which stays in the nearest cache, serves them all.

use core::ops::Range;

use chronus_dsp::{BLOCK_FRAMES, Drive, PortSet, Ports, Signal, SignalKind};

use crate::command::Handle;
use crate::mixing::Mix;
use crate::patch::Patch;
use crate::routing::{Feed, Feeds, Routing, Source};

/// See the file's head.
pub(crate) struct Wiring {
    pub order: Vec<usize>,
    pub cells: Vec<WiredCell>,
    pub signals: Vec<Signal>,
    /// First those before cells, then those that leave the patch, then those of buses.
    pub sums: Vec<Mix>,
    pub heard_sums: Range<usize>,
    pub bus_sums: Range<usize>,
    /// The signals that leave the patch, of one channel each.
    pub heard: [usize; 2],
    /// Left and right of each bus.
    pub buses: Vec<[usize; 2]>,
    /// The modules whose values are told, and their cells.
    pub meters: Vec<(Handle, usize)>,
}

/// Everything about what one cell reads and writes.
pub(crate) struct WiredCell {
    pub ports: Ports,
    /// The signals of its outputs.
    pub outputs: Range<usize>,
    /// What is to be added up before it is rendered.
    pub sums: Range<usize>,
    /// If the module can be skipped, and all that is heard of it goes to inputs of later cells which may
    /// ignore them.
    pub readers: Option<Vec<Reader>>,
    /// What is to be added up once it is rendered.
    pub then: Vec<Part>,
    /// Its place in the order.
    pub place: usize,
    /// If its signals serve others too: the place in the order after which nothing depends on what is in them.
    pub until: Option<usize>,
}

/// A cell that reads another.
pub(crate) struct Reader {
    pub cell: usize,
    pub input: usize,
    /// Its inputs of which it is known, when the other is rendered, whether they are silent.
    pub known: PortSet,
}

/// Some of the sources of a [`Mix`].
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub sum: usize,
    pub sources: Range<usize>,
    /// Whether signals are shared by what ends here.
    pub ends: bool,
}

impl Wiring {
    /// That of a patch.
    pub fn of(patch: &Patch) -> Self {
        SignalAllocator::new(Routing::of(patch)).lay()
    }

    /// The way from one patch to another: [`Routing::between`].
    pub fn between(old: &Patch, new: &Patch, kept: &[Option<usize>]) -> Self {
        SignalAllocator::new(Routing::between(old, new, kept)).lay()
    }

    /// Takes over what is in the signals of a cell, which was `before` in another wiring.
    pub fn take_over(&mut self, cell: usize, other: &mut Self, before: usize) {
        let (own, others) = (&self.cells[cell], &other.cells[before]);
        if own.until.is_none() && others.until.is_none() {
            let signals = &mut self.signals[own.outputs.clone()];
            signals.swap_with_slice(&mut other.signals[others.outputs.clone()]);
        }
    }
}

/// Outputs share signals if they would fill more than this otherwise: what is smaller stays in the nearer caches by
/// itself.
const SHARED_FROM_BYTES: usize = 64 * 1024;

/// Allocates signals by how long each is needed: the signals of an output are given to others once the last cell that
/// reads them has been rendered.
struct SignalAllocator<'a> {
    routing: Routing<'a>,
    /// The place of each cell in the order.
    place: Vec<usize>,
    /// Who reads each cell.
    reads: Vec<Vec<Read>>,
    /// The parts of the sum at each input of each cell, if it is made as its sources are rendered.
    parts: Vec<Vec<Vec<PlannedPart>>>,
    /// What will be [`WiredCell::until`].
    until: Vec<Option<usize>>,
    /// The signals of the outputs of each cell.
    outputs: Vec<Range<usize>>,
    signals: Vec<Signal>,
    sums: Vec<Mix>,
}

/// Where an output is read.
#[derive(Clone, Copy)]
struct Read {
    output: usize,
    by: By,
}

#[derive(Clone, Copy)]
enum By {
    /// An input of a cell; of its sources, the one with this number.
    Input { cell: usize, input: usize, source: usize },
    /// Parameters of a cell.
    Params { cell: usize },
    /// What is outside.
    Tap,
}

struct PlannedPart {
    /// After which place in the order it is added up.
    place: usize,
    sources: Range<usize>,
}

impl<'a> SignalAllocator<'a> {
    fn new(routing: Routing<'a>) -> Self {
        let count = routing.cells.len();
        let mut place = vec![0; count];
        for (at, &cell) in routing.order.iter().enumerate() {
            place[cell] = at;
        }
        let mut layout = Self {
            reads: reads(&routing),
            parts: Vec::new(),
            until: vec![None; count],
            outputs: vec![0..0; count],
            signals: Vec::from(Signal::resting()),
            sums: Vec::new(),
            routing,
            place,
        };
        layout.parts = (0..count).map(|cell| layout.parts_before(cell)).collect();
        layout
    }

    fn lay(mut self) -> Wiring {
        self.share();
        self.give_signals();
        let mut cells: Vec<_> = (0..self.place.len()).map(|cell| self.wired(cell)).collect();
        for (cell, parts) in self.parts.iter().enumerate() {
            // Sums at inputs come first, in their order.
            let is_sum = |(_, feed): &(_, &Feed)| matches!(feed, Feed::Mixed(_));
            let sums = parts.iter().zip(&self.routing.feeds[cell].inputs).filter(is_sum);
            let first = cells[cell].sums.start;
            for (sum, (parts, feed)) in sums.enumerate() {
                for PlannedPart { place, sources } in parts {
                    let ends = feed.sources().skip(sources.start).take(sources.len());
                    let are_shared =
                        ends.map(|it| self.until[it.cell]).any(|until| until.is_some());
                    let ends = are_shared && feed.is_mixed_down();
                    let part = Part { sum: first + sum, sources: sources.clone(), ends };
                    cells[self.routing.order[*place]].then.push(part);
                }
            }
        }
        let (start, heard) = (self.sums.len(), core::mem::take(&mut self.routing.heard));
        let [left, right] = heard;
        let heard =
            if left == right { [self.tap(&left); 2] } else { [self.tap(&left), self.tap(&right)] };
        let heard_sums = start..self.sums.len();
        let buses = core::mem::take(&mut self.routing.buses);
        let buses = buses.into_iter().map(|sides| sides.map(|side| self.tap(&side))).collect();
        Wiring {
            bus_sums: heard_sums.end..self.sums.len(),
            heard_sums,
            heard,
            buses,
            cells,
            order: self.routing.order,
            meters: self.routing.meters,
            signals: self.signals,
            sums: self.sums,
        }
    }

    /// The parts in which the sums at the inputs of a cell are made as their sources are rendered, if all of those
    /// are rendered before it.
    fn parts_before(&self, cell: usize) -> Vec<Vec<PlannedPart>> {
        let parts = |feed: &Feed| {
            let Feed::Mixed(sum) = feed else { return Vec::new() };
            let places: Vec<_> = feed.sources().map(|source| self.place[source.cell]).collect();
            let are_before = places.iter().all(|&place| place < self.place[cell]);
            let Some(at_once) = sum.at_once().filter(|_| are_before) else { return Vec::new() };
            // Each when its last source is there, and those before it are done.
            let (mut place, mut start) = (0, 0);
            let part = |part: &[usize]| {
                place = part.iter().copied().fold(place, usize::max);
                let sources = start..start + part.len();
                start = sources.end;
                PlannedPart { place, sources }
            };
            places.chunks(at_once).map(part).collect()
        };
        self.routing.feeds[cell].inputs.iter().map(parts).collect()
    }

    /// Finds out which outputs share signals.
    fn share(&mut self) {
        let mut samples = 0;
        for &cell in self.routing.order.iter().rev() {
            self.until[cell] = self.last_dependence(cell);
            if self.until[cell].is_some() {
                let module = self.routing.cells[cell];
                samples += BLOCK_FRAMES * module.channels() * module.spec().outputs.len();
            }
        }
        if samples * size_of::<f32>() < SHARED_FROM_BYTES {
            self.until.fill(None);
        }
    }

    /// The place after which nothing depends on what a cell has rendered in a block, and what came of it was
    /// examined; that is where the last of all ways from it ends in a sum that is mixed down. `None` if some way
    /// ends elsewhere.
    fn last_dependence(&self, cell: usize) -> Option<usize> {
        let mut last = None;
        let outputs = self.routing.cells[cell].spec().outputs;
        for read in &self.reads[cell] {
            // Others are often held for long, which costs nothing in a signal of their own.
            if outputs[read.output].signal != SignalKind::Audio {
                return None;
            }
            let end = match read.by {
                By::Tap => return None,
                By::Input { cell: reader, .. } | By::Params { cell: reader }
                    if self.place[reader] <= self.place[cell] =>
                {
                    return None;
                }
                By::Params { cell: reader } => self.until[reader]?,
                By::Input { cell: reader, input, source } => {
                    let parts = &self.parts[reader][input];
                    let part = parts.iter().find(|part| part.sources.contains(&source));
                    match part.filter(|_| self.routing.feeds[reader].inputs[input].is_mixed_down())
                    {
                        Some(part) => part.place,
                        None => self.until[reader]?,
                    }
                }
            };
            last = last.max(Some(end));
        }
        last
    }

    /// Gives the outputs of each cell signals that follow one another; of those that are shared, such that were used
    /// last.
    fn give_signals(&mut self) {
        let mut free: Vec<(usize, Range<usize>)> = Vec::new();
        let mut ending: Vec<Vec<(usize, Range<usize>)>> = vec![Vec::new(); self.place.len()];
        for at in 0..self.place.len() {
            let cell = self.routing.order[at];
            let (module, until) = (self.routing.cells[cell], self.until[cell]);
            let (channels, count) = (module.channels(), module.spec().outputs.len());
            let fits =
                |(of, signals): &(usize, Range<usize>)| (*of, signals.len()) == (channels, count);
            let found = free.iter().rposition(fits).filter(|_| until.is_some());
            let signals = found.map_or_else(
                || {
                    let start = self.signals.len();
                    self.signals.extend((0..count).map(|_| Signal::silent(channels)));
                    start..self.signals.len()
                },
                |found| free.remove(found).1,
            );
            self.outputs[cell] = signals.clone();
            if let Some(until) = until {
                ending[until].push((channels, signals));
            }
            free.append(&mut ending[at]);
        }
    }

    /// All that is known before parts are dealt out.
    fn wired(&mut self, cell: usize) -> WiredCell {
        let module = self.routing.cells[cell];
        let Feeds { inputs, drives } = core::mem::take(&mut self.routing.feeds[cell]);
        let mut ports = Ports::default();
        let start = self.sums.len();
        for (index, (feed, spec)) in inputs.iter().zip(module.spec().inputs).enumerate() {
            let is_early = !self.parts[cell][index].is_empty();
            let signal = self.signal_of(feed, is_early).unwrap_or(Signal::at_rest(spec));
            ports.inputs.push(signal as u32);
            ports.connected |= PortSet::from(*feed != Feed::Nothing) << index;
        }
        for (param, depth, feed) in &drives {
            if let Some(signal) = self.signal_of(feed, false) {
                ports.drives.push(Drive { param: *param, depth: *depth, signal });
            }
        }
        self.routing.feeds[cell] = Feeds { inputs, drives };
        let heard = self.reads[cell].iter().fold(0, |heard, read| heard | 1 << read.output);
        ports.unheard_outputs = !heard;
        WiredCell {
            ports,
            outputs: self.outputs[cell].clone(),
            sums: start..self.sums.len(),
            readers: self.readers(cell),
            then: Vec::new(),
            place: self.place[cell],
            until: self.until[cell],
        }
    }

    /// Those who read a cell that can be skipped: all later, at inputs, and such as ever ignore any.
    fn readers(&self, cell: usize) -> Option<Vec<Reader>> {
        if !self.routing.cells[cell].spec().skips {
            return None;
        }
        let mut readers = Vec::new();
        for read in &self.reads[cell] {
            let By::Input { cell: reader, input, .. } = read.by else { return None };
            let is_later = self.place[reader] > self.place[cell];
            if !is_later || !self.routing.cells[reader].spec().ignores {
                return None;
            }
            let mut known = 0;
            for (input, feed) in self.routing.feeds[reader].inputs.iter().enumerate() {
                let is_known = matches!(feed, Feed::Direct(source)
                    if self.place[source.cell] < self.place[cell]);
                known |= PortSet::from(is_known) << input;
            }
            readers.push(Reader { cell: reader, input, known });
        }
        Some(readers)
    }

    /// The signal of what a port gets; a sum gets one of its own.
    fn signal_of(&mut self, feed: &Feed, is_early: bool) -> Option<usize> {
        match feed {
            Feed::Nothing => None,
            Feed::Direct(source) => Some(self.place_of(source)),
            Feed::Mixed(sum) => {
                let signal = self.signals.len();
                self.signals.push(Signal::silent(sum.channels));
                let sum = Mix::new(sum, signal, |source| self.place_of(source), is_early);
                self.sums.push(sum);
                Some(signal)
            }
        }
    }

    fn place_of(&self, source: &Source) -> usize {
        self.outputs[source.cell].start + source.output
    }

    fn tap(&mut self, feed: &Feed) -> usize {
        self.signal_of(feed, false).unwrap_or(Signal::AT_ZERO)
    }
}

/// Who reads each cell of a routing.
fn reads(routing: &Routing<'_>) -> Vec<Vec<Read>> {
    let mut reads = vec![Vec::new(); routing.cells.len()];
    let mut read = |source: &Source, by: By| {
        reads[source.cell].push(Read { output: source.output, by });
    };
    for (cell, feeds) in routing.feeds.iter().enumerate() {
        for (input, feed) in feeds.inputs.iter().enumerate() {
            for (number, source) in feed.sources().enumerate() {
                read(source, By::Input { cell, input, source: number });
            }
        }
        for source in feeds.drives.iter().flat_map(|(.., feed)| feed.sources()) {
            read(source, By::Params { cell });
        }
    }
    let taps = routing.heard.iter().chain(routing.buses.iter().flatten());
    taps.flat_map(Feed::sources).for_each(|source| read(source, By::Tap));
    for &(_, cell) in &routing.meters {
        for output in 0..routing.cells[cell].spec().outputs.len() {
            read(&Source { cell, output, channels: 0 }, By::Tap);
        }
    }
    reads
}
