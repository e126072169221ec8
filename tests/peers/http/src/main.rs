//! HTTP gateways that make calls of requests, a proxy, and a backend for proxies. All answer `POST /api/v1/bench/item`.

mod backend;
mod hyper_proxy;
mod items;
mod polled_gateway;
mod request;
mod tokio_gateway;
mod tonic_gateway;

use std::net::SocketAddr;

use clap::{Args, Parser};
use harness::command_line::Listen;
use harness::runtime;

#[derive(Parser)]
enum Command {
    /// axum answers by itself: what proxies are put in front of
    Backend(Listen),
    /// hyper takes requests and sends them on by its pooled client
    HyperProxy(Proxy),
    /// epoll: requests become calls of a plain echo, on one connection
    PolledGateway(Proxy),
    /// tokio: the same with a task a connection
    TokioGateway(Proxy),
    /// axum takes requests, tonic makes calls of them
    TonicGateway(Proxy),
}

#[derive(Args)]
struct Proxy {
    #[command(flatten)]
    listen: Listen,
    /// Where requests are sent on to
    #[arg(long)]
    backend: SocketAddr,
}

fn main() {
    match Command::parse() {
        Command::Backend(listen) => runtime::run(backend::serve(listen.listen)),
        Command::HyperProxy(proxy) => runtime::run(hyper_proxy::serve(proxy.listen.listen, proxy.backend)),
        Command::PolledGateway(proxy) => polled_gateway::serve(proxy.listen.listen, proxy.backend),
        Command::TokioGateway(proxy) => {
            runtime::run(tokio_gateway::serve(proxy.listen.listen, proxy.backend))
        }
        Command::TonicGateway(proxy) => {
            runtime::run(tonic_gateway::serve(proxy.listen.listen, proxy.backend))
        }
    }
}
