//! Makes client and server of the service, which is described here rather than in a `.proto`, so that nobody needs protoc.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let method = |name: &str, route: &str, request: &str, reply: &str| {
        Method::builder()
            .name(name)
            .route_name(route)
            .input_type(request)
            .output_type(reply)
            .codec_path("tonic_prost::ProstCodec")
            .build()
    };
    let service = Service::builder()
        .name("Bench")
        .package("bench")
        .method(method("echo", "Echo", "crate::Payload", "crate::Payload"))
        .method(method("item", "Item", "crate::ItemRequest", "crate::Item"))
        .build();
    Builder::new().compile(&[service]);
}
