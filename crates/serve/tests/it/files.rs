//! Static files and the built-in site, rule by rule, over a perfect network whose clock is moved
//! by hand (RFC 9110 sections 13 to 15).

use std::cell::RefCell;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use engine::Faults;
use rustix::fs::{FileType, Mode, mknodat};
use sockeye_serve::files::FolderOptions;
use sockeye_serve::{BuiltIn, Site};
use tempfile::TempDir;

use crate::harness::{Client, Ended, Response, folder, parts, scene};

/// Sunday, 6 November 1994, 08:49:37 GMT: the date of RFC 9110's own examples.
const CHANGED: u64 = 784_111_777;
const CHANGED_TEXT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
/// Of the files that lie in memory, the largest.
const MEMORY_BYTES: usize = 32 * 1024;

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i * 31 + i / 251) as u8).collect()
}

fn write(root: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    date(&path, CHANGED);
    path
}

fn date(path: &Path, second: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

fn listed() -> FolderOptions {
    FolderOptions { list_directories: true, ..FolderOptions::default() }
}

/// The answers to requests on one connection each (a request may say close).
fn ask(root: &Path, options: FolderOptions, requests: &[String]) -> Vec<Response> {
    let answers = Rc::new(RefCell::new(Vec::new()));
    for request in requests {
        let (seen, request) = (answers.clone(), request.clone());
        let play = async move |client: &mut Client| {
            let answer = client.ask(&request).await;
            seen.borrow_mut().push(answer);
        };
        scene(folder(root, options.clone()), Faults::NONE, play);
    }
    answers.take()
}

fn request(method: &str, target: &str, fields: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

fn ask_one(root: &Path, options: &FolderOptions, request: String) -> Response {
    ask(root, options.clone(), &[request]).remove(0)
}

fn get(root: &Path, target: &str, fields: &str) -> Response {
    ask_one(root, &FolderOptions::default(), request("GET", target, fields))
}

/// Files, hidden ones, and links of every kind, some of which lead out.
fn lay_paths(root: &Path, outside: &Path) {
    write(root, "index.html", b"front");
    write(root, "folder/index.html", b"inner");
    write(root, "bare/page.txt", b"page");
    write(root, ".hidden", b"hidden");
    write(root, ".git/config", b"hidden");
    write(root, "folder/.well-known/x", b"hidden");
    write(root, ".well-known/x", b"known");
    write(root, "a b%.txt", b"odd");
    symlink("folder/index.html", root.join("inner")).unwrap();
    symlink("folder", root.join("way")).unwrap();
    symlink(outside.join("secret"), root.join("absolute")).unwrap();
    symlink(root.join("index.html"), root.join("absolute-inside")).unwrap();
    symlink(format!("../{}/secret", outside.file_name().unwrap().display()), root.join("up"))
        .unwrap();
    symlink(outside, root.join("away")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    symlink("/proc/self/root", root.join("magic")).unwrap();
}

#[test]
fn paths_lead_to_files_and_nowhere_else() {
    let outside = TempDir::new().unwrap();
    write(outside.path(), "secret", b"secret");
    let dir = TempDir::new().unwrap();
    let root = dir.path();
    lay_paths(root, outside.path());
    let long = format!("/{}", "x".repeat(300));
    let cases: &[(&str, u16, &str)] = &[
        ("/", 200, "front"),
        ("/index.html", 200, "front"),
        ("/?query", 200, "front"),
        ("/folder/", 200, "inner"),
        ("/folder/../", 200, "front"),
        ("/folder/%2e%2e/index.html", 200, "front"),
        ("/./folder/./index.html", 200, "inner"),
        ("//folder//index.html", 200, "inner"),
        ("/a%20b%25.txt", 200, "odd"),
        ("http://a/folder/", 200, "inner"),
        ("/inner", 200, "inner"),
        ("/way/", 200, "inner"),
        ("/way/index.html", 200, "inner"),
        ("/.well-known/x", 200, "known"),
        ("/folder", 301, ""),
        ("/way", 301, ""),
        ("/bare/", 403, ""),
        ("/missing", 404, ""),
        ("/index.html/", 404, ""),
        ("/index.html/x", 404, ""),
        ("/.hidden", 404, ""),
        ("/%2ehidden", 404, ""),
        ("/.git/config", 404, ""),
        ("/.git/", 404, ""),
        ("/folder/.well-known/x", 404, ""),
        ("/absolute", 404, ""),
        ("/absolute-inside", 404, ""),
        ("/up", 404, ""),
        ("/away/secret", 404, ""),
        ("/magic/etc/passwd", 404, ""),
        ("/loop", 404, ""),
        ("/dangling", 404, ""),
        ("/folder%2findex.html", 404, ""),
        (&long, 404, ""),
        ("/..", 400, ""),
        ("/../secret", 400, ""),
        ("/%2e%2e/secret", 400, ""),
        ("/%2E%2e%2fsecret", 404, ""),
        ("/folder/../../secret", 400, ""),
        ("/%zz", 400, ""),
        ("/a%00b", 400, ""),
    ];
    for (target, status, body) in cases {
        let answer = get(root, target, "");
        assert_eq!(answer.status, *status, "{target}");
        if *status == 200 {
            assert_eq!(answer.text(), *body, "{target}");
        } else {
            assert!(answer.text().contains(&status.to_string()), "{target}: no page of its error");
            assert_eq!(answer.field("Content-Type"), Some("text/html; charset=utf-8"));
            assert!(!answer.text().contains("secret"), "{target}");
        }
    }
}

#[test]
fn a_folder_without_its_slash_is_redirected_with_the_query() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), "a b/c\u{e9}/index.html", b"inner");
    fs::create_dir(dir.path().join("evil.example")).unwrap();
    let cases = [
        ("/a%20b/c%C3%A9", "/a%20b/c%C3%A9/"),
        ("/a%20b/c%C3%A9?x=1&y=%2F", "/a%20b/c%C3%A9/?x=1&y=%2F"),
        ("/a%20b?", "/a%20b/?"),
        ("//evil.example", "/evil.example/"),
        ("/a%20b/../evil.example", "/evil.example/"),
    ];
    for (target, location) in cases {
        let answer = get(dir.path(), target, "");
        assert_eq!((answer.status, answer.field("Location")), (301, Some(location)), "{target}");
    }
}

