//! The messages: golden lines in both directions, hostile lines, any cut of the stream.

use proptest::prelude::*;

use crate::*;

fn decode_one<T: Message>(line: &[u8]) -> Result<Option<T>, Error> {
    let mut decoder = Decoder::new();
    decoder.push(line);
    decoder.next_message()
}

#[test]
fn golden_lines() {
    fn check<T: Message + PartialEq + std::fmt::Debug>(message: T, json: &str) {
        let line = format!("{{\"version\":1,\"message\":{json}}}\n");
        assert_eq!(String::from_utf8(encode(&message)).unwrap(), line);
        assert_eq!(decode_one::<T>(line.as_bytes()).unwrap(), Some(message));
    }
    check(Command::Status, r#""status""#);
    check(Command::Reload, r#""reload""#);
    check(Command::ReopenLogs, r#""reopen-logs""#);
    check(Command::Stop { fast: true }, r#"{"stop":{"fast":true}}"#);
    check(Reply::Done, r#""done""#);
    check(Reply::Reloaded { generation: 7 }, r#"{"reloaded":{"generation":7}}"#);
    check(Reply::Refused { message: "no".into() }, r#"{"refused":{"message":"no"}}"#);
    check(ToWorker::AskStatus { id: 3 }, r#"{"ask-status":{"id":3}}"#);
    check(ToWorker::Drain, r#""drain""#);
    check(ToWorker::ReopenLogs, r#""reopen-logs""#);
    check(ToWorker::Stop, r#""stop""#);
    check(FromWorker::Ready, r#""ready""#);
    check(FromWorker::AskStatus { id: 9 }, r#"{"ask-status":{"id":9}}"#);
}

#[test]
fn a_full_view_survives() {
    let view = sample_view();
    let worker = Box::new(view.workers[0].clone());
    check(Reply::Status(Box::new(view.clone())));
    check(ToWorker::Status { id: 1, view: Box::new(view) });
    check(FromWorker::Status { id: 2, view: worker });

    fn check<T: Message + PartialEq + std::fmt::Debug>(message: T) {
        assert_eq!(decode_one::<T>(&encode(&message)).unwrap(), Some(message));
    }
}

#[test]
fn a_view_of_a_newer_program_is_read() {
    let line = br#"{"version":1,"message":{"status":{"version":"9.0.0","weather":"fine"}}}
"#;
    let Some(Reply::Status(view)) = decode_one::<Reply>(line).unwrap() else { panic!("a status") };
    assert_eq!((view.version.as_str(), view.master_pid), ("9.0.0", 0));
}

#[test]
fn bad_lines_say_what_is_wrong() {
    fn check(line: &str, expected: &str) {
        let mut decoder = Decoder::new();
        decoder.push(line.as_bytes());
        decoder.push(b"\n");
        decoder.push(&encode(&Command::Status));
        let error = decoder.next_message::<Command>().unwrap_err().to_string();
        assert!(error.contains(expected), "{line}: {error}");
        assert_eq!(decoder.next_message::<Command>().unwrap(), Some(Command::Status));
    }
    check("GET / HTTP/1.1", "not a Sockeye message (expected value at line 1 column 1): GET / HT");
    check("{}", "missing field `version`");
    check("\u{1b}[2J", r"\u{1b}[2J");
    check(r#"{"version":2,"message":"dance"}"#, "version 2 and this program speaks version 1");
    check(r#"{"version":-1,"message":"status"}"#, "not a Sockeye message");
    check(r#"{"version":1,"message":"dance"}"#, "not a command (unknown variant `dance`");
    check(r#"{"version":1,"message":{"stop":{"fast":true,"now":1}}}"#, "unknown field `now`");
    check(r#"{"version":1,"message":{"refused":{"message":""}}}"#, "not a command");
    check(&format!("{}1", "[".repeat(100_000)), "not a Sockeye message");
}

#[test]
fn blank_lines_are_skipped() {
    let mut decoder = Decoder::new();
    decoder.push(b"\n  \r\n");
    assert!(decoder.next_message::<Command>().unwrap().is_none());
    assert!(decoder.is_between_messages());
    decoder.push(b"{\"ver");
    assert!(!decoder.is_between_messages());
}

#[test]
fn a_line_at_the_limit_is_read_and_one_above_ends_the_stream() {
    fn refused_of_length(length: usize) -> Vec<u8> {
        let frame = encode(&Reply::Refused { message: String::new() }).len() - 1;
        encode(&Reply::Refused { message: "x".repeat(length - frame) })
    }
    let mut decoder = Decoder::new();
    decoder.push(&refused_of_length(LINE_BYTES_MAX));
    assert!(decoder.next_message::<Reply>().unwrap().is_some());
    decoder.push(&refused_of_length(LINE_BYTES_MAX + 1));
    assert!(matches!(decoder.next_message::<Reply>(), Err(Error::LineTooLong)));
    decoder.push(&encode(&Reply::Done));
    assert!(matches!(decoder.next_message::<Reply>(), Err(Error::LineTooLong)));
}

#[test]
fn a_reader_that_never_takes_is_bounded() {
    let mut decoder = Decoder::new();
    for _ in 0..64 {
        decoder.push(&vec![b'\n'; LINE_BYTES_MAX / 4]);
    }
    assert!(matches!(decoder.next_message::<Reply>(), Err(Error::LineTooLong)));
}

#[test]
fn fuzz_seeds() {
    let mut seeds: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"\n\n\n".to_vec(),
        b"\x00{\"version\":1}\n".to_vec(),
        b"{\"version\":1,\"message\":\"status\"}\n{\"version\":3}\n".to_vec(),
        "[".repeat(10_000).into_bytes(),
        encode(&Command::Stop { fast: false }),
        encode(&Reply::Status(Box::new(sample_view()))),
        encode(&ToWorker::Drain),
        encode(&FromWorker::Ready),
    ];
    let mut random: u64 = 0x50c4_e7e5;
    for seed in seeds.clone() {
        seeds.extend((0..32).map(|_| mutate(seed.clone(), &mut random)));
    }
    seeds.iter().for_each(|seed| fuzz(seed));
}

/// Flips one byte, chosen by a linear congruential generator.
fn mutate(mut bytes: Vec<u8>, random: &mut u64) -> Vec<u8> {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    if !bytes.is_empty() {
        let at = (*random >> 33) as usize % bytes.len();
        bytes[at] = (*random >> 24) as u8;
    }
    bytes
}

proptest! {
    #[test]
    fn any_bytes_are_an_answer(data in proptest::collection::vec(any::<u8>(), 0..512)) {
        fuzz(&data);
    }

    #[test]
    fn any_cut_gives_the_same_messages(
        texts in proptest::collection::vec(".*", 0..8),
        piece in 1_usize..64,
    ) {
        let sent: Vec<Reply> =
            texts.into_iter().map(|message| Reply::Refused { message }).collect();
        let stream: Vec<u8> = sent.iter().flat_map(encode).collect();
        let mut decoder = Decoder::new();
        let mut received = Vec::new();
        for chunk in stream.chunks(piece) {
            decoder.push(chunk);
            while let Some(reply) = decoder.next_message::<Reply>().unwrap() {
                received.push(reply);
            }
        }
        prop_assert_eq!(received, sent);
        prop_assert!(decoder.is_between_messages());
    }
}

fn sample_view() -> FamilyView {
    let connection = ConnectionView {
        fd: 9,
        served_by: None,
        silent: false,
        peer: "127.0.0.1:50112".into(),
        local: "127.0.0.1:8080".into(),
        state: ConnectionState::Responding,
        requests: 3,
        bytes_in: 400,
        bytes_out: 90_000,
        age_ms: 1200,
        idle_ms: 4,
        request: Some("GET /\u{1b}[31m\n HTTP/1.1".into()),
    };
    let worker = WorkerView {
        pid: 102,
        tid: Some(103),
        role: WorkerRole::Worker,
        state: WorkerState::Serving,
        generation: 2,
        uptime_ms: 5000,
        counters: Counters { connections_open: 1, requests: 3, ..Counters::default() },
        connections: vec![connection],
        connections_left_out: 12,
    };
    FamilyView {
        format: VERSION,
        version: "0.1.0".into(),
        master_pid: 100,
        config_file: Some("/etc/sockeye.toml".into()),
        process_model: "prefork".into(),
        io_model: "epoll".into(),
        generation: 2,
        generations: vec![1, 2],
        listeners: vec![ListenerView {
            address: "127.0.0.1:8080".into(),
            fd: 5,
            sharing: Sharing::PerWorker,
            queue: Some(0),
        }],
        workers: vec![worker],
        last_exits: vec![ExitView {
            pid: 101,
            how: "signal 9 (SIGKILL)".into(),
            ..Default::default()
        }],
        ..FamilyView::default()
    }
}
