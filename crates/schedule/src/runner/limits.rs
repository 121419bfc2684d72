//! The bounds of a runner: every queue, count and wait has one, by name.

use std::time::Duration;

/// Jobs of one runner.
pub const JOBS_MAX: usize = 100_000;
/// Runs of one job at a time, where overlap is allowed.
pub const RUNS_PER_JOB_MAX: usize = 64;
/// Times of one job that wait for a run to end.
pub const QUEUE_MAX: usize = 16;
/// Records kept of one job's past runs.
pub const HISTORY_MAX: usize = 16;
/// Missed times are counted up to here, and "at least so many" beyond.
pub const MISSED_COUNT_MAX: u32 = 1_000;
/// The longest delay by jitter.
pub const JITTER_MAX: Duration = Duration::from_secs(24 * 3600);
/// The longest sleep: like cron, notice a changed clock within a minute.
pub const WAIT_MAX: Duration = Duration::from_secs(60);