#[test]
fn listings_escape_names_and_leave_out_what_is_hidden() {
    let dir = TempDir::new().unwrap();
    for name in ["<b>&\"'.txt", "per%cent", "a?b#c", ".hidden", "sub/x"] {
        write(dir.path(), name, b"12345");
    }
    symlink("nowhere", dir.path().join("dangling")).unwrap();
    let answer = ask_one(dir.path(), &listed(), request("GET", "/", ""));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("Content-Type"), Some("text/html; charset=utf-8"));
    let page = answer.text();
    for wanted in ["./%3Cb%3E%26%22%27.txt\"", "&lt;b&gt;&amp;&quot;&#39;.txt", "./per%25cent\""] {
        assert!(page.contains(wanted), "{wanted} is not in\n{page}");
    }
    for wanted in ["./a%3Fb%23c\"", "./sub/\"", "sub/</a>", "<td>5"] {
        assert!(page.contains(wanted), "{wanted} is not in\n{page}");
    }
    for unwanted in ["<b>", "hidden", "dangling", "../"] {
        assert!(!page.contains(unwanted), "{unwanted} is in\n{page}");
    }
    // Each link leads where it says.
    for link in page.split("href=\"./").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        let answer = ask_one(dir.path(), &listed(), request("GET", &format!("/{link}"), ""));
        assert_eq!(answer.status, 200, "{link}");
    }
    let inner = ask_one(dir.path(), &listed(), request("GET", "/sub/", ""));
    assert!(inner.text().contains("href=\"../\""), "{}", inner.text());
    let head = ask_one(dir.path(), &listed(), request("HEAD", "/", ""));
    assert_eq!(head.field("Content-Length"), Some(page.len().to_string().as_str()));
    assert_eq!(ask_one(dir.path(), &listed(), request("OPTIONS", "/", "")).status, 204);
}

