//! A JSON writer for the tools' `--json`: objects and arrays straight into bytes, RFC 8259.
//!
//! Names of processes and files are bytes; what is not UTF-8 in them becomes U+FFFD, so that every
//! document can be read by every parser.

/// Where a value is written.
#[derive(Debug, Default)]
pub struct Json {
    out: Vec<u8>,
    /// Whether the next value in the innermost object or array needs a comma before it.
    comma: bool,
}

impl Json {
    pub fn new() -> Json {
        Json::default()
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.out.push(b'\n');
        self.out
    }

    fn before(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
        self.comma = true;
    }

    pub fn object(&mut self, members: impl FnOnce(&mut Json)) {
        self.nested(b'{', b'}', members);
    }

    pub fn array(&mut self, items: impl FnOnce(&mut Json)) {
        self.nested(b'[', b']', items);
    }

    fn nested(&mut self, open: u8, close: u8, inside: impl FnOnce(&mut Json)) {
        self.before();
        self.out.push(open);
        self.comma = false;
        inside(self);
        self.out.push(close);
        self.comma = true;
    }

    /// The name of the next member.
    pub fn key(&mut self, name: &str) -> &mut Json {
        self.string(name.as_bytes());
        self.out.push(b':');
        self.comma = false;
        self
    }

    pub fn number(&mut self, n: impl Into<i128>) {
        self.before();
        self.out.extend_from_slice(n.into().to_string().as_bytes());
    }

    pub fn boolean(&mut self, value: bool) {
        self.before();
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    pub fn null(&mut self) {
        self.before();
        self.out.extend_from_slice(b"null");
    }

    pub fn string(&mut self, text: &[u8]) {
        self.before();
        self.out.push(b'"');
        for c in String::from_utf8_lossy(text).chars() {
            match c {
                '"' => self.out.extend_from_slice(b"\\\""),
                '\\' => self.out.extend_from_slice(b"\\\\"),
                c if c.is_control() => {
                    self.out.extend_from_slice(format!("\\u{:04x}", c as u32).as_bytes());
                }
                c => self.out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        self.out.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents() {
        let mut json = Json::new();
        json.object(|j| {
            j.key("a").number(1u32);
            j.key("b").array(|j| {
                j.string(b"x\"\\\n\xff");
                j.null();
                j.object(|j| j.key("c").boolean(true));
            });
            j.key("d").object(|_| ());
        });
        let expected =
            "{\"a\":1,\"b\":[\"x\\\"\\\\\\u000a\u{fffd}\",null,{\"c\":true}],\"d\":{}}\n";
        assert_eq!(String::from_utf8(json.finish()).unwrap(), expected);
    }
}
