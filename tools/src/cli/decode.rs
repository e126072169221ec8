//! The flags of `decode`.

use clap::Args;

use super::schema::AskingFlags;

const DECODE_HELP: &str = "\
Examples:
  micronet decode 000000080400000000000000000000000000000\\
08e3ff5cf0102030405060708                a frame, byte by byte
  xxd frames.bin | micronet decode       xxd, hexdump -C and tshark -x are read
  micronet decode traffic.pcap           a capture, a line for each frame
  micronet decode traffic.pcap -v        every byte of it
  micronet decode late.pcapng --schema product

A capture is pcap or pcapng of plain TCP. What a connection says of its schema is
learnt from the capture; where it began before, --schema names it. HTTP, text and
TLS on the same ports are passed over. Values that nobody should be shown are
masked.

The exit code is 0 when nothing is wrong with any frame, and 1 when something is,
or when there is none.";

/// The flags of `decode`.
#[derive(Debug, Args)]
#[command(after_help = DECODE_HELP)]
pub(crate) struct DecodeFlags {
    /// Hexadecimal text, or a file of it, or a capture; - for stdin [default: stdin]
    #[arg(value_name = "HEX|FILE")]
    pub(crate) bytes: Vec<String>,
    /// The schema of messages: a service, an address, or a file; may be repeated
    #[arg(long = "schema", value_name = "SOURCE")]
    pub(crate) schemas: Vec<String>,
    /// Of a capture only what goes from or to this port
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// Print an object a frame
    #[arg(long)]
    pub(crate) json: bool,
    /// Of a capture, too, show each byte
    #[arg(short, long)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) asking: AskingFlags,
}
