//! Which processor a thread runs on, and how many files it may open: sched_setaffinity(2) and
//! prlimit(2). A child inherits both, which is how the bench pins a server.

use std::io;

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

/// Raises the soft limit of open files to the hard one and gives it.
pub fn raise_open_files() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::{allowed, on, raise_open_files};

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
    fn the_limit_of_open_files_is_raised_once() {
        assert_eq!(raise_open_files().unwrap(), raise_open_files().unwrap());
    }
}
