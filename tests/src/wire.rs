//! HTTP/1.1 as far as a proxy and a stand-in need it: heads, and bodies as streams.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// First line and headers of a request or a response.
#[derive(Debug, Clone)]
pub struct Head {
    /// First line, such as `GET /v2/ HTTP/1.1` or `HTTP/1.1 200 OK`.
    pub first: String,
    /// Headers as they were received.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// Reads a head; `None` if the peer has closed the connection instead.
    ///
    /// # Errors
    /// The connection broke, or the text is not HTTP.
    pub fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let mut first = String::new();
        if stream.read_line(&mut first)? == 0 {
            return Ok(None);
        }
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            match line.trim_end() {
                "" => return Ok(Some(Self { first: first.trim_end().to_owned(), headers })),
                line => {
                    let (name, value) = line
                        .split_once(':')
                        .ok_or_else(|| io::Error::other(format!("no header: {line}")))?;
                    headers.push((name.to_owned(), value.trim().to_owned()));
                }
            }
        }
    }

    /// Returns the value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(have, _)| have.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Sets a header, replacing existing ones; `None` removes it.
    pub fn set(&mut self, name: &str, value: Option<String>) {
        self.headers.retain(|(have, _)| !have.eq_ignore_ascii_case(name));
        self.headers.extend(value.map(|value| (name.to_owned(), value)));
    }

    /// Returns word `at` of the first line: a request's method and target are 0 and 1, a response's
    /// status is 1.
    pub fn word(&self, at: usize) -> &str {
        self.first.split(' ').nth(at).unwrap_or_default()
    }

    /// Returns a response's status; 0 if the head is not a response.
    pub fn status(&self) -> u16 {
        self.word(1).parse().unwrap_or(0)
    }

    /// Reports whether the connection ends after this message.
    pub fn closes(&self) -> bool {
        self.get("connection").is_some_and(|connection| connection.eq_ignore_ascii_case("close"))
    }

    /// Writes the head.
    ///
    /// # Errors
    /// The connection broke.
    pub fn write(&self, stream: &mut TcpStream) -> io::Result<()> {
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        stream.write_all(format!("{}\r\n{headers}\r\n", self.first).as_bytes())
    }

    /// Returns the framing of a request's body.
    pub fn request_framing(&self) -> Framing {
        match self.framing() {
            Framing::ToTheEnd => Framing::Length(0),
            framing => framing,
        }
    }

    /// Returns the framing of the body of a response to `method`.
    pub fn answer_framing(&self, method: &str) -> Framing {
        if method == "HEAD" || matches!(self.status(), 204 | 304) {
            Framing::Length(0)
        } else {
            self.framing()
        }
    }

    fn framing(&self) -> Framing {
        if self
            .get("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            return Framing::Chunked;
        }
        self.get("content-length")
            .and_then(|length| length.parse().ok())
            .map_or(Framing::ToTheEnd, Framing::Length)
    }
}

/// Framing of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// The body has this many bytes.
    Length(u64),
    /// The body is chunked.
    Chunked,
    /// The body ends with the connection.
    ToTheEnd,
}

/// Body that is read from a connection.
pub struct Body<'a> {
    stream: &'a mut BufReader<TcpStream>,
    framing: Framing,
    /// Bytes left of the body or of the current chunk.
    left: u64,
    ended: bool,
}

impl<'a> Body<'a> {
    /// Returns the body that follows a head.
    pub fn new(stream: &'a mut BufReader<TcpStream>, framing: Framing) -> Self {
        let left = if let Framing::Length(length) = framing { length } else { 0 };
        Self { stream, framing, left, ended: false }
    }

    /// Reports whether the body was read completely; false if the peer closed the connection early.
    pub fn ended(&self) -> bool {
        self.ended
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        self.left = u64::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        if self.left == 0 {
            self.stream.read_line(&mut String::new())?;
            self.ended = true;
        }
        Ok(())
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.framing == Framing::ToTheEnd {
            let length = self.stream.read(buffer)?;
            self.ended |= length == 0;
            return Ok(length);
        }
        if self.left == 0 && !self.ended {
            match self.framing {
                Framing::Chunked => self.next_chunk()?,
                _ => self.ended = true,
            }
        }
        if self.ended {
            return Ok(0);
        }
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let length = self.stream.read(&mut buffer[..most])?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= length as u64;
        if self.left == 0 && self.framing == Framing::Chunked {
            self.stream.read_line(&mut String::new())?;
        }
        Ok(length)
    }
}