#[test]
fn what_is_no_document_is_refused_without_waiting_for_it() {
    let dir = TempDir::new().unwrap();
    let root = File::open(dir.path()).unwrap();
    mknodat(&root, "fifo", FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    let inner = File::open(dir.path().join("folder")).unwrap();
    mknodat(&inner, "index.html", FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    for target in ["/fifo", "/socket", "/folder/"] {
        assert_eq!(get(dir.path(), target, "").status, 403, "{target}");
    }
    let null = rustix::fs::makedev(1, 3);
    let mode = Mode::from_raw_mode(0o666);
    match mknodat(&root, "device", FileType::CharacterDevice, mode, null) {
        Ok(()) => assert_eq!(get(dir.path(), "/device", "").status, 403),
        Err(error) => eprintln!("devices are not tested: mknod says {error}"),
    }
    let closed = write(dir.path(), "closed", b"x");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    match File::open(&closed) {
        Ok(_) => eprintln!("unreadable files are not tested: this user may read everything"),
        Err(_) => assert_eq!(get(dir.path(), "/closed", "").status, 403),
    }
}

#[test]
fn conditions_are_evaluated_in_their_order() {
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    let dir = TempDir::new().unwrap();
    write(dir.path(), "f", b"content");
    let first = get(dir.path(), "/f", "");
    let tag = first.field("ETag").unwrap().to_owned();
    assert_eq!(first.field("Last-Modified"), Some(CHANGED_TEXT));
    // Status to GET and HEAD; TAG stands for the file's own.
    let cases: &[(&[(&str, &str)], u16)] = &[
        (&[("If-Match", "TAG")], 200),
        (&[("If-Match", "*")], 200),
        (&[("If-Match", "\"other\", TAG")], 200),
        (&[("If-Match", "\"other\"")], 412),
        (&[("If-Match", "W/TAG")], 412),
        (&[("If-Unmodified-Since", CHANGED_TEXT)], 200),
        (&[("If-Unmodified-Since", LATER)], 200),
        (&[("If-Unmodified-Since", EARLIER)], 412),
        (&[("If-Unmodified-Since", "nonsense")], 200),
        (&[("If-Match", "TAG"), ("If-Unmodified-Since", EARLIER)], 200),
        (&[("If-Match", "\"other\""), ("If-Unmodified-Since", LATER)], 412),
        (&[("If-None-Match", "TAG")], 304),
        (&[("If-None-Match", "W/TAG")], 304),
        (&[("If-None-Match", "*")], 304),
        (&[("If-None-Match", "\"a\", \"b\", TAG")], 304),
        (&[("If-None-Match", "\"other\"")], 200),
        (&[("If-Modified-Since", CHANGED_TEXT)], 304),
        (&[("If-Modified-Since", LATER)], 304),
        (&[("If-Modified-Since", EARLIER)], 200),
        (&[("If-Modified-Since", "nonsense")], 200),
        (&[("If-None-Match", "\"other\""), ("If-Modified-Since", LATER)], 200),
        (&[("If-None-Match", "TAG"), ("If-Modified-Since", EARLIER)], 304),
        (&[("If-Match", "TAG"), ("If-None-Match", "TAG")], 304),
        (&[("If-Match", "\"other\""), ("If-None-Match", "TAG")], 412),
        (&[("If-Unmodified-Since", EARLIER), ("If-None-Match", "TAG")], 412),
        (&[("If-Unmodified-Since", LATER), ("If-Modified-Since", LATER)], 304),
        (&[("If-Match", "\"other\""), ("Range", "bytes=0-1")], 412),
        (&[("If-None-Match", "TAG"), ("Range", "bytes=0-1")], 304),
    ];
    for (fields, status) in cases {
        let line = |(name, value): &(&str, &str)| format!("{name}: {value}\r\n");
        let fields: String = fields.iter().map(line).collect();
        let fields = fields.replace("TAG", &tag);
        for method in ["GET", "HEAD"] {
            let options = FolderOptions::default();
            let answer = ask_one(dir.path(), &options, request(method, "/f", &fields));
            assert_eq!(answer.status, *status, "{method} {fields}");
            if *status == 304 {
                assert_eq!(answer.field("ETag"), Some(tag.as_str()), "{fields}");
            }
        }
    }
}

#[test]
fn ranges_give_exact_bytes_from_memory_and_from_files() {
    for size in [1000, MEMORY_BYTES, MEMORY_BYTES + 1, 100_000] {
        let dir = TempDir::new().unwrap();
        write(dir.path(), "f.bin", &pattern(size));
        let last = size - 1;
        // What is asked for, and the pieces that come: none for the whole.
        let one = |text: &str, start, end| (text.to_owned(), vec![(start, end)]);
        let cases = [
            one("0-0", 0, 1),
            one("10-19", 10, 20),
            one("-1", last, size),
            one("-10", size - 10, size),
            one("-999999999", 0, size),
            one("990-", 990, size),
            one("0-999999999", 0, size),
            one(&format!("{last}-{last}"), last, size),
            one("999999-,0-4", 0, 5),
            one("0-9,5-19", 0, 20),
            one("0-9,10-19", 0, 20),
            ("0-9,-5".to_owned(), vec![(0, 10), (size - 5, size)]),
            ("500-509,0-9,700-".to_owned(), vec![(500, 510), (0, 10), (700, size)]),
            ("5-4".to_owned(), vec![]),
            ("x-".to_owned(), vec![]),
            (["0-0"; 17].join(","), vec![]),
        ];
        for (spec, pieces) in cases {
            let answer = get(dir.path(), "/f.bin", &format!("Range: bytes={spec}\r\n"));
            check_range(&format!("{spec} of {size}"), &answer, &pattern(size), &pieces);
        }
        for spec in [format!("{size}-"), "-0".to_owned(), "999999-,-0".to_owned()] {
            let answer = get(dir.path(), "/f.bin", &format!("Range: bytes={spec}\r\n"));
            assert_eq!(answer.status, 416, "{spec}");
            let all = format!("bytes */{size}");
            assert_eq!(answer.field("Content-Range"), Some(all.as_str()));
        }
    }
}

fn check_range(what: &str, answer: &Response, all: &[u8], pieces: &[(usize, usize)]) {
    let told = |start, end| format!("bytes {start}-{}/{}", end - 1, all.len());
    let status = if pieces.is_empty() { 200 } else { 206 };
    assert_eq!(answer.status, status, "{what}");
    match pieces {
        [] => assert!(answer.body == all, "{what}"),
        [(start, end)] => {
            assert!(answer.body == all[*start..*end], "{what}");
            assert_eq!(answer.field("Content-Range"), Some(told(*start, *end).as_str()), "{what}");
        }
        _ => {
            let expected: Vec<_> =
                pieces.iter().map(|(s, e)| (told(*s, *e), all[*s..*e].to_vec())).collect();
            assert!(parts(answer) == expected, "{what}");
        }
    }
}

#[test]
fn a_range_needs_the_version_it_was_asked_of() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), "f", &pattern(100));
    let tag = get(dir.path(), "/f", "").field("ETag").unwrap().to_owned();
    let cases = [
        (tag.clone(), 206),
        (format!("W/{tag}"), 200),
        ("\"other\"".to_owned(), 200),
        (CHANGED_TEXT.to_owned(), 206),
        ("Sun, 06 Nov 1994 08:49:38 GMT".to_owned(), 200),
        ("nonsense".to_owned(), 200),
    ];
    for (validator, status) in cases {
        let fields = format!("Range: bytes=0-9\r\nIf-Range: {validator}\r\n");
        assert_eq!(get(dir.path(), "/f", &fields).status, status, "{validator}");
    }
    let head = request("HEAD", "/f", "Range: bytes=0-9\r\n");
    assert_eq!(ask_one(dir.path(), &FolderOptions::default(), head).status, 200);
    write(dir.path(), "empty", b"");
    let empty = get(dir.path(), "/empty", "Range: bytes=0-9\r\n");
    assert_eq!((empty.status, empty.field("Content-Length")), (200, Some("0")));
}

