//! Slots with generations: a key that outlives its value finds nothing, instead of the value that
//! took the slot over. This is what makes a stale event harmless (an event for a descriptor that
//! was closed, and whose number was reused, within one batch).

/// A slot and its generation. Packs into 48 bits, so that it fits an epoll or ring word with room
/// to spare. Sixteen bits of generation are enough: a key is stale for a batch of events or one
/// turn of the timer wheel, never for 65,536 uses of its slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Key {
    slot: u32,
    generation: u32,
}

const GENERATION_BITS: u32 = 16;
/// Bits of a packed key.
pub const PACKED_BITS: u32 = 32 + GENERATION_BITS;

impl Key {
    pub fn pack(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    pub fn unpack(packed: u64) -> Key {
        let generation = (packed >> 32) as u32 & ((1 << GENERATION_BITS) - 1);
        Key { slot: packed as u32, generation }
    }
}

struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

/// Values by [`Key`].
pub struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { entries: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub fn insert(&mut self, value: T) -> Key {
        if let Some(slot) = self.free.pop() {
            let entry = &mut self.entries[slot as usize];
            entry.value = Some(value);
            return Key { slot, generation: entry.generation };
        }
        let slot = self.entries.len() as u32;
        self.entries.push(Entry { generation: 0, value: Some(value) });
        Key { slot, generation: 0 }
    }

    pub fn get(&self, key: Key) -> Option<&T> {
        let entry = self.entries.get(key.slot as usize)?;
        entry.value.as_ref().filter(|_| entry.generation == key.generation)
    }

    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let entry = self.entries.get_mut(key.slot as usize)?;
        let current = entry.generation == key.generation;
        entry.value.as_mut().filter(|_| current)
    }

    pub fn remove(&mut self, key: Key) -> Option<T> {
        let entry = self.entries.get_mut(key.slot as usize)?;
        if entry.generation != key.generation {
            return None;
        }
        let value = entry.value.take()?;
        entry.generation = (entry.generation + 1) & ((1 << GENERATION_BITS) - 1);
        self.free.push(key.slot);
        Some(value)
    }

    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        self.entries.iter_mut().enumerate().filter_map(|(slot, entry)| {
            let key = Key { slot: slot as u32, generation: entry.generation };
            entry.value.as_mut().map(|value| (key, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut slab = Slab::default();
        let first = slab.insert('a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b');
        assert_eq!((slab.get(first), slab.get(second)), (None, Some(&'b')));
        assert_eq!(slab.remove(first), None);
        assert_eq!(Key::unpack(second.pack()), second);
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn a_key_fits_a_ring_word_whatever_its_generation() {
        let key = Key { slot: u32::MAX, generation: (1 << GENERATION_BITS) - 1 };
        assert_eq!(Key::unpack(key.pack()), key);
        assert_eq!(key.pack() >> PACKED_BITS, 0);
    }
}
