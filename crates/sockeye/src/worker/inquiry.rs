//! The acceptor's answer to "what are you doing": it asks each child, and answers when all have, or
//! when the time for it is over. A child that hangs is listed without what only it knows.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use control::ConnectionView;

/// How long children may take; the master waits twice as long for us.
const ANSWER_WAIT: Duration = Duration::from_millis(250);
/// Questions under way at once; further ones are answered without the children.
const OPEN_MAX: usize = 8;

struct Inquiry {
    until: Instant,
    waiting: HashSet<u64>,
    answers: HashMap<u64, ConnectionView>,
}

/// The master's questions that some child has yet to answer, by the id the master gave them.
#[derive(Default)]
pub struct Inquiries {
    open: HashMap<u64, Inquiry>,
}

/// What can be answered now: the question, and what the children said, by child.
pub type Answer = (u64, HashMap<u64, ConnectionView>);

impl Inquiries {
    /// Begins one; false where it is to be answered without the children.
    pub fn begin(&mut self, id: u64, children: HashSet<u64>, now: Instant) -> bool {
        if children.is_empty() || self.open.len() >= OPEN_MAX {
            return false;
        }
        let until = now + ANSWER_WAIT;
        self.open.insert(id, Inquiry { until, waiting: children, answers: HashMap::new() });
        true
    }

    pub fn answered(&mut self, id: u64, child: u64, view: Option<ConnectionView>) {
        if let Some(inquiry) = self.open.get_mut(&id)
            && inquiry.waiting.remove(&child)
        {
            inquiry.answers.extend(view.map(|view| (child, view)));
        }
    }

    /// Takes out what is answered as far as it ever will be.
    pub fn finished(&mut self, now: Instant, is_alive: impl Fn(u64) -> bool) -> Vec<Answer> {
        let is_over = |inquiry: &Inquiry| {
            inquiry.until <= now || !inquiry.waiting.iter().any(|child| is_alive(*child))
        };
        let over = self.open.iter().filter(|(_, inquiry)| is_over(inquiry));
        let over: Vec<u64> = over.map(|(id, _)| *id).collect();
        let answer = |id: u64| self.open.remove(&id).map(|inquiry| (id, inquiry.answers));
        over.into_iter().filter_map(answer).collect()
    }

    pub fn next_time(&self) -> Option<Instant> {
        self.open.values().map(|inquiry| inquiry.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answered_when_all_have_are_gone_or_the_time_is_over() {
        let now = crate::clock::now();
        let all = |_| true;
        let ask = |inquiries: &mut Inquiries, children: &[u64]| {
            inquiries.begin(7, children.iter().copied().collect(), now)
        };
        let mut inquiries = Inquiries::default();
        assert!(!ask(&mut inquiries, &[]));
        assert!(ask(&mut inquiries, &[1, 2]));
        inquiries.answered(7, 1, Some(ConnectionView::default()));
        inquiries.answered(7, 9, Some(ConnectionView::default()));
        assert_eq!(inquiries.finished(now, all), []);
        inquiries.answered(7, 2, None);
        let answers = HashMap::from([(1, ConnectionView::default())]);
        assert_eq!(inquiries.finished(now, all), [(7, answers)]);
        assert_eq!(inquiries.next_time(), None);

        assert!(ask(&mut inquiries, &[1]));
        assert_eq!(inquiries.finished(now, |child| child != 1), [(7, HashMap::new())]);
        assert!(ask(&mut inquiries, &[1]));
        assert_eq!(inquiries.finished(now + ANSWER_WAIT, all), [(7, HashMap::new())]);
        (0..OPEN_MAX as u64).for_each(|id| {
            assert!(inquiries.begin(id, HashSet::from([1]), now));
        });
        assert!(!inquiries.begin(99, HashSet::from([1]), now));
    }
}
