//! `micronet nc`: a conversation with an instance in lines of text (SPEC.md section 17).

pub(crate) mod typing;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use micronet_transport::driver::ByteStream;
use micronet_transport::tls::open;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, split};

use self::typing::{Typed, Typing};
use crate::config::NcConfig;
use crate::data_folder;
use crate::error::CommandError;
use crate::identity;
use crate::network_file::NetworkFile;
use crate::ping::target;
use crate::server_process;
use crate::terminal;

/// Talks until either side has said everything.
pub(crate) fn run(config: &NcConfig) -> Result<ExitCode, CommandError> {
    server_process::runtime()?.block_on(async {
        let network = NetworkFile::of_running_network(&config.data)?;
        let target = target::find(&config.target, &config.data, network.as_ref()).await?;
        let identity = identity::of_tool(config.tls.as_ref(), network.as_ref(), &config.data, false)?;
        let token = match config.operator && identity.tls.is_none() {
            true => Some(operator_token(config)?),
            false => None,
        };
        let connected = open(target.address, target.service.as_deref(), &identity).await;
        let stream = connected.map_err(|error| {
            CommandError::usage(format!("{}: {}", target.name, error.message))
                .next("see what runs: micronet ps")
        })?;
        let typing = match io::stdin().is_terminal() && io::stdout().is_terminal() {
            true => {
                let note = "HELP lists the commands; Ctrl-C ends a stream, Ctrl-D the conversation";
                Typing::on_terminal(&format!("{}> ", target.name), note, "", ())?
            }
            false => Typing::from_pipe(),
        };
        talk(stream, token, typing).await
    })
}

fn operator_token(config: &NcConfig) -> Result<String, CommandError> {
    let token = data_folder::read_operator_token(&config.data)?;
    token.map(|token| token.text().to_owned()).ok_or_else(|| {
        CommandError::usage(format!("there is no operator's token in {}", config.data.display()))
            .next("name the network's folder with --data")
    })
}

/// Sends what is typed, and shows what comes.
async fn talk(
    stream: impl ByteStream,
    token: Option<String>,
    mut typing: Typing,
) -> Result<ExitCode, CommandError> {
    let lost = |error: io::Error| CommandError::new(format!("the connection is lost: {error}"));
    let (reader, mut writer) = split(stream);
    let mut reader = BufReader::new(reader);
    if let Some(token) = token {
        writer.write_all(format!("AUTH {token}\n").as_bytes()).await.map_err(lost)?;
    }
    let (mut line, mut has_said_all, mut has_failed) = (Vec::new(), false, false);
    loop {
        tokio::select! {
            // What is read of a line stays in `line` when the other branch goes first.
            read = reader.read_until(b'\n', &mut line) => {
                if read.map_err(lost)? == 0 && line.is_empty() {
                    break;
                }
                let text = String::from_utf8_lossy(&line);
                let text = text.trim_end_matches(['\r', '\n']);
                has_failed |= text.starts_with("-ERR ");
                typing.show(text);
                line.clear();
            }
            typed = typing.next(), if !has_said_all => match typed {
                Some(Typed(mut text)) => {
                    text.push(b'\n');
                    // Who has ended the connection has said why.
                    if writer.write_all(&text).await.and(writer.flush().await).is_err() {
                        has_said_all = true;
                    }
                }
                None => {
                    has_said_all = true;
                    let _ = writer.shutdown().await;
                }
            },
        }
    }
    if typing.ended_by_peer().await {
        terminal::note("the connection has ended");
    }
    Ok(if has_failed && !typing.is_on_terminal() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
