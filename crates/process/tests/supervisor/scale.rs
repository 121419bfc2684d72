//! Ten thousand instances: what an event costs must not grow with the table. The figures are told,
//! not judged; that each event touches only its own part is seen from the actions.

use std::time::{Duration, Instant};

use sockeye_process::How;
use sockeye_process::supervisor::{Action, Event, InstanceId, Liveness, Spec, Supervisor, Token};

use crate::desk::app;

const INSTANCES: u32 = 10_000;

#[test]
fn ten_thousand_instances_of_one_app() {
    let liveness = Some(Liveness { interval: Duration::from_secs(10), failures: 3 });
    for instances in [INSTANCES / 100, INSTANCES] {
        println!("{}", measure(&[Spec { instances, liveness, ..app("web") }]));
    }
}

#[test]
fn ten_thousand_apps_after_one() {
    for apps in [INSTANCES / 100, INSTANCES] {
        let requires = vec!["base".into()];
        let others =
            (1..apps).map(|at| Spec { requires: requires.clone(), ..app(&format!("app{at}")) });
        let specs: Vec<Spec> = std::iter::once(app("base")).chain(others).collect();
        println!("{}", measure(&specs));
    }
}

/// Brings all up, then has each of them crash and start again.
fn measure(specs: &[Spec]) -> String {
    let mut now = Instant::now();
    let mut machine = Supervisor::new(1);
    let begin = Instant::now();
    machine.handle(Event::Configure { specs: specs.to_vec(), token: Token(1) }, now);
    let mut ids = Vec::new();
    while let Some(action) = machine.next_action() {
        if let Action::Spawn { id, .. } = action {
            ids.push(id);
            machine.handle(Event::Started { id, pid: id.0 as u32 }, now);
            machine.handle(Event::Ready { id }, now);
        }
    }
    let up = begin.elapsed();
    let begin = Instant::now();
    let events: u32 = ids.iter().map(|id| crash(&mut machine, *id, &mut now)).sum();
    let event = begin.elapsed() / events;
    let (apps, live) = (specs.len(), ids.len());
    assert_eq!(machine.live(), live);
    format!("{apps} apps, {live} instances: up in {up:?}, {events} events of {event:?} each")
}

/// It ends, is put off, and is started again; what else is due is done too.
fn crash(machine: &mut Supervisor, id: InstanceId, now: &mut Instant) -> u32 {
    machine.handle(Event::Exited { id, how: How::Exit(1), group_left: false }, *now);
    *now += Duration::from_millis(100);
    machine.tick(*now);
    let (mut events, mut spawned) = (2, 0);
    while let Some(action) = machine.next_action() {
        match action {
            Action::Spawn { id, .. } => {
                spawned += 1;
                events += 2;
                machine.handle(Event::Started { id, pid: id.0 as u32 }, *now);
                machine.handle(Event::Ready { id }, *now);
            }
            Action::Probe { id, .. } => {
                events += 2;
                machine.handle(Event::ProbePassed { id }, *now);
            }
            Action::Report(_) => {}
            other => panic!("{other:?} has nothing to do with it"),
        }
    }
    assert_eq!(spawned, 1);
    events
}
