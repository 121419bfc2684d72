//! Where in an ascending list of inode numbers one stands.
//!
//! The kernel gives numbers out one after another, so a number says by itself roughly where in the
//! list it is. A table of as many steps as there are rows gives the one or two rows to look at; a
//! search by halves among sixty thousand misses the cache at most of its sixteen steps.

use std::ops::Range;

/// The table for one list. An empty one says of every number that it may be anywhere.
#[derive(Debug, Default)]
pub struct Spread {
    first: u64,
    /// Numbers that are the same but for so many low bits share a step.
    shift: u32,
    /// The row at which each step begins, and the end of the last.
    starts: Vec<u32>,
}

impl Spread {
    /// For the `count` numbers of a list, which ascend.
    pub fn new(count: usize, numbers: impl Iterator<Item = u64> + Clone) -> Spread {
        let (Some(first), Some(last)) = (numbers.clone().next(), numbers.clone().last()) else {
            return Spread::default();
        };
        let mut shift = 0;
        while (last - first) >> shift > count as u64 {
            shift += 1;
        }
        let steps = ((last - first) >> shift) as usize + 1;
        let mut starts = Vec::with_capacity(steps + 1);
        for (row, number) in numbers.enumerate() {
            let step = ((number - first) >> shift) as usize;
            starts.resize(starts.len().max(step + 1), row as u32);
        }
        starts.push(count as u32);
        Spread { first, shift, starts }
    }

    /// The rows of `list`, the one this was made for, among which `number` is, if it is there.
    pub fn near<T>(&self, number: u64, list: &[T]) -> Range<usize> {
        if self.starts.is_empty() {
            return 0..list.len();
        }
        let Some(distance) = number.checked_sub(self.first) else { return 0..0 };
        let step = (distance >> self.shift) as usize;
        match (self.starts.get(step), self.starts.get(step.saturating_add(1))) {
            (Some(&start), Some(&end)) => start as usize..(end as usize).min(list.len()),
            _ => 0..0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: &[u64]) {
        let spread = Spread::new(list.len(), list.iter().copied());
        for (row, number) in list.iter().enumerate() {
            assert!(spread.near(*number, list).contains(&row), "{number} in {list:?}");
            for other in [number.wrapping_sub(1), number.wrapping_add(1)] {
                let near = spread.near(other, list);
                assert_eq!(list[near].contains(&other), list.contains(&other), "{other}");
            }
        }
    }

    #[test]
    fn every_number_is_where_it_is_said_to_be() {
        check(&[]);
        check(&[7]);
        check(&[7, 7, 7]);
        check(&[1, 2, 3, 3, 3, 9, 1000]);
        check(&[0, 1, u64::MAX - 1, u64::MAX]);
        check(&(0..500).map(|n| n * 3 + n % 3).collect::<Vec<u64>>());
        assert_eq!(Spread::default().near(5, &[5, 6]), 0..2);
    }
}
