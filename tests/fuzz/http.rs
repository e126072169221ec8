//! HTTP/1.1, both sides: the verdict depends on the bytes alone, not on how they were cut, nor on how bodies are read.

use bytes::BytesMut;
use micronet_wire::http1::{
    BodyEvent, ClientConnection, HttpDate, HttpError, HttpLimits, Phase, ServerConnection, Status,
};
use micronet_wire::limits::{HTTP_BODY_BYTES_MAX, HTTP_HEAD_BYTES_MAX};

use crate::driver::{saw, saw_words};

pub(crate) const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"\t",
    b"\0",
    b"\x80",
    b": ",
    b"GET ",
    b"HEAD ",
    b"OPTIONS * ",
    b"CONNECT a:1 ",
    b" HTTP/1.1\r\n",
    b" HTTP/1.0\r\n",
    b"http://a/",
    b"Host: a\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: 3, 3\r\n",
    b"Content-Length: 18446744073709551616\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive, upgrade\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: websocket\r\n",
    b"3\r\nabc\r\n",
    b"3;a=\"b\\\"\"\r\nabc\r\n",
    b"0\r\n\r\n",
    b"0\r\nT: x\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 304 \r\n",
    b"%2F",
    b"%zz",
];

/// Requests with longer bodies are refused here.
const BODY_BYTES_MAX: u64 = 64;

/// What a connection made of some bytes: lines of what came out, and what it wrote.
type Verdict = (Vec<String>, BytesMut);

/// Requests, answered in order. The first byte says in which pieces they come.
pub(crate) fn server(input: &[u8]) {
    let Some((&piece, bytes)) = input.split_first() else { return };
    // Every other input meets limits that it can reach.
    let tight = HttpLimits {
        request_line_bytes_max: 40,
        head_bytes_max: 120,
        headers_max: 4,
        requests_max: 3,
        ..HttpLimits::default()
    };
    let limits = if piece & 1 == 0 { HttpLimits::default() } else { tight };
    let serve_all = |bytes: &[u8], piece, by_events| serve_all(bytes, piece, by_events, limits);
    let whole = serve_all(bytes, usize::MAX, false);
    assert_eq!(whole, serve_all(bytes, usize::from(piece) + 1, false), "in other pieces");
    assert_eq!(whole.0, serve_all(bytes, usize::from(piece) + 1, true).0, "body by body, and piece by piece");
    whole.0.windows(2).for_each(|lines| saw_words(&shape(&lines.concat())));
}

/// What a line is made of, as a place: words of any letters, and what stands between them.
fn shape(line: &str) -> String {
    let mut shape: Vec<char> = line.chars().map(|c| if c.is_alphanumeric() { 'a' } else { c }).collect();
    shape.dedup();
    shape.truncate(24);
    shape.into_iter().collect()
}

fn serve_all(bytes: &[u8], piece: usize, by_events: bool, limits: HttpLimits) -> Verdict {
    let (mut connection, mut input, mut output) = (ServerConnection::new(), BytesMut::new(), BytesMut::new());
    connection.set_limits(limits);
    let mut serving = Serving { by_events, lines: Vec::new(), body: Vec::new(), request: None };
    for piece in bytes.chunks(piece.min(bytes.len().max(1))) {
        input.extend_from_slice(piece);
        while let Err(error) = serving.turn(&mut connection, &mut input, &mut output) {
            let (code, words) = (error.status.code(), error.reason);
            serving.lines.push(format!("{code} {words}"));
            serving.request = None;
            saw(words);
            let response = connection.respond(&mut output, error.status, &HttpDate::from_unix_s(0)).unwrap();
            response.body(words.as_bytes());
            assert!(!connection.is_open(), "an error closes the connection");
        }
        if connection.is_open() {
            assert!(
                input.len() <= HTTP_BODY_BYTES_MAX.max(HTTP_HEAD_BYTES_MAX),
                "{} bytes wait",
                input.len()
            );
        }
    }
    serving.lines.extend(serving.request);
    if connection.phase() != Phase::Idle {
        serving.lines.push(format!("{:?}", connection.phase()));
    }
    if connection.is_open() {
        let ended = connection.handle_close().map_err(|error| error.status.code());
        serving.lines.push(format!("closed {ended:?}"));
    }
    (serving.lines, output)
}

/// What a server does with its requests: it echoes bodies.
struct Serving {
    /// Whether bodies are taken in pieces.
    by_events: bool,
    lines: Vec<String>,
    body: Vec<u8>,
    request: Option<String>,
}

