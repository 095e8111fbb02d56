//! Room among the shared assets for recordings and tables: what no edition of the patch that may still sound names is given
//! back, so that an installation whose patch is edited for months does not fill the memory.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;

/// The editions whose recordings are kept. All workers and checkpoints are past the last but one before the next
/// is prepared; what was taken out then may still fade out.
const EDITIONS_KEPT: usize = 3;

/// Which bytes are taken, from `start` on.
#[derive(Debug)]
pub struct Room {
    start: usize,
    align: usize,
    taken: Vec<Range<usize>>,
    /// What each of the last editions needs, by its number, the newest last.
    editions: VecDeque<(u32, Vec<Range<usize>>)>,
}

impl Room {
    /// All of it is free. Whatever is put into it begins at a multiple of `align` bytes.
    pub fn new(start: usize, align: usize) -> Self {
        Self { start, align, taken: Vec::new(), editions: VecDeque::new() }
    }

    /// Takes the first place that is large enough for so many bytes.
    pub fn take(&mut self, bytes: usize) -> Range<usize> {
        let mut offset = self.start;
        let mut at = 0;
        for (index, taken) in self.taken.iter().enumerate() {
            if offset + bytes <= taken.start {
                break;
            }
            offset = taken.end.next_multiple_of(self.align).max(offset);
            at = index + 1;
        }
        let place = offset..offset + bytes;
        self.taken.insert(at, place.clone());
        place
    }

    /// An edition plays, or will, and these are the places that it needs.
    pub fn needs(&mut self, number: u32, places: Vec<Range<usize>>) {
        for place in &places {
            // Places that another has taken are not known yet. Of an edition long ago, they may have been given back and
            // taken anew since, otherwise divided.
            match self.taken.binary_search_by_key(&place.start, |it| it.start) {
                Ok(at) => self.taken[at].end = self.taken[at].end.max(place.end),
                Err(at) => self.taken.insert(at, place.clone()),
            }
        }
        self.editions.push_back((number, places));
        if self.editions.len() > EDITIONS_KEPT {
            self.editions.pop_front();
        }
    }

    /// An edition that was to play never will, so it does not count among the last.
    pub fn withdraw(&mut self, number: u32) {
        self.editions.retain(|(of, _)| *of != number);
    }

    /// Frees what none of the last editions needs, nor `also` names, and returns it. What was taken for an edition
    /// that was refused is among it.
    pub fn sweep(&mut self, also: &[Range<usize>]) -> Vec<Range<usize>> {
        let needed = self.editions.iter().flat_map(|(_, places)| places);
        let needed: Vec<&Range<usize>> = needed.chain(also).collect();
        let starts: BTreeSet<usize> = needed.iter().map(|place| place.start).collect();
        let is_free = |place: &mut Range<usize>| !starts.contains(&place.start);
        let free = self.taken.extract_if(.., is_free);
        free.filter(|place| !needed.iter().any(|needed| overlap(needed, place))).collect()
    }
}

/// Whether two places have a byte in common.
pub fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_three_editions_do_not_name_is_free_again() {
        let mut room = Room::new(100, 10);
        let places = [room.take(15), room.take(5), room.take(30)];
        assert_eq!(places, [100..115, 120..125, 130..160]);
        let mut needs = |number: u32, places: Vec<Range<usize>>| {
            room.needs(number, places);
            room.sweep(&[])
        };
        for edition in 0..3 {
            assert!(needs(edition, places.to_vec()).is_empty(), "{edition}");
        }
        assert!(needs(3, vec![places[0].clone(), places[2].clone()]).is_empty());
        assert!(needs(4, vec![places[2].clone()]).is_empty());
        assert_eq!(needs(5, vec![places[2].clone()]), [places[1].clone()]);
        assert_eq!(needs(6, vec![places[2].clone()]), [places[0].clone()]);
        assert_eq!(room.take(31), 160..191, "the gap is too small");
        assert_eq!(room.take(30), 100..130);
        let also = std::slice::from_ref(&(100..130));
        let refused = room.sweep(also);
        assert_eq!(refused.first(), Some(&(160..191)), "it was for an edition that was refused");
        assert_eq!((refused.len(), room.sweep(&[])), (1, also.to_vec()));
    }

    #[test]
    fn an_edition_that_was_taken_back_does_not_push_out_another() {
        let mut room = Room::new(0, 4);
        let places: Vec<_> = (0..4).map(|_| room.take(4)).collect();
        for (number, place) in (0..).zip(&places[..3]) {
            room.needs(number, vec![place.clone()]);
        }
        room.withdraw(2);
        room.needs(3, vec![places[3].clone()]);
        assert_eq!(room.sweep(&[]), [places[2].clone()], "the first may still fade out");
    }

    #[test]
    fn what_another_has_left_is_not_written_over() {
        let mut room = Room::new(0, 4);
        room.needs(0, std::iter::once(8..16).collect());
        assert_eq!([room.take(8), room.take(1), room.take(4)], [0..8, 16..17, 20..24]);
    }

    #[test]
    fn places_of_long_ago_cost_nothing_that_lies_there_now() {
        let mut room = Room::new(0, 4);
        // Two editions of long ago, and the one that plays.
        let live = [8..24, 32..40];
        room.needs(0, [vec![8..12, 16..28], live.to_vec()].concat());
        assert_eq!(room.take(8), 0..8);
        assert_eq!(room.take(4), 28..32, "the larger of two places that begin alike");
        for number in 1..=3 {
            room.needs(number, live.to_vec());
        }
        assert_eq!(room.sweep(&[]), [0..8, 28..32], "nothing that reaches into what plays");
        assert_eq!(room.take(4), 0..4);
    }
}
