//! The least that a reverse proxy does with hyper: requests are sent on by its pooled client, answers come back as they are.

use std::net::SocketAddr;

use harness::runtime;
use hyper::body::Incoming;
use hyper::http::uri::{Authority, Scheme};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};

pub(crate) async fn serve(address: SocketAddr, backend: SocketAddr) {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
    let authority: Authority = backend.to_string().parse().expect("an address");
    let listener = runtime::listen(address).await;
    loop {
        let stream = TokioIo::new(runtime::accept(&listener).await);
        let (client, authority) = (client.clone(), authority.clone());
        let send_on = service_fn(move |mut request: Request<Incoming>| {
            let mut parts = std::mem::take(request.uri_mut()).into_parts();
            parts.scheme = Some(Scheme::HTTP);
            parts.authority = Some(authority.clone());
            *request.uri_mut() = Uri::from_parts(parts).expect("a whole address");
            client.request(request)
        });
        tokio::spawn(http1::Builder::new().serve_connection(stream, send_on));
    }
}
