//! What of lsof the installed one does not have, on this process itself.

use std::fs::File;
use std::os::fd::AsRawFd;

use sockeye_inspect::Tool;

use crate::differential::ours;

#[test]
fn fields_as_json() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a \"file\"");
    std::fs::write(&path, b"text").unwrap();
    let file = File::open(&path).unwrap();
    let (pid, fd) = (std::process::id().to_string(), file.as_raw_fd().to_string());
    let listed = |flags: &[&str]| {
        let select = ["-a", "-p", &pid, "-d", &fd];
        ours(Tool::Lsof, &[flags, &select[..]].concat())
    };
    let name = format!("\"name\":\"{}/a \\\"file\\\"\"", directory.path().display());
    let of_file =
        format!("\"fd\":\"{fd}\",\"access\":\"r\",\"type\":\"REG\",\"size\":\"4\",{name}");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(listed(&["-j", "-Ffatsn"]), [format!("{{\"pid\":{pid},{of_file}}}")]);
    assert_eq!(
        listed(&["-J", "-Ffatsn"]),
        [format!(
            "{{\"lsof_version\":\"{version}\",\"processes\":[{{\"pid\":{pid},\
             \"files\":[{{{of_file}}}]}}]}}"
        )]
    );
    let all = listed(&["-j"]).join("\n");
    for member in ["\"ppid\":", "\"command\":", "\"inode\":\"", "\"nlink\":1", "\"flags\":\"0x"] {
        assert!(all.contains(member), "{member} in {all}");
    }
}
