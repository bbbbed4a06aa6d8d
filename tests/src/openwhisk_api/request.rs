//! Requests of HTTP/1.1, read as far as an API needs it.

use std::collections::BTreeMap;
use std::io::Read;

/// The largest request: an action of 48 MB and what is around it.
const MAX_BODY: usize = 50 << 20;

/// A request.
pub struct Request {
    /// `GET` and so on.
    pub method: String,
    /// The path and the query, as they came.
    pub target: String,
    /// The path's segments, decoded; a slash at the end makes a last empty one.
    pub path: Vec<String>,
    /// The query, decoded; the last of a name wins.
    pub query: BTreeMap<String, String>,
    /// Header values by lower-case names.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// Reads one; none if the connection brings none that can be understood.
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

/// Percent-decoding; in a query `+` is a space.
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
