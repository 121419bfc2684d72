//! "Did you mean": the known word nearest to a mistyped one.
//!
//! The distance counts insertions, deletions, replacements and swaps of neighbours (optimal string
//! alignment), and a word counts as near when a third of it at most is wrong.

/// Longer words are not compared: the work grows with the product of the lengths.
const WORD_CHARS_MAX: usize = 64;

pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.chars().count() > WORD_CHARS_MAX {
        return None;
    }
    let word = plain(word);
    known
        .into_iter()
        .map(|candidate| (distance(&word, &plain(candidate)), candidate))
        .filter(|&(distance, candidate)| 3 * distance <= candidate.chars().count().max(3))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// Case and the choice between `-` and `_` are the commonest slips, and count as none.
fn plain(word: &str) -> Vec<char> {
    word.to_lowercase().chars().map(|letter| if letter == '-' { '_' } else { letter }).collect()
}

fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if swapped {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_find_their_word() {
        const KNOWN: [&str; 5] = ["listen", "process_model", "io_model", "epoll", "poll"];
        fn check(word: &str, expected: Option<&str>) {
            assert_eq!(nearest(word, KNOWN), expected, "{word}");
        }
        check("lisen", Some("listen"));
        check("Listen", Some("listen"));
        check("process-model", Some("process_model"));
        check("iomodel", Some("io_model"));
        check("eopll", Some("epoll"));
        check("pol", Some("poll"));
        check("kqueue", None);
        check("", None);
        check(&"x".repeat(100_000), None);
    }
}