#[test]
fn head_has_the_fields_of_get() {
    let dir = TempDir::new().unwrap();
    for (name, size) in
        [("empty", 0), ("a.html", 10), ("m.bin", MEMORY_BYTES), ("f.bin", MEMORY_BYTES + 1)]
    {
        write(dir.path(), name, &pattern(size));
        let options = FolderOptions::default();
        let got = get(dir.path(), &format!("/{name}"), "");
        let head = ask_one(dir.path(), &options, request("HEAD", &format!("/{name}"), ""));
        assert_eq!((got.status, &got.fields), (head.status, &head.fields), "{name}");
        assert!(got.body == pattern(size) && head.body.is_empty(), "{name}");
        assert_eq!(got.field("Content-Length"), Some(size.to_string().as_str()));
        assert_eq!(got.field("Accept-Ranges"), Some("bytes"));
        assert!(got.field("Date").is_some() && got.field("Vary").is_none());
    }
}

#[test]
fn types_follow_the_ending_of_the_name() {
    let dir = TempDir::new().unwrap();
    let cases = [
        ("a.html", "text/html; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.JSON", "application/json"),
        ("a.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.wasm", "application/wasm"),
        ("a.tar.gz", "application/gzip"),
        ("nothing", "application/octet-stream"),
        ("a.unheard-of", "application/octet-stream"),
    ];
    for (name, content_type) in cases {
        write(dir.path(), name, b"x");
        let answer = get(dir.path(), &format!("/{name}"), "");
        assert_eq!(answer.field("Content-Type"), Some(content_type), "{name}");
    }
}

