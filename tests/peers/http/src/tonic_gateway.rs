//! axum takes requests, and tonic's client makes calls of them, all on one connection.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tonic::transport::{Channel, Endpoint};
use tonic_echo::ItemRequest;
use tonic_echo::bench_client::BenchClient;

use crate::backend::{json, run};
use crate::items::{Item, PATH, Posted};

pub(crate) async fn serve(address: SocketAddr, backend: SocketAddr) {
    let endpoint = Endpoint::from_shared(format!("http://{backend}")).expect("an address");
    let client = BenchClient::new(endpoint.connect().await.expect("the backend listens"));
    run(address, Router::new().route(PATH, post(item)).with_state(client)).await;
}

async fn item(State(mut client): State<BenchClient<Channel>>, body: Bytes) -> Response {
    let Posted { id, name, amount, active } = match serde_json::from_slice(&body) {
        Ok(posted) => posted,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let request = ItemRequest { id, name: name.to_owned(), amount, active };
    match client.item(request).await {
        Ok(reply) => {
            let tonic_echo::Item { id, name, amount, active, status, note } = reply.into_inner();
            json(&Item { id, name: &name, amount, active, status: &status, note: &note })
        }
        Err(status) => (StatusCode::BAD_GATEWAY, status.to_string()).into_response(),
    }
}
