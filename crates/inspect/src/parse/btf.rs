//! BTF: where the members of the kernel's structures lie, Documentation/bpf/btf.rst. Asked for a
//! dozen members out of 130,000 types, so names are looked up in the string section first, and the
//! types are then compared by number. The bytes come from the kernel but are checked like any
//! others.

use crate::bytes::{array, ne_u16, ne_u32};

const MAGIC: u16 = 0xeb9f;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const FUNCTION: u32 = 12;
/// Anonymous members inside anonymous members, at most so deep.
const NESTING_MAX: usize = 8;

/// Parsed just enough to find types by name.
#[derive(Debug)]
pub struct Btf<'a> {
    strings: &'a [u8],
    types: &'a [u8],
    /// Where each type begins in `types`; type numbers begin at 1.
    starts: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Type<'a> {
    kind: u32,
    count: usize,
    by_bits: bool,
    members: &'a [u8],
}

impl<'a> Btf<'a> {
    pub fn parse(bytes: &'a [u8]) -> Option<Btf<'a>> {
        if ne_u16(bytes, 0)? != MAGIC {
            return None;
        }
        let header = ne_u32(bytes, 4)? as usize;
        let section = |offset_at: usize| {
            let start = header.checked_add(ne_u32(bytes, offset_at)? as usize)?;
            bytes.get(start..start.checked_add(ne_u32(bytes, offset_at + 4)? as usize)?)
        };
        let (types, strings) = (section(8)?, section(16)?);
        let mut starts = vec![0];
        let mut at = 0;
        while at < types.len() {
            starts.push(at as u32);
            let info = ne_u32(types, at + 4)?;
            at = at.checked_add(12)?.checked_add(extra_bytes(info)?)?;
        }
        Some(Btf { strings, types, starts })
    }

    fn get(&self, id: u32) -> Option<Type<'a>> {
        let at = *self.starts.get(id as usize).filter(|_| id > 0)? as usize;
        let info = ne_u32(self.types, at + 4)?;
        Some(Type {
            kind: info >> 24 & 0x1f,
            count: (info & 0xffff) as usize,
            by_bits: info >> 31 != 0,
            members: self.types.get(at + 12..)?,
        })
    }

    /// Every place of the string section that holds exactly this name; usually one.
    fn name_offset(&self, name: &str) -> Option<u32> {
        let text = [b"\0", name.as_bytes(), b"\0"].concat();
        memchr::memmem::find(self.strings, &text).map(|at| at as u32 + 1)
    }

    /// The numbers of the named structures, unions and functions, in the order asked.
    pub fn find<const N: usize>(&self, names: [(&str, Want); N]) -> [Option<u32>; N] {
        let offsets = names.map(|(name, _)| self.name_offset(name));
        let mut found = [None; N];
        for (id, start) in self.starts.iter().enumerate().skip(1) {
            let Some(name) = ne_u32(self.types, *start as usize).filter(|n| *n != 0) else {
                continue;
            };
            let Some(index) = offsets.iter().position(|o| *o == Some(name)) else { continue };
            let kind = ne_u32(self.types, *start as usize + 4).map_or(0, |info| info >> 24 & 0x1f);
            let fits = match names[index].1 {
                Want::Struct => kind == STRUCT || kind == UNION,
                Want::Function => kind == FUNCTION,
            };
            if fits && found[index].is_none() {
                found[index] = Some(id as u32);
            }
        }
        found
    }

    /// The byte offset of a member, also inside anonymous members.
    pub fn member(&self, id: u32, name: &str) -> Option<i16> {
        let offset = self.member_in(id, name.as_bytes(), 0)?;
        i16::try_from(offset).ok()
    }

    fn member_in(&self, id: u32, name: &[u8], depth: usize) -> Option<u32> {
        let outer = self.get(id).filter(|t| t.kind == STRUCT || t.kind == UNION)?;
        if depth > NESTING_MAX {
            return None;
        }
        for index in 0..outer.count {
            let raw: [u8; 12] = array(outer.members, index * 12)?;
            let place = ne_u32(&raw, 8)?;
            let bits = if outer.by_bits { place & 0xff_ffff } else { place };
            let (name_at, inner) = (ne_u32(&raw, 0)?, ne_u32(&raw, 4)?);
            if name_at == 0 {
                if let Some(within) = self.member_in(inner, name, depth + 1) {
                    return Some(bits / 8 + within);
                }
            } else if self.name_is(name_at, name) {
                return Some(bits / 8);
            }
        }
        None
    }

    fn name_is(&self, at: u32, name: &[u8]) -> bool {
        let text = self.strings.get(at as usize..).unwrap_or_default();
        text.strip_prefix(name).is_some_and(|rest| rest.first() == Some(&0))
    }
}

/// What kind of type is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    Struct,
    Function,
}

/// What follows the twelve bytes that every type has.
fn extra_bytes(info: u32) -> Option<usize> {
    let count = (info & 0xffff) as usize;
    Some(match info >> 24 & 0x1f {
        1 | 14 | 17 => 4,
        3 => 12,
        STRUCT | UNION | 15 | 19 => 12 * count,
        6 | 13 => 8 * count,
        2 | 7..=12 | 16 | 18 => 0,
        _ => return None,
    })
}

/// For the fuzzers.
pub fn fuzz(bytes: &[u8]) {
    if let Some(btf) = Btf::parse(bytes) {
        let [found] = btf.find([("file", Want::Struct)]);
        let _ = found.and_then(|id| btf.member(id, "f_inode"));
        let _ = btf.member(1, "x");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct file { int a; union { long b; long c; }; }` and a function of that name.
    fn golden() -> Vec<u8> {
        let strings = b"\0file\0a\0b\0c\0";
        let mut types = Vec::new();
        let mut words = |list: &[u32]| list.iter().for_each(|w| types.extend(w.to_ne_bytes()));
        words(&[0, 1 << 24, 4, 32]);
        words(&[0, UNION << 24 | 2, 8, 8, 1, 0, 10, 1, 0]);
        words(&[1, FUNCTION << 24, 1]);
        words(&[1, STRUCT << 24 | 2, 16, 6, 1, 0, 0, 2, 64]);
        let mut bytes = Vec::new();
        bytes.extend(MAGIC.to_ne_bytes());
        bytes.extend([1, 0]);
        for word in [24, 0, types.len() as u32, types.len() as u32, strings.len() as u32] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(types);
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn members() {
        let bytes = golden();
        let btf = Btf::parse(&bytes).unwrap();
        let [file, function, none] =
            btf.find([("file", Want::Struct), ("fil", Want::Function), ("nothing", Want::Struct)]);
        assert_eq!((file, function, none), (Some(4), None, None));
        assert_eq!(btf.find([("file", Want::Function)]), [Some(3)]);
        assert_eq!(btf.member(4, "a"), Some(0));
        assert_eq!(btf.member(4, "c"), Some(8));
        assert_eq!(btf.member(4, "d"), None);
    }

    #[test]
    fn no_prefix_and_no_flipped_byte_panics() {
        let whole = golden();
        for at in 0..whole.len() {
            fuzz(&whole[..at]);
            for value in [0, 4, 5, 0x7f, 0xff] {
                let mut bent = whole.clone();
                bent[at] = value;
                fuzz(&bent);
            }
        }
    }
}
