//! The choice of a content coding by Accept-Encoding (RFC 9110 section 12.5.3).
//!
//! The client's weights decide, and among equal weights the coding that compresses best. An element
//! that cannot be read is passed over. When nothing is acceptable the content goes out unencoded,
//! as the RFC advises, since that helps more than an error.

use crate::bytes;

/// A content coding that a file can be stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Identity,
    Gzip,
    Brotli,
    Zstd,
}

/// The codings in which a representation is at hand; unencoded it always is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Available {
    pub zstd: bool,
    pub brotli: bool,
    pub gzip: bool,
}

/// Picks from what is available; `accept_encoding` is the field's value or values, if any.
pub fn pick<'b>(
    accept_encoding: impl IntoIterator<Item = &'b [u8]>,
    available: Available,
) -> Encoding {
    let mut weights = Weights::default();
    for value in accept_encoding {
        for element in bytes::list(value) {
            weights.note(element);
        }
    }
    weights.best(available)
}

impl Encoding {
    /// The value for Content-Encoding; nothing for the identity.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Encoding::Identity => None,
            Encoding::Gzip => Some("gzip"),
            Encoding::Brotli => Some("br"),
            Encoding::Zstd => Some("zstd"),
        }
    }

    /// The ending of a file that holds another one in this coding.
    pub const fn extension(self) -> Option<&'static str> {
        match self {
            Encoding::Identity => None,
            Encoding::Gzip => Some(".gz"),
            Encoding::Brotli => Some(".br"),
            Encoding::Zstd => Some(".zst"),
        }
    }
}

/// The weight of each coding in thousandths, where one was given.
#[derive(Default)]
struct Weights {
    zstd: Option<u16>,
    brotli: Option<u16>,
    gzip: Option<u16>,
    identity: Option<u16>,
    any: Option<u16>,
}

impl Weights {
    fn note(&mut self, element: &[u8]) {
        let mut parts = element.split(|&byte| byte == b';').map(bytes::trim);
        let (Some(coding), Some(weight)) = (parts.next(), weight(parts.next())) else {
            return;
        };
        let is = |name: &[u8]| coding.eq_ignore_ascii_case(name);
        let slot = match coding {
            _ if parts.next().is_some() => return,
            b"*" => &mut self.any,
            _ if is(b"zstd") => &mut self.zstd,
            _ if is(b"br") => &mut self.brotli,
            // RFC 9110 section 8.4.1.3: the old name is the same coding.
            _ if is(b"gzip") || is(b"x-gzip") => &mut self.gzip,
            _ if is(b"identity") => &mut self.identity,
            _ => return,
        };
        *slot = Some(weight);
    }

    fn best(&self, available: Available) -> Encoding {
        let candidates = [
            (available.zstd, self.zstd, Encoding::Zstd),
            (available.brotli, self.brotli, Encoding::Brotli),
            (available.gzip, self.gzip, Encoding::Gzip),
        ];
        // Unless it is mentioned, the identity is acceptable but the last choice.
        let mut best = (self.identity.unwrap_or(0), Encoding::Identity);
        let mut is_first = true;
        for (is_available, weight, encoding) in candidates {
            let weight = weight.or(self.any).unwrap_or(0);
            let is_better = weight > best.0 || (is_first && weight == best.0);
            if is_available && weight > 0 && is_better {
                best = (weight, encoding);
                is_first = false;
            }
        }
        best.1
    }
}

/// `q=` and 0 to 1 with at most three decimals; without it 1. `None` when it is malformed.
fn weight(parameter: Option<&[u8]>) -> Option<u16> {
    let Some(parameter) = parameter else {
        return Some(WHOLE);
    };
    let [b'q' | b'Q', b'=', value @ ..] = parameter else {
        return None;
    };
    let (whole, decimals) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let mut thousandths = 0;
    for index in 0..3 {
        let digit = decimals.get(index).copied().unwrap_or(b'0');
        thousandths = thousandths * 10 + u16::from(digit.checked_sub(b'0').filter(|d| *d < 10)?);
    }
    match (whole, thousandths) {
        (b'0', thousandths) => Some(thousandths),
        (b'1', 0) => Some(WHOLE),
        _ => None,
    }
}

/// A weight of 1, in thousandths.
const WHOLE: u16 = 1000;
