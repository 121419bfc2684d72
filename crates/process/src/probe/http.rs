//! As much of HTTP/1.1 (RFC 9112) as a probe needs: a request, and the status of the answer. Pure.

/// Heads of interim answers (100 to 199) and the status line after them, at most.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// `HTTP/1.1 200`.
const STATUS_BYTES: usize = 12;

/// The beginning of an answer.
#[derive(Debug, Default)]
pub struct Answer {
    bytes: Vec<u8>,
}

impl Answer {
    /// Takes what was read, nothing meaning the end. The status, once it is known.
    pub fn push(&mut self, read: &[u8]) -> Result<Option<u16>, String> {
        if read.is_empty() {
            return Err("the connection was closed before an answer".to_owned());
        }
        self.bytes.extend_from_slice(read);
        while self.bytes.len() > STATUS_BYTES {
            let status = status(&self.bytes)?;
            if status >= 200 {
                return Ok(Some(status));
            }
            let Some(end) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                break;
            };
            self.bytes.drain(..end + 4);
        }
        if self.bytes.len() > ANSWER_BYTES_MAX {
            return Err("the answer's head has no end".to_owned());
        }
        Ok(None)
    }
}

fn status(bytes: &[u8]) -> Result<u16, String> {
    let line = bytes.strip_prefix(b"HTTP/1.").and_then(|rest| rest.split_first_chunk::<5>());
    match line {
        Some(([b'0' | b'1', b' ', a, b, c], [b' ' | b'\r', ..]))
            if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) && *a != b'0' =>
        {
            Ok([a, b, c].iter().fold(0, |sum, digit| sum * 10 + u16::from(**digit - b'0')))
        }
        _ => Err("the answer is not HTTP/1.1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_found_however_it_comes() {
        let check = |text: &str, expected: Result<Option<u16>, &str>| {
            let whole = Answer::default().push(text.as_bytes());
            assert_eq!(whole.as_ref().map_err(String::as_str), expected.as_ref().map_err(|e| *e));
            let mut answer = Answer::default();
            let mut found = Ok(None);
            for byte in text.as_bytes() {
                found = answer.push(&[*byte]);
                if found != Ok(None) {
                    break;
                }
            }
            assert_eq!(found, whole, "{text:?}");
        };
        let not_http = Err("the answer is not HTTP/1.1");
        check("HTTP/1.1 200 OK\r\n", Ok(Some(200)));
        check("HTTP/1.0 404 \r\n", Ok(Some(404)));
        check("HTTP/1.1 503\r\n", Ok(Some(503)));
        check("HTTP/1.1 200", Ok(None));
        check("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 301 M", Ok(Some(301)));
        check("SSH-2.0-OpenSSH_9.2p1", not_http);
        check("HTTP/1.1 2000 OK\r\n", not_http);
        check("HTTP/1.1 099 OK\r\n", not_http);
        check("HTTP/2.0 200 OK\r\n", not_http);
        let endless = format!("HTTP/1.1 100 Continue\r\n{}", "x".repeat(ANSWER_BYTES_MAX));
        check(&endless, Err("the answer's head has no end"));
        assert!(Answer::default().push(b"").is_err());
    }
}
