//! What a master hands to the program that takes its place by execve(2): the numbers of the
//! descriptors that stay open over it, and what they and the children are.
//!
//! The reader is another version of the program. It refuses what it does not know ([`FORMAT`])
//! while it is only asked to check, so that the old master never gives way to one that cannot go
//! on.

use serde::{Deserialize, Serialize};

/// It grows when an older reader would misunderstand a newer writer, or the other way round.
pub const FORMAT: u32 = 1;

/// The longest text that is read.
pub const HANDOVER_BYTES_MAX: usize = 64 << 20;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handover {
    pub format: u32,
    /// The program that wrote this.
    pub version: String,
    pub uptime_ms: u64,
    pub next_generation: u64,
    /// The listening socket of the control path.
    pub control: Option<i32>,
    /// Control clients that wait for the end of the upgrade.
    pub asked_by: Vec<i32>,
    pub listeners: Vec<Listening>,
    pub workers: Vec<Worker>,
    pub app_sockets: Vec<AppSockets>,
    /// What the supervisor of apps writes of itself; empty where there are none.
    pub supervisor: String,
    pub instances: Vec<Instance>,
    pub outputs: Vec<Output>,
    /// The socket of sd_notify(3), and its address.
    pub notify: Option<Notify>,
}

/// All sockets of one address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listening {
    /// As it was asked for.
    pub asked: String,
    /// As it is.
    pub address: String,
    pub sockets: Vec<i32>,
}

/// A worker process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    pub pid: u32,
    pub generation: u64,
    pub index: usize,
    pub age_ms: u64,
    /// How long it may still drain; none while it serves.
    pub draining_ms: Option<u64>,
    /// Units that have not said that they are ready.
    pub unready: usize,
    /// The master's end of the channel of each unit.
    pub channels: Vec<i32>,
}

/// The sockets that are kept for an app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppSockets {
    pub app: String,
    pub sockets: Vec<Listening>,
}

/// A process of an app. What state it is in stands in [`Handover::supervisor`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// As the supervisor numbers it.
    pub id: u64,
    pub app: String,
    pub slot: u32,
    pub pid: u32,
    /// What its environment carries.
    pub mark: String,
    pub status: Option<String>,
    /// The main process has ended, others of its group have not.
    pub is_group: bool,
}

/// The end of a program's output that is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Of the instance.
    pub id: u64,
    pub app: String,
    pub slot: u32,
    pub pipe: i32,
    /// The beginning of a line whose end is still to come.
    pub begun: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    pub socket: i32,
    pub address: String,
}

impl Handover {
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("names and numbers always serialize")
    }

    /// The error is a sentence.
    pub fn decode(bytes: &[u8]) -> Result<Handover, String> {
        #[derive(Deserialize)]
        struct FormatOnly {
            format: u32,
        }
        let failed = |cause| format!("what the old program hands over cannot be read: {cause}");
        let FormatOnly { format } = serde_json::from_slice(bytes).map_err(failed)?;
        if format != FORMAT {
            return Err(format!(
                "the old program hands over in format {format} and this one reads format {FORMAT}: \
                 an upgrade in place is not possible between them, so restart"
            ));
        }
        serde_json::from_slice(bytes).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handed_over_arrives_or_is_refused_with_words() {
        let sent = Handover {
            format: FORMAT,
            version: "0.1.0".into(),
            listeners: vec![Listening { sockets: vec![3, 4], ..Listening::default() }],
            workers: vec![Worker { pid: 7, draining_ms: Some(3), ..Worker::default() }],
            instances: vec![Instance { app: "api".into(), ..Instance::default() }],
            notify: Some(Notify { socket: 9, address: "@x".into() }),
            ..Handover::default()
        };
        assert_eq!(Handover::decode(&sent.encode()), Ok(sent.clone()));
        let check = |text: &[u8], expected: &str| {
            let error = Handover::decode(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check(b"", "cannot be read");
        check(b"{}", "missing field `format`");
        check(br#"{"format":2}"#, "format 2 and this one reads format 1");
        check(br#"{"format":1,"more":0}"#, "unknown field `more`");
    }
}