#[test]
fn methods_that_a_file_does_not_have() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), "f", b"x");
    let cases = [
        ("POST", "/f", 405),
        ("PUT", "/f", 405),
        ("DELETE", "/f", 405),
        ("OPTIONS", "/f", 204),
        ("OPTIONS", "*", 204),
        ("BREW", "/f", 501),
        ("DELETE", "/missing", 404),
    ];
    for (method, target, status) in cases {
        let answer = ask_one(dir.path(), &FolderOptions::default(), request(method, target, ""));
        assert_eq!(answer.status, status, "{method} {target}");
        let allow = matches!(status, 204 | 405).then_some("GET, HEAD, OPTIONS");
        assert_eq!(answer.field("Allow"), allow, "{method} {target}");
    }
}

#[test]
fn compressed_variants_are_chosen_by_weight() {
    let dir = TempDir::new().unwrap();
    for (name, bytes) in [("", "plain"), (".gz", "gzip"), (".br", "br"), (".zst", "zstd")] {
        write(dir.path(), &format!("a.css{name}"), bytes.as_bytes());
    }
    let cases = [
        ("", "plain"),
        ("identity", "plain"),
        ("gzip", "gzip"),
        ("gzip, br", "br"),
        ("gzip, br, zstd", "zstd"),
        ("*", "zstd"),
        ("gzip;q=1, br;q=0.5, zstd;q=0.1", "gzip"),
        ("zstd;q=0, br;q=0, gzip", "gzip"),
        ("gzip;q=0", "plain"),
        ("unheard-of", "plain"),
    ];
    for (accepted, body) in cases {
        let answer = get(dir.path(), "/a.css", &format!("Accept-Encoding: {accepted}\r\n"));
        let encoding = (body != "plain").then_some(body);
        assert_eq!((answer.text().as_str(), answer.field("Content-Encoding")), (body, encoding));
        assert_eq!(answer.field("Vary"), Some("Accept-Encoding"), "{accepted}");
        assert_eq!(answer.field("Content-Type"), Some("text/css; charset=utf-8"), "{accepted}");
    }
    let tag = |accepted: &str| {
        let answer = get(dir.path(), "/a.css", &format!("Accept-Encoding: {accepted}\r\n"));
        answer.field("ETag").map(str::to_owned)
    };
    assert_ne!(tag("gzip"), tag("br"), "each variant has a tag of its own");
    // One older than the file is not what the file holds now.
    date(&dir.path().join("a.css.zst"), CHANGED - 1);
    assert_eq!(get(dir.path(), "/a.css", "Accept-Encoding: zstd, br\r\n").text(), "br");
}

