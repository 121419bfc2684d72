//! Environment lines: `NAME = value`, with cron's quoting.
//!
//! cron tries every line as a setting first and takes it for a job only when that fails, so what a
//! setting looks like decides what a job may look like. Quotes of either kind may surround the name
//! or the value and must match; blanks around `=` are dropped, and blanks at the end of an unquoted
//! value; `$` means nothing. crontab(5); `load_env` in `env.c` of both daemons.

/// The two sides of a setting, or `None` if the line is not one.
pub(crate) fn setting(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, rest) = name(line)?;
    let rest = trim_start(rest).strip_prefix(b"=")?;
    Some((name, value(trim_start(rest))?))
}

/// The name, and what follows it. A quoted name may hold blanks but not `=`.
fn name(line: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some((name, rest)) = quoted(line)? {
        return (!name.contains(&b'=')).then_some((name, rest));
    }
    let end = line.iter().position(|byte| *byte == b'=' || space(*byte))?;
    line.split_at_checked(end)
}

/// The value: all between quotes, with only blanks after them; or the line's rest, trimmed.
fn value(rest: &[u8]) -> Option<&[u8]> {
    match quoted(rest)? {
        Some((value, after)) => after.iter().all(|byte| space(*byte)).then_some(value),
        None => Some(rest.trim_ascii_end()),
    }
}

/// The text between quotes and what follows; `Some(None)` without an opening quote, `None` without
/// a closing one.
#[expect(clippy::option_option, reason = "unquoted and badly quoted are different answers")]
fn quoted(text: &[u8]) -> Option<Option<(&[u8], &[u8])>> {
    match text.split_first() {
        Some((quote @ (b'"' | b'\''), inside)) => {
            let end = inside.iter().position(|byte| byte == quote)?;
            Some(Some((inside.get(..end)?, inside.get(end + 1..)?)))
        }
        _ => Some(None),
    }
}

fn trim_start(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| space(**byte)).count();
    text.get(blanks..).unwrap_or_default()
}

fn space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

#[cfg(test)]
mod tests {
    use super::setting;

    fn check(line: &str, expected: Option<(&str, &str)>) {
        let found = setting(line.as_bytes());
        let expected = expected.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn settings_and_what_only_looks_like_one() {
        check("PATH=/bin:/usr/bin", Some(("PATH", "/bin:/usr/bin")));
        check("SHELL = /bin/bash  ", Some(("SHELL", "/bin/bash")));
        check("MAILTO=\"\"", Some(("MAILTO", "")));
        check("MAILTO=", Some(("MAILTO", "")));
        check("A='two words'  ", Some(("A", "two words")));
        check("A=\"it's\"", Some(("A", "it's")));
        check("\"A B\" = c", Some(("A B", "c")));
        check("A=b c # not a comment", Some(("A", "b c # not a comment")));
        check("A=$HOME/bin", Some(("A", "$HOME/bin")));
        check("A=b\"c", Some(("A", "b\"c")));
        check("A = \t b\r", Some(("A", "b")));
        check("=b", Some(("", "b")));
        check("A=\"open", None);
        check("A=\"closed\" more", None);
        check("\"A=b\"=c", None);
        check("\"A b = c", None);
        check("A b = c", None);
        check("0 5 * * * x=1", None);
        check("@daily x=1", None);
        check("word", None);
        check("", None);
    }
}
