//! The fuzz entry on fixed seeds: broken copies of real lines, and bytes of no meaning.

use crate::brute::Dice;

const SEEDS: u64 = 3_000;
const BYTES_MAX: u64 = 200;

const LINES: &[&[u8]] = &[
    b"*/5 0-23/2 1,15 jan-dec mon-fri root command %in\\%put%\n",
    b"@reboot x\n@daily y\n",
    b"CRON_TZ=UTC\n\"A B\" = 'c d'\nMAILTO=\n",
    b"-~ 5~ ~5 * 5-0 -n x\n",
    b"0 22-2 31 2 7 x\r\n",
    b"4294967296-18446744073709551616/99999999999 * * * * x\n",
    b"# \xff\xfe\n\x00 * * * * x",
];

#[test]
fn no_bytes_are_too_strange() {
    for seed in 0..SEEDS {
        let mut dice = Dice(seed);
        let mut bytes = Vec::new();
        for _ in 0..dice.below(4) {
            let line: &&[u8] = dice.pick(LINES);
            bytes.extend_from_slice(line);
        }
        for _ in 0..dice.below(12) {
            damage(&mut bytes, &mut dice);
        }
        sockeye_schedule::fuzz::crontab(&bytes);
    }
}

fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.below(bytes.len() as u64 + 1) as usize;
    match dice.below(4) {
        0 => bytes.insert(at, *dice.pick(b"0123456789*/,-~@%\\=\"' \t\n#LWx")),
        1 => bytes.truncate(at),
        2 => bytes.extend((0..dice.below(BYTES_MAX)).map(|_| dice.below(256) as u8)),
        _ if at < bytes.len() => bytes[at] = dice.below(256) as u8,
        _ => {}
    }
}
