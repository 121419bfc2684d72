//! The fields that the server reads by name, as an enum with a slot each.
//!
//! A name is recognised while it is parsed, with one table look-up by length, first and last byte
//! and one comparison, so that asking for a field later costs nothing. The look-up has no
//! collisions, which the compiler checks whenever a name is added.

macro_rules! known {
    ($($variant:ident $name:literal)*) => {
        /// A field known by name; names are compared without regard to case.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Known {
            $($variant,)*
        }

        impl Known {
            /// Every known field, in the order of the enum.
            pub const ALL: [Known; Known::COUNT] = [$(Known::$variant,)*];

            pub const COUNT: usize = NAMES.len();
        }

        const NAMES: [&str; [$($name),*].len()] = [$($name,)*];
    };
}

known! {
    Accept "accept"
    AcceptEncoding "accept-encoding"
    AcceptLanguage "accept-language"
    Authorization "authorization"
    CacheControl "cache-control"
    Connection "connection"
    ContentLength "content-length"
    ContentType "content-type"
    Cookie "cookie"
    Expect "expect"
    Forwarded "forwarded"
    Host "host"
    Http2Settings "http2-settings"
    IfMatch "if-match"
    IfModifiedSince "if-modified-since"
    IfNoneMatch "if-none-match"
    IfRange "if-range"
    IfUnmodifiedSince "if-unmodified-since"
    KeepAlive "keep-alive"
    Origin "origin"
    ProxyConnection "proxy-connection"
    Range "range"
    Referer "referer"
    Te "te"
    Trailer "trailer"
    TransferEncoding "transfer-encoding"
    Upgrade "upgrade"
    UserAgent "user-agent"
    Via "via"
    XForwardedFor "x-forwarded-for"
    XForwardedProto "x-forwarded-proto"
}

impl Known {
    /// The name in lower case.
    pub const fn name(self) -> &'static str {
        NAMES[self as usize]
    }

    /// The known field of this name, if it is one.
    pub fn of(name: &[u8]) -> Option<Known> {
        let known = SLOTS[slot(name)]?;
        known.name().as_bytes().eq_ignore_ascii_case(name).then_some(known)
    }

    /// The same for a name within the head, which holds no control: then setting bit 5 of every
    /// byte folds the case exactly, and eight bytes are compared at once.
    #[inline]
    pub(crate) fn at(bytes: &[u8], start: usize, end: usize) -> Option<Known> {
        let name = bytes.get(start..end)?;
        let known = SLOTS[slot(name)]?;
        if name.len() != known.name().len() {
            return None;
        }
        let mut at = start;
        for &(word, mask) in KEYS[known as usize].iter().take(name.len().div_ceil(8)) {
            let Some(chunk) = bytes.get(at..)?.first_chunk::<8>() else {
                return Known::of(name);
            };
            if (u64::from_le_bytes(*chunk) | CASE_BITS) & mask != word {
                return None;
            }
            at += 8;
        }
        Some(known)
    }

    /// This field's bit in a set of known fields.
    pub(crate) const fn bit(self) -> u32 {
        1 << self as u8
    }
}

const SLOT_COUNT: usize = 64;

/// Found by search: with these no two known names meet in one slot.
const LENGTH_FACTOR: usize = 2;
const FIRST_FACTOR: usize = 25;
const LAST_FACTOR: usize = 11;

const SLOTS: [Option<Known>; SLOT_COUNT] = slots();

/// Setting bit 5 folds the case of letters; for the others any fixed mapping will do.
const fn slot(name: &[u8]) -> usize {
    let (first, last) = match name {
        [] => (0, 0),
        [first, ..] => (*first | 0x20, name[name.len() - 1] | 0x20),
    };
    (name.len() * LENGTH_FACTOR + first as usize * FIRST_FACTOR + last as usize * LAST_FACTOR)
        % SLOT_COUNT
}

/// The names as words with bit 5 set in every byte, and the mask of the bytes that count.
const KEYS: [[(u64, u64); KEY_WORDS]; Known::COUNT] = keys();

const fn keys() -> [[(u64, u64); KEY_WORDS]; Known::COUNT] {
    let mut table = [[(0, 0); KEY_WORDS]; Known::COUNT];
    let mut index = 0;
    while index < Known::COUNT {
        let name = NAMES[index].as_bytes();
        assert!(name.len() <= 8 * KEY_WORDS, "a known name is longer than its key");
        let mut at = 0;
        while at < name.len() {
            let (word, mask) = table[index][at / 8];
            let shift = 8 * (at % 8);
            table[index][at / 8] = (word | (name[at] as u64 | 0x20) << shift, mask | 0xff << shift);
            at += 1;
        }
        index += 1;
    }
    table
}

const KEY_WORDS: usize = 3;

const CASE_BITS: u64 = u64::MAX / 255 * 0x20;

const fn slots() -> [Option<Known>; SLOT_COUNT] {
    const { assert!(Known::COUNT <= 32, "a set of known fields is a u32") };
    let mut table = [None; SLOT_COUNT];
    let mut index = 0;
    while index < Known::COUNT {
        let at = slot(NAMES[index].as_bytes());
        assert!(table[at].is_none(), "two known names share a slot: change the factors");
        table[at] = Some(Known::ALL[index]);
        index += 1;
    }
    table
}
