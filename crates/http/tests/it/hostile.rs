//! The shared table of hostile and odd requests, run through the parser and the body decoder.

use std::collections::HashSet;

use testkit::hostile::{Answer, Case, cases};

use crate::exchange::{End, run};

#[test]
fn every_case_is_answered_as_the_table_says() {
    let failures: Vec<String> = cases().iter().filter_map(|case| check(case).err()).collect();
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_case_gives_the_same_head_in_pieces() {
    for case in cases().iter().filter(|case| case.bytes.len() < 1000) {
        sockeye_http::fuzz::request_head(&case.bytes);
    }
}

#[test]
fn the_table_is_large_and_its_names_are_unique() {
    let cases = cases();
    let names: HashSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
    assert!(cases.len() >= 170, "{} cases", cases.len());
    assert!(cases.iter().all(|case| !case.why.is_empty()));
}

fn check(case: &Case) -> Result<(), String> {
    let exchange = run(&case.bytes);
    let understood = exchange.requests.len();
    let status = match exchange.end {
        End::RefusedHead(refusal) | End::RefusedBody(refusal) => refusal.status.code(),
        End::Idle | End::Waits | End::Closed => 0,
    };
    let is_right = match (case.answer, exchange.end) {
        (Answer::Refused(wanted), End::RefusedHead(_)) => understood == 0 && status == wanted,
        (Answer::RefusedAfter(served, wanted), End::RefusedHead(_)) => {
            understood == served.len() && status == wanted
        }
        (Answer::BadContent(wanted), End::RefusedBody(_)) => understood == 1 && status == wanted,
        (Answer::Served(served), End::Idle) => understood == served.len(),
        (Answer::ServedThenClosed(served), End::Closed) => understood == served.len(),
        (Answer::Waits, End::Waits) => true,
        _ => false,
    };
    let (name, wanted) = (case.name, case.answer);
    if is_right { Ok(()) } else { Err(format!("{name}: wanted {wanted:?}, got {exchange:?}")) }
}
