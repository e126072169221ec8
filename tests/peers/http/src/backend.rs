//! axum answers by itself.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::ListenerExt;
use harness::runtime;

use crate::items::{PATH, Posted};

pub(crate) async fn serve(address: SocketAddr) {
    let router = Router::new().route(PATH, post(item));
    run(address, router).await;
}

/// Serves this without Nagle's delay.
pub(crate) async fn run(address: SocketAddr, router: Router) {
    let listener = runtime::listen(address).await.tap_io(|stream| {
        stream.set_nodelay(true).expect("a socket option");
    });
    axum::serve(listener, router).await.expect("it serves");
}

async fn item(body: Bytes) -> Response {
    match serde_json::from_slice::<Posted<'_>>(&body) {
        Ok(posted) => json(&posted.accepted()),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

/// An answer in JSON.
pub(crate) fn json(answer: &impl serde::Serialize) -> Response {
    let body = serde_json::to_vec(answer).expect("an item is JSON");
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
