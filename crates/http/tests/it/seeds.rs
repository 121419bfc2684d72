//! The fuzz entries, run from fixed seeds: every case of the hostile table, and that with bytes
//! changed, left out and put in by a small generator of the same numbers each time.

use sockeye_http::fuzz;
use testkit::hostile::cases;

#[test]
fn heads() {
    for seed in seeds().filter(|seed| seed.len() < SEED_BYTES_MAX) {
        fuzz::request_head(&seed);
    }
}

#[test]
fn bodies() {
    for seed in seeds() {
        fuzz::body(&seed);
        let after_head = seed.windows(4).position(|window| window == b"\r\n\r\n");
        fuzz::body(&seed[after_head.map_or(0, |at| at + 4)..]);
    }
}

#[test]
fn uris() {
    for seed in seeds() {
        let target = seed.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
        fuzz::uri(target);
        fuzz::uri(&seed);
    }
}

#[test]
fn ranges() {
    let values: Vec<Vec<u8>> = cases()
        .iter()
        .filter_map(|case| {
            let at = case.bytes.windows(7).position(|window| window == b"Range: ")?;
            Some(case.bytes[at + 7..].to_vec())
        })
        .map(|value| value.split(|&byte| byte == b'\r').next().unwrap_or_default().to_vec())
        .collect();
    for value in values.into_iter().flat_map(|value| mutations(value, 300)) {
        fuzz::range(&value);
    }
}

fn seeds() -> impl Iterator<Item = Vec<u8>> {
    cases().into_iter().flat_map(|case| mutations(case.bytes.into_owned(), 20))
}

/// The seed itself, then so many variants of it.
fn mutations(seed: Vec<u8>, count: u64) -> impl Iterator<Item = Vec<u8>> {
    (0..=count).map(move |round| if round == 0 { seed.clone() } else { mutate(&seed, round) })
}

/// One to three changes, told by the length of the seed and the round.
fn mutate(seed: &[u8], round: u64) -> Vec<u8> {
    let mut random = Random(round << 32 | seed.len() as u64);
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(2) {
        let at = random.below(bytes.len());
        let byte = SPECIAL[random.below(SPECIAL.len() - 1)];
        match random.below(3) {
            0 if at < bytes.len() => bytes[at] = byte,
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.truncate(at),
            _ => bytes.insert(at, byte),
        }
    }
    bytes
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    /// A number from 0 to `most`.
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % (most as u64 + 1)) as usize
    }
}

/// Bytes with a meaning somewhere in a request.
const SPECIAL: &[u8] = b"\r\n\r\n \t:;,/?#%.-=*\"[]@0159aAfFxX\0\x7f\x80\xff";

const SEED_BYTES_MAX: usize = 2000;
