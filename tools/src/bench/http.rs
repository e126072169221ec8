//! HTTP/1.1 on a connection that is kept: one request at a time.

use std::rc::Rc;

use bytes::BytesMut;
use micronet_wire::http1::{BodyEvent, ClientConnection, HttpError};
use tokio::net::TcpStream;

use super::lane::Protocol;
use super::remembered::Sampled;
use super::tally::{End, Kind};

/// The longest body of an answer that is taken; nothing of it is kept. In bytes.
const BODY_BYTES_MAX: u64 = u64::MAX;

/// What is asked, again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpRequest {
    /// The method.
    pub(crate) method: String,
    /// Path and query, percent-encoded.
    pub(crate) target: String,
    /// The server's name, and its port unless it is 80.
    pub(crate) host: String,
    /// Header fields beside those that the connection writes by itself.
    pub(crate) headers: Vec<(String, String)>,
    /// The body; may be empty.
    pub(crate) body: Vec<u8>,
}

/// One connection.
pub(super) struct Http {
    request: HttpRequest,
    sampled: Rc<Sampled>,
    state: ClientConnection,
    /// The status of the answer whose body comes.
    status: Option<u16>,
}

impl Http {
    /// Asks this, and has some answers noted.
    pub(super) fn new(request: HttpRequest, sampled: Rc<Sampled>) -> Self {
        Self { request, sampled, state: ClientConnection::new(), status: None }
    }
}

impl Protocol for Http {
    async fn open(&mut self, _: &mut TcpStream) -> Result<(), Kind> {
        self.state = ClientConnection::new();
        self.state.set_body_bytes_max(BODY_BYTES_MAX);
        self.status = None;
        Ok(())
    }

    fn ask(&mut self, output: &mut BytesMut) -> Result<(), Kind> {
        let HttpRequest { method, target, host, headers, body } = &self.request;
        let refused = |error| Kind::from(format!("not sent: {error}"));
        let mut writer = self.state.request(output, method, target, host).map_err(refused)?;
        for (name, value) in headers {
            writer.header(name, value).map_err(refused)?;
        }
        writer.body(body);
        Ok(())
    }

    fn answer(&mut self, input: &mut BytesMut) -> Result<Option<End>, Kind> {
        let status = match self.status {
            Some(status) => status,
            None => match self.state.poll_head(input).map_err(broken)? {
                Some(head) => {
                    self.sampled.note(&head);
                    *self.status.insert(head.code())
                }
                None => return Ok(None),
            },
        };
        while let Some(event) = self.state.poll_body_event(input).map_err(broken)? {
            if let BodyEvent::End(_) = event {
                self.status = None;
                let end =
                    if status < 400 { End::Good } else { End::Failed(format!("status {status}").into()) };
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    fn closed(&mut self) -> Result<(), Kind> {
        self.state.handle_close().map_err(|_| "connection lost".into())
    }

    fn is_open(&self) -> bool {
        self.state.is_open()
    }
}

fn broken(error: HttpError) -> Kind {
    format!("broken answer: {}", error.reason).into()
}