impl Serving {
    fn turn(
        &mut self,
        connection: &mut ServerConnection,
        input: &mut BytesMut,
        output: &mut BytesMut,
    ) -> Result<(), HttpError> {
        loop {
            if let Some(head) = connection.poll_head(input)? {
                assert!(head.path().starts_with('/') || head.path() == "*" || head.path().is_empty());
                let host = head.host();
                assert!(!host.bytes().any(|byte| byte.is_ascii_control() || byte == b' '), "host {host:?}");
                for (name, value) in head.headers().iter() {
                    assert!(!name.is_empty() && !name.contains([':', ' ', '\r', '\n']), "name {name:?}");
                    assert!(!value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')), "value {value:?}");
                }
                // RFC 9112 section 6.3: what two parsers could take for bodies of different lengths isn't taken at all.
                let mut lengths =
                    head.headers().get_all("content-length").map(<[u8]>::to_vec).collect::<Vec<_>>();
                lengths.dedup();
                let codings = head.headers().get_all("transfer-encoding").count();
                assert!(lengths.len() + codings <= 1, "{lengths:?} and {codings} codings");
                assert!(head.headers().get_all("host").count() <= 1);
                let query = head.query().unwrap_or_default();
                let (method, path) = (head.method_name(), head.path());
                let (length, alive) = (head.body_length(), head.keep_alive());
                self.request = Some(format!("{method} {path} {query} {host} {length:?} {alive}"));
                self.body.clear();
                connection.accept_body(output, BODY_BYTES_MAX)?;
            }
            let Some(body) = self.poll_body(connection, input)? else { return Ok(()) };
            assert!(body.len() as u64 <= BODY_BYTES_MAX);
            let request = self.request.take().unwrap();
            self.lines.push(format!("{request} {:?}", String::from_utf8_lossy(&body)));
            connection.respond(output, Status::OK, &HttpDate::from_unix_s(0)).unwrap().body(&body);
        }
    }

    fn poll_body(
        &mut self,
        connection: &mut ServerConnection,
        input: &mut BytesMut,
    ) -> Result<Option<Vec<u8>>, HttpError> {
        if !self.by_events {
            return Ok(connection.poll_body(input)?.map(|body| body.to_vec()));
        }
        while let Some(event) = connection.poll_body_event(input)? {
            match event {
                BodyEvent::Data(data) => self.body.extend_from_slice(&data),
                BodyEvent::End(_) => return Ok(Some(std::mem::take(&mut self.body))),
            }
        }
        Ok(None)
    }
}

/// Responses to requests that the second byte says.
pub(crate) fn client(input: &[u8]) {
    let Some((&[piece, requests], bytes)) = input.split_first_chunk::<2>() else { return };
    let whole = receive_all(requests, bytes, usize::MAX, false);
    let (pieces, step) =
        (receive_all(requests, bytes, usize::from(piece) + 1, false), usize::from(piece) + 1);
    assert_eq!(whole, pieces, "in pieces of {step} bytes");
    assert_eq!(whole, receive_all(requests, bytes, step, true), "body by body, and piece by piece");
    // Bodies are anything.
    whole.iter().filter(|line| !line.starts_with("body")).for_each(saw);
}

fn receive_all(requests: u8, bytes: &[u8], piece: usize, by_events: bool) -> Vec<String> {
    let (mut connection, mut input, mut output) = (ClientConnection::new(), BytesMut::new(), BytesMut::new());
    connection.set_body_bytes_max(BODY_BYTES_MAX);
    for at in 0..requests % 4 {
        let method = if requests >> (2 + at) & 1 == 0 { "GET" } else { "HEAD" };
        connection.request(&mut output, method, "/", "a").unwrap().body(b"");
    }
    let (mut lines, mut collected) = (Vec::new(), Vec::new());
    let mut end = Ok(());
    for piece in bytes.chunks(piece.min(bytes.len().max(1))) {
        input.extend_from_slice(piece);
        if end.is_ok() {
            end = receive(&mut connection, &mut input, by_events, &mut collected, &mut lines);
        }
    }
    let end = end.and_then(|()| {
        connection.handle_close()?;
        // A body may end with the connection.
        receive(&mut connection, &mut input, by_events, &mut collected, &mut lines)
    });
    if let Err(error) = &end {
        saw(error.reason);
        lines.push(format!("{} {}", error.status.code(), error.reason));
    }
    lines
}

fn receive(
    connection: &mut ClientConnection,
    input: &mut BytesMut,
    by_events: bool,
    collected: &mut Vec<u8>,
    lines: &mut Vec<String>,
) -> Result<(), HttpError> {
    loop {
        if let Some(head) = connection.poll_head(input)? {
            lines.push(format!("head {}", head.code()));
        }
        let body = if by_events {
            loop {
                match connection.poll_body_event(input)? {
                    Some(BodyEvent::Data(data)) => collected.extend_from_slice(&data),
                    Some(BodyEvent::End(_)) => break Some(std::mem::take(collected)),
                    None => break None,
                }
            }
        } else {
            connection.poll_body(input)?.map(|body| body.to_vec())
        };
        let Some(body) = body else { return Ok(()) };
        assert!(body.len() as u64 <= BODY_BYTES_MAX);
        lines.push(format!("body {:?}", String::from_utf8_lossy(&body)));
    }
}