#[test]
fn changes_are_seen_after_a_second() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), "f", b"first");
    let root = dir.path().to_owned();
    scene(folder(dir.path(), FolderOptions::default()), Faults::NONE, async move |client| {
        let second = async |client: &mut Client| {
            client.engine.sleep(Duration::from_millis(1100)).await;
        };
        let first = client.get("/f", "").await;
        assert_eq!(first.text(), "first");
        fs::write(root.join("f"), "second, longer").unwrap();
        assert_eq!(client.get("/f", "").await.text(), "first", "believed for a second");
        second(client).await;
        let changed = client.get("/f", "").await;
        assert_eq!(changed.text(), "second, longer");
        assert_ne!(first.field("ETag"), changed.field("ETag"));
        // Another file under the same name, of the same size and date.
        write(&root, "g", b"third, no more");
        date(&root.join("f"), CHANGED);
        fs::rename(root.join("g"), root.join("f")).unwrap();
        second(client).await;
        assert_eq!(client.get("/f", "").await.text(), "third, no more");
        fs::write(root.join("f.gz"), "zipped").unwrap();
        second(client).await;
        assert_eq!(client.get("/f", "Accept-Encoding: gzip\r\n").await.text(), "zipped");
        fs::remove_file(root.join("f")).unwrap();
        second(client).await;
        assert_eq!(client.get("/f", "").await.status, 404);
        fs::create_dir(root.join("f")).unwrap();
        assert_eq!(client.get("/f", "").await.status, 301);
        fs::remove_dir(root.join("f")).unwrap();
        write(&root, "f", &pattern(MEMORY_BYTES + 1));
        assert!(client.get("/f", "").await.body == pattern(MEMORY_BYTES + 1));
        // Small again, while its large state is open.
        write(&root, "f", b"x");
        second(client).await;
        assert_eq!(client.get("/f", "").await.text(), "x");
    });
}

/// A window of a few kilobytes, so that a file is on its way for long.
const NARROW: Faults = Faults { window_bytes_max: 4000, ..Faults::NONE };

#[test]
fn a_file_that_changes_while_it_is_sent() {
    let dir = TempDir::new().unwrap();
    let path = write(dir.path(), "f", &pattern(500_000));
    let root = dir.path().to_owned();
    scene(folder(dir.path(), FolderOptions::default()), NARROW, async move |client| {
        // Deleted: who has begun gets it whole.
        client.queue(request("GET", "/f", "").as_bytes());
        client.flush().await.unwrap();
        client.engine.sleep(Duration::from_millis(100)).await;
        fs::remove_file(root.join("f")).unwrap();
        let answer = client.response(false).await.unwrap().unwrap();
        assert!(answer.body == pattern(500_000));
    });
    write(dir.path(), "f", &pattern(500_000));
    scene(folder(dir.path(), FolderOptions::default()), NARROW, async move |client| {
        // Cut short: what was promised cannot be kept, and the break is the only way to say so.
        client.queue(request("GET", "/f", "").as_bytes());
        client.flush().await.unwrap();
        client.engine.sleep(Duration::from_millis(100)).await;
        File::options().write(true).open(&path).unwrap().set_len(60_000).unwrap();
        assert!(client.response(false).await.unwrap().is_none());
        assert!(client.seen.len() < 61_000, "{} bytes", client.seen.len());
    });
}

