//! Everything that has metrics, as Prometheus finds it (HTTP service discovery): a list of targets with labels. It is no part of
//! the gateway's schema, since Prometheus wants it without an envelope.

use std::net::SocketAddr;

use bytes::BytesMut;
use micronet_transport::identity::Identity;
use micronet_wire::http1::{Method, RequestHead, Status};
use micronet_wire::json::put_string;
use micronet_wire::network::InstancesOf;
use micronet_wire::openapi::Page;
use micronet_wire::rest::{Answer, other_methods};

/// Where Prometheus finds it.
pub(crate) const PATH: &str = "/api/v1/targets";

/// What the gateway's description says of it.
pub(crate) const PAGES: &[Page] = &[Page {
    path: PATH,
    id: "operation.targets",
    doc: "Everything that has metrics, as Prometheus finds it (HTTP service discovery).",
    content_type: "application/json",
    schema: r#"{ "type": "array", "items": { "type": "object", "required": ["targets", "labels"], "properties": {
        "targets": { "type": "array", "items": { "type": "string" } },
        "labels": { "type": "object", "additionalProperties": { "type": "string" } } } } }"#,
    may_be_unavailable: false,
}];

/// The list, for a gateway that serves HTTP there.
pub(crate) fn answer(
    head: &RequestHead,
    identity: &Identity,
    http: Option<SocketAddr>,
    https: bool,
) -> Answer {
    if !matches!(head.method(), Method::Get | Method::Head) {
        return *other_methods(head.method(), &["GET"]);
    }
    Answer::body_of(Status::OK, "application/json", &list(identity, http, https))
}

fn list(identity: &Identity, http: Option<SocketAddr>, https: bool) -> BytesMut {
    let mut out = BytesMut::from(&b"["[..]);
    // The gateway's HTTP has TLS of its own, or none, whatever services speak.
    let of = |tls: bool| if tls { "https" } else { "http" };
    let scheme = of(identity.tls.is_some());
    if let Some(address) = http {
        let own = [
            ("__scheme__", of(https)),
            ("__meta_micronet_cluster", &identity.cluster),
            ("__meta_micronet_service", &identity.node),
            ("__meta_micronet_instance", &identity.instance),
        ];
        put_target(&mut out, &address.to_string(), &own);
    }
    for called in identity.network.instances("", &InstancesOf::default()).services {
        for each in &called.instances {
            let labels = [
                ("__scheme__", scheme),
                ("__meta_micronet_cluster", &identity.cluster),
                ("__meta_micronet_service", &called.service),
                ("__meta_micronet_instance", &each.instance),
            ];
            put_target(&mut out, &each.address, &labels);
        }
    }
    out.extend_from_slice(b"]\n");
    out
}

fn put_target(out: &mut BytesMut, address: &str, labels: &[(&str, &str)]) {
    if out.len() > 1 {
        out.extend_from_slice(b",");
    }
    out.extend_from_slice(b"{\"targets\":[");
    put_string(out, address);
    out.extend_from_slice(b"],\"labels\":");
    let mut between = &b"{"[..];
    for (name, value) in labels {
        out.extend_from_slice(between);
        between = b",";
        put_string(out, name);
        out.extend_from_slice(b":");
        put_string(out, value);
    }
    out.extend_from_slice(b"}}");
}
