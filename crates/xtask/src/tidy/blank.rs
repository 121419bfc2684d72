//! Rust source with spaces in place of comments and of what stands in literals, so that rules look
//! at code only; every byte keeps its line and column. (The Rust Reference, "Lexical structure".)

/// Blanks comments and the insides of string and character literals.
pub fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => line_end(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => comment_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' if !joins_word(bytes, at) || has_byte_prefix(bytes, at) => {
                match raw_string_end(bytes, at) {
                    Some(end) => end,
                    None => at + 1,
                }
            }
            b'\'' => character_end(bytes, at),
            _ => at + 1,
        };
        if end > at + 1 {
            out[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        }
        at = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Blanks modules under `#[cfg(test)]`, given code that was blanked before.
pub fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    let mut from = 0;
    while let Some(found) = out[from..].find("#[cfg(test)]") {
        let start = from + found;
        let end = item_end(&out, start);
        let spaces = out[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' });
        let spaces: String = spaces.collect();
        out.replace_range(start..end, &spaces);
        from = start + spaces.len();
    }
    out
}

/// The end of the item that begins at `start`: its closing brace, or its semicolon.
pub fn item_end(code: &str, start: usize) -> usize {
    match body_start(code, start) {
        Some(open) => matching_brace(code, open),
        None => code[start..].find(';').map_or(code.len(), |at| start + at + 1),
    }
}

/// Where the braces of an item open; `None` if a semicolon outside of brackets ends it before.
pub fn body_start(code: &str, start: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' if depth == 0 => return None,
            b'{' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// One past the brace that closes the one at `open`.
pub fn matching_brace(code: &str, open: usize) -> usize {
    let mut depth = 0_i32;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// Where `word` stands with no letter of a longer word beside it.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let after = bytes.get(at + word.len()).copied().unwrap_or(b' ');
        !joins_word(bytes, *at) && !is_word(after)
    })
}

fn joins_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && is_word(bytes[at - 1])
}

/// Whether the `r` of a raw string has the `b` or `c` of a byte or C string before it.
fn has_byte_prefix(bytes: &[u8], at: usize) -> bool {
    at > 0 && matches!(bytes[at - 1], b'b' | b'c') && !joins_word(bytes, at - 1)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

/// Block comments nest.
fn comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_u32);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
        } else {
            at += 1;
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn raw_string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let hashes = bytes[start + 1..].iter().take_while(|byte| **byte == b'#').count();
    let open = start + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let close = [b"\"", "#".repeat(hashes).as_bytes()].concat();
    let rest = &bytes[open + 1..];
    let length = rest.windows(close.len()).position(|window| window == close)?;
    Some(open + 1 + length + close.len())
}

/// A character literal, or else the tick of a lifetime.
fn character_end(bytes: &[u8], at: usize) -> usize {
    if bytes.get(at + 1) == Some(&b'\\') {
        let close = bytes[(at + 3).min(bytes.len())..].iter().position(|byte| *byte == b'\'');
        return close.map_or(bytes.len(), |length| at + 3 + length + 1);
    }
    let width = bytes.get(at + 1).map_or(1, |first| match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    });
    match bytes.get(at + 1 + width) {
        Some(b'\'') => at + width + 2,
        _ => at + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::{blank, without_tests, words};

    #[test]
    fn comments_and_literals_become_spaces() {
        let check = |input: &str, expected: &str| {
            let found = blank(input);
            assert_eq!(found, expected, "{input:?}");
            assert_eq!(found.len(), input.len());
        };
        check("a // b\nc", "a     \nc");
        check("a /* /* b */ c */ d", "a                 d");
        check("f(\"a\\\"b\") + 1", "f(      ) + 1");
        check("r#\"a\"b\"# x", "         x");
        check("br\"a\" x", "b     x");
        check("'a' '\\'' '\\u{1f}' &'a str", "                  &'a str");
        check("for", "for");
    }

    #[test]
    fn tests_become_spaces() {
        let check = |input: &str, expected: &str| {
            let found: String = without_tests(input).split_whitespace().collect();
            assert_eq!(found, expected, "{input:?}");
        };
        check("a #[cfg(test)] mod tests { fn f() { } } b", "ab");
        check("a #[cfg(test)] mod tests; b", "ab");
        check("a b", "ab");
    }

    #[test]
    fn a_word_is_whole() {
        assert_eq!(words("Serialize Deserialize Serialize_", "Serialize").count(), 1);
    }
}
