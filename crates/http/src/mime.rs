//! The media type of a file, by the ending of its name (RFC 9110 section 8.3).
//!
//! Text goes out as UTF-8: without a charset browsers guess, and a guess can be turned into script.

use std::borrow::Cow;

/// The value of Content-Type for a file of this name or path.
pub fn of(path: &[u8]) -> Cow<'static, str> {
    let Some(extension) = extension(path) else {
        return Cow::Borrowed(UNKNOWN);
    };
    match mime_guess::from_ext(extension).first_raw() {
        None => Cow::Borrowed(UNKNOWN),
        Some(essence) => with_charset(essence),
    }
}

/// What follows the last dot of the name, unless the dot begins it.
fn extension(path: &[u8]) -> Option<&str> {
    let name = path.rsplit(|&byte| byte == b'/').next()?;
    let dot = name.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0)?;
    str::from_utf8(&name[dot + 1..]).ok()
}

/// The frequent types come ready, so that no memory is asked for.
fn with_charset(essence: &'static str) -> Cow<'static, str> {
    match essence {
        "text/html" => Cow::Borrowed("text/html; charset=utf-8"),
        "text/css" => Cow::Borrowed("text/css; charset=utf-8"),
        "text/javascript" => Cow::Borrowed("text/javascript; charset=utf-8"),
        "text/plain" => Cow::Borrowed("text/plain; charset=utf-8"),
        "text/xml" => Cow::Borrowed("text/xml; charset=utf-8"),
        "application/javascript" => Cow::Borrowed("text/javascript; charset=utf-8"),
        text if text.starts_with("text/") => Cow::Owned(format!("{text}; charset=utf-8")),
        other => Cow::Borrowed(other),
    }
}

/// For what cannot be told: bytes to save, not to show.
pub const UNKNOWN: &str = "application/octet-stream";