#[test]
fn the_cache_is_bounded() {
    let dir = TempDir::new().unwrap();
    for i in 0..100 {
        write(dir.path(), &format!("small{i}"), &pattern(10_000 + i));
        write(dir.path(), &format!("large{i}"), &pattern(MEMORY_BYTES + 1 + i));
    }
    let options =
        FolderOptions { cache_bytes: 200_000, open_files_max: 8, ..FolderOptions::default() };
    scene(folder(dir.path(), options), Faults::NONE, async move |client| {
        for round in 0..2 {
            for i in 0..100 {
                let small = client.get(&format!("/small{i}"), "").await;
                assert!(small.body == pattern(10_000 + i), "round {round}, small{i}");
                let large = client.get(&format!("/large{i}"), "").await;
                assert!(large.body == pattern(MEMORY_BYTES + 1 + i), "round {round}, large{i}");
            }
        }
        let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let links = open.filter_map(|entry| fs::read_link(entry.path()).ok());
        let large = links.filter(|link| link.starts_with(dir.path())).count();
        assert!(large <= 8 + 1, "{large} files of the folder are open");
    });
}

#[test]
fn the_built_in_site_has_its_pages_and_the_status() {
    let asked = Rc::new(RefCell::new(0));
    for available in [true, false] {
        let count = asked.clone();
        let source = move || -> std::pin::Pin<Box<dyn Future<Output = Option<Vec<u8>>>>> {
            *count.borrow_mut() += 1;
            Box::pin(async move { available.then(|| b"{\"fake\":1}".to_vec()) })
        };
        let site = Site::BuiltIn(BuiltIn { status: Rc::new(source) });
        scene(site, Faults::NONE, async move |client| {
            let pages = [
                ("/", "text/html; charset=utf-8"),
                ("/style.css", "text/css; charset=utf-8"),
                ("/page.js", "text/javascript; charset=utf-8"),
                ("/favicon.svg", "image/svg+xml"),
            ];
            for (path, content_type) in pages {
                let page = client.get(path, "").await;
                assert_eq!((page.status, page.field("Content-Type")), (200, Some(content_type)));
                let policy = page.field("Content-Security-Policy").unwrap();
                assert!(policy.contains("default-src 'self'") && !page.body.is_empty(), "{path}");
                let head = client.ask(&request("HEAD", path, "")).await;
                assert_eq!(page.fields, head.fields, "{path}");
            }
            assert_eq!(client.get("/missing", "").await.status, 404);
            assert_eq!(client.ask(&request("POST", "/", "")).await.status, 405);
            assert_eq!(client.ask(&request("OPTIONS", "/status.json", "")).await.status, 204);
            let status = client.get("/status.json", "").await;
            if available {
                assert_eq!((status.status, status.text().as_str()), (200, "{\"fake\":1}"));
                assert_eq!(status.field("Content-Type"), Some("application/json"));
                assert_eq!(status.field("Cache-Control"), Some("no-store"));
            } else {
                assert_eq!(status.status, 503);
            }
            let last = client.get("/status.json", "Connection: close\r\n").await;
            assert!(last.says_close());
            assert_eq!(client.end().await, Ok(Ended::Cleanly));
        });
    }
    assert_eq!(*asked.borrow(), 4, "the status is asked for by who wants it, and once");
}
