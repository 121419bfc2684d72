//! Which processor a thread runs on, and how many files it may open: sched_setaffinity(2) and
//! prlimit(2). A child inherits both, which is how the bench pins a server.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Pins the calling thread to one processor.
pub fn stay_on(processor: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    if processor >= CpuSet::MAX_CPU {
        let text = format!("processor {processor} is beyond {}", CpuSet::MAX_CPU);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    set.set(processor);
    sched_setaffinity(None, &set)
        .map_err(|error| io::Error::other(format!("pin to processor {processor}: {error}")))
}

/// Does `work` while the calling thread, and whatever it starts, is pinned to `processor`.
pub fn on<T>(processor: Option<usize>, work: impl FnOnce() -> T) -> io::Result<T> {
    let Some(processor) = processor else { return Ok(work()) };
    let before = sched_getaffinity(None)?;
    stay_on(processor)?;
    let result = work();
    sched_setaffinity(None, &before)?;
    Ok(result)
}

/// The processors the calling thread may use, in order.
pub fn allowed() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|processor| set.is_set(*processor)).collect())
}

/// How long the processor has been busy since the machine started, whoever it was for
/// (/proc/stat in proc(5)), in steps of a hundredth of a second.
pub fn busy(processor: usize) -> io::Result<Duration> {
    let text = fs::read_to_string("/proc/stat")?;
    let name = format!("cpu{processor}");
    let mut lines = text.lines().map(str::split_whitespace);
    let line = lines.find_map(|mut words| (words.next() == Some(&name)).then_some(words));
    let missing = || io::Error::other(format!("/proc/stat has no line {name}"));
    // user nice system idle iowait irq softirq
    let numbers: Vec<f64> = line.ok_or_else(missing)?.map_while(|n| n.parse().ok()).collect();
    let idle = 3..5;
    let ticks = numbers.iter().take(7).enumerate().filter(|(at, _)| !idle.contains(at));
    let ticks: f64 = ticks.map(|(_, number)| number).sum();
    Ok(Duration::from_secs_f64(ticks / rustix::param::clock_ticks_per_second() as f64))
}

/// Raises the soft limit of open files to the hard one and gives it.
pub fn raise_open_files() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::{allowed, busy, on, raise_open_files};

    #[test]
    fn a_pin_holds_for_the_work_and_ends_with_it() {
        let before = allowed().unwrap();
        let last = before.last().copied();
        let inside = on(last, || allowed().unwrap()).unwrap();
        assert_eq!(inside, Vec::from_iter(last));
        assert_eq!(allowed().unwrap(), before);
        assert!(on(Some(100_000), || ()).is_err());
    }

    #[test]
    fn a_processor_at_work_is_busy() {
        let first = allowed().unwrap()[0];
        let before = busy(first).unwrap();
        on(Some(first), || while busy(first).unwrap() == before {}).unwrap();
        assert!(busy(100_000).is_err());
    }

    #[test]
    fn the_limit_of_open_files_is_raised_once() {
        assert_eq!(raise_open_files().unwrap(), raise_open_files().unwrap());
    }
}
