//! What is said in TLS, by the secrets that the server was asked to write.

use std::process::Command;

use micronet_tests::folder::Folder;
use micronet_tests::ports;
use micronet_tests::process::{micronet, run};
use micronet_tests::server::Server;
use micronet_tests::wireshark::{Recording, packets};

use super::traffic::{Dissected, call, compare, connected, frames_counted, schema};
use crate::mtls::holder;

/// Each is two frames.
const CALLS: usize = 6_000;

#[test]
fn with_the_secrets_of_tls_every_frame_is_seen_under_load() {
    let (folder, captures) = (Folder::new(), Folder::new());
    for arguments in [&["certs", "init"][..], &["certs", "issue", "product"], &["certs", "issue", "operator"]]
    {
        run(micronet(folder.path(), arguments)).check(0);
    }
    let port = ports::free();
    let recording = Recording::start(&captures.path().join("tls.pcapng"), port);
    let listen = format!("127.0.0.1:{port}");
    let secrets = captures.path().join("secrets.log");
    let secrets = secrets.to_str().expect("a path");
    let service = ["service", "product", "--demo", "shop", "--mtls", "--tls-key-log"];
    let environment = [("SSLKEYLOGFILE", secrets)];
    let mut product = Server::start_on(folder.path(), "product-1", &listen, &service, &environment);
    assert!(
        product.process().stderr().contains("--tls-key-log: the secrets"),
        "{}",
        product.process().said()
    );
    let operator = holder(&folder, "operator");
    let said = connected(product.address(), &operator, async |client| {
        let schema = schema(client).await;
        call(client, schema.schema(), "tls", CALLS).await
    });
    let counted = frames_counted(|| {
        let mut curl = Command::new("curl");
        // Its certificate is for an instance, and not for a host.
        curl.args(["-sSk", "--cert"]).arg(folder.path().join("certs/operator.pem"));
        curl.arg(format!("https://{}/metrics", product.address()));
        run(curl).check(0).stdout
    });
    let recorded = recording.stop();
    assert_eq!((recorded.dropped, said.len()), (0, CALLS));

    let keys = format!("tls.keylog_file:{secrets}");
    let seen = Dissected::of(&recorded.file, &["-o", &keys]);
    let frames = seen.frames(port);
    assert_eq!(frames, counted, "frames towards {port} and from it, of {} packets", recorded.packets);
    assert!(frames.0 + frames.1 >= 10_000, "{frames:?} frames");
    assert!(seen.faults().is_empty(), "{:?}", seen.faults());
    compare(&said, &seen.calls());
    let seen = packets(&recorded.file, "micronet", &["frame.number"], &[]);
    assert!(seen.is_empty(), "who doesn't have the secrets sees nothing of it: {seen:?}");
}
