//! HTTP/1.1 requests, parsed as far as an API needs it.

use std::collections::BTreeMap;
use std::io::Read;

/// Largest request in bytes: an action of 48 MB and its envelope.
const MAX_BODY: usize = 50 << 20;

/// HTTP request.
pub struct Request {
    /// Method, such as `GET`.
    pub method: String,
    /// Path and query, as received.
    pub target: String,
    /// Decoded segments of the path; a trailing slash adds an empty one.
    pub path: Vec<String>,
    /// Decoded query; the last value of a name wins.
    pub query: BTreeMap<String, String>,
    /// Header values by lower-case names.
    pub headers: BTreeMap<String, String>,
    /// Body.
    pub body: Vec<u8>,
}

impl Request {
    /// Returns a header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// Reads a request; `None` if the connection does not carry a valid one.
pub fn read(stream: &mut impl Read) -> Option<Request> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > 64 << 10 || stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target, version) =
        (first.next()?.to_owned(), first.next()?.to_owned(), first.next()?);
    let pair = |line: &str| {
        line.split_once(':')
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers: BTreeMap<_, _> = lines.filter_map(pair).collect();
    if version != "HTTP/1.1"
        || !headers.contains_key("host")
        || headers.contains_key("transfer-encoding")
    {
        return None;
    }
    let length = headers
        .get("content-length")
        .map_or(Some(0), |length| length.parse().ok())
        .filter(|length| *length <= MAX_BODY)?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let path = path
        .strip_prefix('/')?
        .split('/')
        .map(|part| decode(part, false))
        .collect::<Option<_>>()?;
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(name, true)?, decode(value, true)?))
    });
    let query = pairs.collect::<Option<_>>()?;
    Some(Request { method, path, query, target, headers, body })
}

/// Decodes percent-encoding; in a query `+` is a space.
fn decode(text: &str, query: bool) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            b'+' if query => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}
