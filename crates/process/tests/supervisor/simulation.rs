//! Whole histories by seed: requests and configurations in any order, in a world where programs do
//! what programs do. What must always hold is checked in `world`, after each step.

use std::sync::Arc;
use std::time::Duration;

use sockeye_process::supervisor::{Delays, Event, Liveness, Readiness, Replace, Restart, Spec};

use crate::world::{Random, World};

const SEEDS: u64 = 1000;
const STEPS: u64 = 250;
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
/// Within so long after the last request each is answered.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3600);
/// Each app stops after those that need it, with extended timeouts.
const ENDED_WITHIN: Duration = Duration::from_secs(5 * (10 * 5 + 10));

#[test]
fn invariants_hold_over_a_thousand_seeds() {
    let mut sums = [0; 3];
    for seed in 0..SEEDS {
        let world = play(seed);
        sums = [sums[0] + world.events, sums[1] + world.spawns, sums[2] + world.upgrades];
    }
    let [events, spawns, upgrades] = sums;
    println!("{SEEDS} seeds: {events} events, {spawns} spawns, {upgrades} upgrades");
}

#[test]
fn the_same_seed_is_the_same_history() {
    for seed in 0..50 {
        assert_eq!(play(seed).trace(), play(seed).trace(), "seed {seed}");
    }
    assert_ne!(play(1).trace(), play(2).trace());
}

fn play(seed: u64) -> World {
    let mut world = World::new(seed);
    configure(&mut world);
    for _ in 0..STEPS {
        match world.random.below(40) {
            0 => configure(&mut world),
            1..=4 => request(&mut world),
            5 => {
                let scale = [100, 10_000, 10_000_000][world.random.below(3) as usize];
                let time = world.random.below(scale);
                world.jump(Duration::from_millis(time));
            }
            6 => world.upgrade(),
            _ => world.step(),
        }
    }
    answer_all(&mut world);
    shut_down(&mut world);
    world
}

fn request(world: &mut World) {
    let names = NAMES.len() as u64 + 1;
    let at = world.random.below(names) as usize;
    let app: Arc<str> = NAMES.get(at).copied().unwrap_or("unknown").into();
    let token = world.token();
    let event = match world.random.below(5) {
        0 => Event::Start { app, token },
        1 => Event::Stop { app, token },
        _ => Event::Restart { app, token },
    };
    world.give(event);
}

fn answer_all(world: &mut World) {
    let end = world.elapsed() + ANSWERED_WITHIN;
    while world.open_requests() > 0 && !world.is_still() {
        world.step();
        assert!(world.elapsed() < end, "{}", world.story("a request is not answered"));
    }
    assert_eq!(world.open_requests(), 0, "{}", world.story("a request is not answered"));
}

fn shut_down(world: &mut World) {
    let end = world.elapsed() + ENDED_WITHIN;
    let token = world.token();
    world.give(Event::Shutdown { token });
    while world.machine.live() > 0 {
        assert!(!world.is_still(), "{}", world.story("the end does not come"));
        world.step();
        assert!(world.elapsed() < end, "{}", world.story("the end does not come"));
        if world.random.below(20) == 0 {
            request(world);
        }
    }
    assert_eq!(world.open_requests(), 0, "{}", world.story("the end is not answered"));
}

/// Another set, made from the last one.
fn configure(world: &mut World) {
    let mut specs = Vec::new();
    for (at, name) in NAMES.iter().enumerate() {
        if world.random.below(4) == 0 {
            continue;
        }
        let old = world.specs.iter().find(|spec| &*spec.name == *name).cloned();
        let random = &mut world.random;
        specs.push(match old {
            Some(old) if random.below(2) == 0 => old,
            Some(old) => Spec { fingerprint: old.fingerprint, ..spec(name, random) },
            None => spec(name, random),
        });
        if random.below(4) == 0 {
            specs[0].fingerprint += 1;
        }
        for _ in 0..random.below(3) {
            // Now and then on itself or one that is not there: refused.
            let end = if random.below(20) == 0 { NAMES.len() } else { at };
            let need = NAMES[..end].get(random.below(end as u64) as usize).copied();
            let known = |need: &&str| specs.iter().any(|spec| &*spec.name == *need);
            let need = need.filter(|need| known(need) || random.below(30) == 0);
            let Some(spec) = specs.last_mut() else { break };
            let needs = if random.below(2) == 0 { &mut spec.after } else { &mut spec.requires };
            needs.extend(need.map(Arc::from));
        }
    }
    for at in 0..specs.len() {
        let names: Vec<Arc<str>> = specs.iter().map(|spec| spec.name.clone()).collect();
        let keep = world.random.below(40) == 0;
        specs[at].after.retain(|need| keep || names.contains(need));
        specs[at].requires.retain(|need| keep || names.contains(need));
    }
    let token = world.token();
    world.give(Event::Configure { specs, token });
}

fn spec(name: &str, random: &mut Random) -> Spec {
    let millis = |random: &mut Random, end| Duration::from_millis(1 + random.below(end));
    let delays = Delays {
        min: millis(random, 300),
        max: millis(random, 20_000),
        healthy_after: millis(random, 5000),
        jitter_percent: random.below(101) as u8,
    };
    let liveness = Liveness { interval: millis(random, 20_000), failures: random.below(3) as u32 };
    let restart = [Restart::Always, Restart::Always, Restart::OnFailure, Restart::Never];
    let readiness = [Readiness::None, Readiness::Notify, Readiness::Probe];
    Spec {
        instances: random.below(4) as u32,
        autostart: random.below(4) > 0,
        restart: restart[random.below(4) as usize],
        delays,
        crash_loop: random.below(4) as u32,
        readiness: readiness[random.below(3) as usize],
        ready_timeout: millis(random, 10_000),
        liveness: (random.below(3) == 0).then_some(liveness),
        stop_timeout: millis(random, 5000),
        memory_max: (random.below(3) == 0).then_some(1000),
        lifetime_max: (random.below(4) == 0).then_some(millis(random, 100_000)),
        replace: [Replace::Rolling, Replace::InPlace][random.below(2) as usize],
        ..Spec::named(name)
    }
}
