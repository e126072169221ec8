//! Where a schema comes from: an instance that serves it, or a file.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use micronet_transport::client::Client;
use micronet_transport::upstream::fetch_schema;
use micronet_wire::error::RpcError;
use micronet_wire::limits::SCHEMA_BYTES_MAX;
use micronet_wire::schema::EncodedSchema;

use super::json;
use crate::address::HostPort;
use crate::call;
use crate::config::{Asking, Callee, Source};
use crate::error::CommandError;
use crate::identity;
use crate::network_file::NetworkFile;

/// Of the JSON of a schema at most so many bytes are read: its escapes take more than the schema itself.
const JSON_BYTES_MAX: u64 = 8 * SCHEMA_BYTES_MAX as u64;

/// Reads or fetches a schema.
pub(crate) async fn load(source: &Source, asking: &Asking) -> Result<EncodedSchema, CommandError> {
    match source {
        Source::File(path) => of_file(path),
        Source::Address(at) => of_address(at, asking).await,
        Source::Service(name) => {
            let callee = Callee {
                service: name.clone(),
                to: None,
                deadline: asking.deadline,
                tls: asking.tls.clone(),
                anonymous: asking.anonymous,
                data: asking.data.clone(),
            };
            Ok(call::reach(&callee).await?.schema)
        }
    }
}

/// A schema in a file, as `micronet schema export` has written it.
fn of_file(path: &Path) -> Result<EncodedSchema, CommandError> {
    let name = path.display();
    let size = fs::metadata(path).map_or(0, |metadata| metadata.len());
    if size > JSON_BYTES_MAX {
        return Err(CommandError::usage(format!("{name} is too long for a schema")));
    }
    let bytes =
        fs::read(path).map_err(|error| CommandError::usage(format!("cannot read {name}: {error}")))?;
    let schema = if bytes.first() == Some(&b'{') {
        json::to_schema(&bytes)
    } else {
        EncodedSchema::decode(Bytes::from(bytes)).map_err(|error| error.to_string())
    };
    schema.map_err(|why| {
        CommandError::usage(format!("{name} is no schema: {why}"))
            .next("write one: micronet schema export SERVICE --output FILE")
    })
}

/// The schema of whoever answers there.
async fn of_address(at: &HostPort, asking: &Asking) -> Result<EncodedSchema, CommandError> {
    let network = NetworkFile::of_running_network(&asking.data)?;
    let identity = identity::of_tool(asking.tls.as_ref(), network.as_ref(), &asking.data, asking.anonymous)?;
    let address = at.resolve().await?;
    let failed = |error: RpcError| {
        CommandError::new(format!("{at}: {error}")).with_exit_code(call::exit_code(error.code))
    };
    let fetching = async {
        let client = Client::connect(address, &identity).await?;
        let hello = client.ready().await?;
        match hello.schema {
            None => Ok(None),
            Some(announced) => fetch_schema(&client, announced).await.map(Some),
        }
    };
    let fetched = tokio::time::timeout(asking.deadline, fetching).await;
    let fetched =
        fetched.map_err(|_| CommandError::new(format!("{at} didn't answer within the deadline")))?;
    fetched.map_err(failed)?.ok_or_else(|| CommandError::new(format!("{at} serves no schema")))
}
