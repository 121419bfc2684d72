//! Text as lsof prints it: what could confuse a terminal or a parser is escaped, `\n`, `^A`,
//! `\x7f`.

use crate::bytes;
use crate::model::TcpState;
use crate::tool::lsof::Facts;
use crate::tool::lsof::row::Row;

/// Whether multibyte characters may be printed as they are: the locale says UTF-8.
pub fn locale_is_utf8() -> bool {
    static ANSWER: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *ANSWER.get_or_init(is_utf8_by_environment)
}

fn is_utf8_by_environment() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    set.is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    })
}

/// Appends `text`, escaped; a blank too where `blanks` says so.
pub fn push_safe(out: &mut Vec<u8>, text: &[u8], utf8: bool, blanks: bool) {
    if text.iter().all(|&b| is_plain(b, blanks)) {
        return out.extend_from_slice(text);
    }
    let mut at = 0;
    while at < text.len() {
        let length = if utf8 { printable_character(&text[at..]) } else { 0 };
        if length > 1 {
            out.extend_from_slice(&text[at..at + length]);
            at += length;
            continue;
        }
        match text[at] {
            byte if is_plain(byte, blanks) => out.push(byte),
            byte => push_escape(out, byte),
        }
        at += 1;
    }
}

fn is_plain(byte: u8, blanks: bool) -> bool {
    (0x20..0x7f).contains(&byte) && byte != b'\\' && !(blanks && byte == b' ')
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    match byte {
        0x08 => out.extend_from_slice(b"\\b"),
        0x0c => out.extend_from_slice(b"\\f"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        b'\\' => out.extend_from_slice(b"\\\\"),
        control @ 0..0x20 => out.extend_from_slice(&[b'^', control + 0x40]),
        other => {
            out.extend_from_slice(b"\\x");
            bytes::push_hex(out, u64::from(other), 2);
        }
    }
}

/// The bytes of a printable multibyte character at the start, else 0.
fn printable_character(text: &[u8]) -> usize {
    let head = &text[..text.len().min(4)];
    let valid = match std::str::from_utf8(head) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default(),
    };
    valid.chars().next().filter(|c| !c.is_control()).map_or(0, char::len_utf8)
}

/// A command of at most `width` columns, never ending inside an escape.
pub fn push_command(out: &mut Vec<u8>, command: &[u8], width: usize) {
    let start = out.len();
    let mut one = Vec::with_capacity(4);
    for byte in command {
        one.clear();
        push_safe(&mut one, std::slice::from_ref(byte), false, true);
        if out.len() - start + one.len() > width {
            break;
        }
        out.extend_from_slice(&one);
    }
}

pub fn state_name(state: TcpState) -> &'static str {
    match state {
        TcpState::Unknown => "UNKNOWN",
        TcpState::Established => "ESTABLISHED",
        TcpState::SynSent => "SYN_SENT",
        TcpState::SynReceived | TcpState::NewSynReceived => "SYN_RECV",
        TcpState::FinWait1 => "FIN_WAIT1",
        TcpState::FinWait2 => "FIN_WAIT2",
        TcpState::TimeWait => "TIME_WAIT",
        TcpState::Close => "CLOSE",
        TcpState::CloseWait => "CLOSE_WAIT",
        TcpState::LastAck => "LAST_ACK",
        TcpState::Listen => "LISTEN",
        TcpState::Closing => "CLOSING",
    }
}

/// `-t`: the pids, each once.
pub fn pids(facts: &Facts, rows: &[Row], out: &mut Vec<u8>) {
    let mut last = None;
    for row in rows {
        let Some(process) = facts.snapshot.processes.get(row.process as usize) else { continue };
        if last != Some(process.pid) {
            last = Some(process.pid);
            bytes::push_dec(out, u64::from(process.pid));
            out.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8], utf8: bool, blanks: bool, expected: &[u8]) {
        let mut out = Vec::new();
        push_safe(&mut out, text, utf8, blanks);
        assert_eq!(out, expected);
    }

    #[test]
    fn escapes() {
        check(b"/a b\nc\\d", false, false, b"/a b\\nc\\\\d");
        check(b"a b", false, true, b"a\\x20b");
        check("é\u{7f}".as_bytes(), true, false, b"\xc3\xa9\\x7f");
        check("é".as_bytes(), false, false, b"\\xc3\\xa9");
        check(b"\x01\x1b[31m\xff", true, false, b"^A^[[31m\\xff");
    }

    #[test]
    fn commands_end_at_whole_escapes() {
        let mut out = Vec::new();
        push_command(&mut out, b"ab cdefgh", 5);
        assert_eq!(out, b"ab");
    }
}
