//! What a program printed, as text that does nothing to a terminal: a log line must not move the
//! cursor, set a title or hide the line before it (console_codes(4)).

use std::fmt::Write;

/// The bytes as text: control characters but tabs, and what is not UTF-8, as `\xNN`.
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\t' => text.push(letter),
                _ if letter.is_control() || is_direction(letter) => {
                    let mut units = [0; 4];
                    letter.encode_utf8(&mut units).bytes().for_each(|byte| hex(&mut text, byte));
                }
                _ => text.push(letter),
            }
        }
        chunk.invalid().iter().for_each(|byte| hex(&mut text, *byte));
    }
    text
}

/// Characters that change the order in which others are shown (Unicode Annex 9).
fn is_direction(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn hex(text: &mut String, byte: u8) {
    // Writing to a string does not fail.
    let _ = write!(text, "\\x{byte:02x}");
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn nothing_reaches_a_terminal_but_letters() {
        let check = |bytes: &[u8], expected: &str| assert_eq!(escaped(bytes), expected);
        check(b"plain\ttext", "plain\ttext");
        check("grün €".as_bytes(), "grün €");
        check(b"\x1b[2Jgone\r", "\\x1b[2Jgone\\x0d");
        check(b"a\xff\xfeb", "a\\xff\\xfeb");
        check(b"\xe2\x82", "\\xe2\\x82");
        check("\u{9b}2J".as_bytes(), "\\xc2\\x9b2J");
        check("a\u{202e}b".as_bytes(), "a\\xe2\\x80\\xaeb");
    }
}
