//! getopt_long(3) for netstat, ss and ps-like tools: bundled letters, values attached or following,
//! long names with `=`, unique prefixes of them, operands anywhere, `--` ends the options.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// One thing of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arg {
    /// The letter that stands for the option, given short or long.
    Flag(char),
    /// The same with its value.
    Valued(char, Vec<u8>),
    Operand(Vec<u8>),
}

/// A long name, whether it takes a value, and the letter it stands for.
pub type Long = (&'static str, bool, char);

/// Splits the command line. `shorts` is as in getopt(3), a colon after a letter that takes a value.
pub fn parse(args: &[OsString], shorts: &str, longs: &[Long]) -> Result<Vec<Arg>, String> {
    let mut parsed = Vec::new();
    let mut words = args.iter().map(|a| a.as_bytes());
    while let Some(word) = words.next() {
        if word == b"--" {
            parsed.extend(words.map(|w| Arg::Operand(w.to_vec())));
            break;
        }
        if let Some(long) = word.strip_prefix(b"--") {
            parsed.push(parse_long(long, longs, &mut words)?);
        } else if word.len() > 1 && word[0] == b'-' {
            parse_shorts(&word[1..], shorts, &mut words, &mut parsed)?;
        } else {
            parsed.push(Arg::Operand(word.to_vec()));
        }
    }
    Ok(parsed)
}

fn parse_shorts<'a>(
    letters: &'a [u8],
    shorts: &str,
    words: &mut impl Iterator<Item = &'a [u8]>,
    parsed: &mut Vec<Arg>,
) -> Result<(), String> {
    for (index, letter) in letters.iter().enumerate() {
        let letter = char::from(*letter);
        let known = shorts.find(letter).filter(|_| letter != ':');
        let at = known.ok_or_else(|| format!("unknown option -{letter}"))?;
        if !shorts[at + letter.len_utf8()..].starts_with(':') {
            parsed.push(Arg::Flag(letter));
            continue;
        }
        let attached = &letters[index + 1..];
        let value = if attached.is_empty() { words.next() } else { Some(attached) };
        let value = value.ok_or_else(|| format!("option -{letter} needs a value"))?;
        parsed.push(Arg::Valued(letter, value.to_vec()));
        return Ok(());
    }
    Ok(())
}

fn parse_long<'a>(
    word: &'a [u8],
    longs: &[Long],
    words: &mut impl Iterator<Item = &'a [u8]>,
) -> Result<Arg, String> {
    let (name, attached) = match memchr::memchr(b'=', word) {
        Some(at) => (&word[..at], Some(&word[at + 1..])),
        None => (word, None),
    };
    let shown = String::from_utf8_lossy(name);
    let (_, valued, letter) =
        find_long(name, longs).ok_or_else(|| format!("unknown or ambiguous option --{shown}"))?;
    match (valued, attached) {
        (false, None) => Ok(Arg::Flag(letter)),
        (false, Some(_)) => Err(format!("option --{shown} takes no value")),
        (true, Some(value)) => Ok(Arg::Valued(letter, value.to_vec())),
        (true, None) => match words.next() {
            Some(value) => Ok(Arg::Valued(letter, value.to_vec())),
            None => Err(format!("option --{shown} needs a value")),
        },
    }
}

fn find_long(name: &[u8], longs: &[Long]) -> Option<Long> {
    if let Some(exact) = longs.iter().find(|(n, ..)| n.as_bytes() == name) {
        return Some(*exact);
    }
    let mut matching = longs.iter().filter(|(n, ..)| n.as_bytes().starts_with(name));
    let first = matching.next()?;
    matching.all(|other| other.2 == first.2).then_some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGS: &[Long] = &[("tcp", false, 't'), ("timers", false, 'o'), ("query", true, 'A')];

    fn check(args: &[&str], expected: Result<&[Arg], &str>) {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let parsed = parse(&args, "tonA:", LONGS);
        assert_eq!(parsed.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn command_lines() {
        let valued = |c, v: &str| Arg::Valued(c, v.into());
        check(&["-tn", "x"], Ok(&[Arg::Flag('t'), Arg::Flag('n'), Arg::Operand(b"x".into())]));
        check(
            &["-tAfoo", "-A", "-t"],
            Ok(&[Arg::Flag('t'), valued('A', "foo"), valued('A', "-t")]),
        );
        check(&["--timers", "--tcp"], Ok(&[Arg::Flag('o'), Arg::Flag('t')]));
        check(&["--query=a=b", "--qu", "c"], Ok(&[valued('A', "a=b"), valued('A', "c")]));
        check(&["--", "-t"], Ok(&[Arg::Operand(b"-t".into())]));
        check(&["-"], Ok(&[Arg::Operand(b"-".into())]));
        check(&["-tq"], Err("unknown option -q"));
        check(&["-A"], Err("option -A needs a value"));
        check(&["--t"], Err("unknown or ambiguous option --t"));
        check(&["--tcp=1"], Err("option --tcp takes no value"));
        check(&["-:"], Err("unknown option -:"));
    }
}
