//! A message over TCP alone: it ends with the connection, and nothing comes back.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::terminal;

/// Bytes that are read at once.
const READ_BYTES: usize = 1024;

/// Reads to the end, and tells what it reads.
pub(super) async fn receive(mut stream: TcpStream) -> Result<(), String> {
    let mut text = Text::default();
    let mut input = [0; READ_BYTES];
    loop {
        match stream.read(&mut input).await {
            Ok(0) => break,
            Ok(count) => tell(&text.take(&input[..count])),
            Err(error) => return Err(error.to_string()),
        }
    }
    tell(&text.end());
    Ok(())
}

fn tell(text: &str) {
    if !text.is_empty() {
        terminal::say(&format!("Received: {text}"));
    }
}

/// Sends it, and ends the connection.
pub(super) async fn send(address: SocketAddr, message: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(message.as_bytes()).await?;
    stream.shutdown().await
}

/// UTF-8 that arrives in pieces: what a piece breaks off in waits for the next one.
#[derive(Debug, Default)]
struct Text {
    begun: Vec<u8>,
}

impl Text {
    /// The text of a piece. What is no UTF-8 is shown with replacement characters.
    fn take(&mut self, piece: &[u8]) -> String {
        self.begun.extend_from_slice(piece);
        let mut text = String::new();
        let mut rest = &self.begun[..];
        loop {
            match std::str::from_utf8(rest) {
                Ok(whole) => {
                    text += whole;
                    self.begun.clear();
                    return text;
                }
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    text += &String::from_utf8_lossy(good);
                    let Some(wrong) = error.error_len() else {
                        self.begun = bad.to_vec();
                        return text;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &bad[wrong..];
                }
            }
        }
    }

    /// What it breaks off in.
    fn end(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.begun)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_put_together_across_pieces() {
        let bytes = "Tüx €".as_bytes();
        for at in 0..bytes.len() {
            let mut text = Text::default();
            let told = text.take(&bytes[..at]) + &text.take(&bytes[at..]) + &text.end();
            assert_eq!(told, "Tüx €", "{at}");
        }
        let mut text = Text::default();
        assert_eq!((text.take(b"a\xffb\xc3"), text.end()), ("a\u{fffd}b".into(), "\u{fffd}".into()));
    }
}
