//! Certificates made by rcgen, on real sockets.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use micronet_wire::builtin::{BuiltinClient, WithBuiltin};
use micronet_wire::error::RpcError;
use micronet_wire::principal::Principal;
use micronet_wire::schema::{Message, Timestamp};
use micronet_wire::service::{CallContext, CallOptions, service};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType, date_time_ymd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::*;
use crate::client::Client;
use crate::drain::{DrainTrigger, channel};
use crate::identity::Identity;
use crate::server::serve;
use crate::socket;
use crate::tests::run;

const ORDER: &str = "spiffe://toys/service/order/order-1";
const PROBE: &str = "spiffe://toys/service/probe/probe-1";

/// Says who asks, at once or when its gate is open.
#[service(name = "probe")]
trait Probe {
    /// Who asks.
    #[rpc(public, http("GET /who"), text, idempotent)]
    async fn who(&self, context: &CallContext) -> Result<String, RpcError>;
    /// The same text again.
    #[rpc(public, idempotent)]
    async fn echo(&self, context: &CallContext, request: Text) -> Result<Text, RpcError>;
    /// The same, once the gate is open.
    #[rpc(service("order"), idempotent)]
    async fn wait(&self, context: &CallContext, request: Patience) -> Result<String, RpcError>;
}

#[derive(Message, Debug, Clone, PartialEq, Eq)]
struct Text {
    text: String,
}

#[derive(Message, Debug, Clone, PartialEq, Eq)]
struct Patience {
    of: String,
}

#[derive(Default)]
struct Probing {
    entered: Rc<Notify>,
    gate: Rc<Notify>,
}

impl Probe for Probing {
    async fn who(&self, context: &CallContext) -> Result<String, RpcError> {
        Ok(context.principal.key())
    }
    async fn echo(&self, _: &CallContext, request: Text) -> Result<Text, RpcError> {
        Ok(request)
    }
    async fn wait(&self, context: &CallContext, _: Patience) -> Result<String, RpcError> {
        self.entered.notify_one();
        self.gate.notified().await;
        Ok(context.principal.key())
    }
}

/// A CA and a folder for its files.
struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Drop for Ca {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Ca {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("micronet-tls-{}-{count}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, format!("the CA {count}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(folder.join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    /// Issues a certificate with these URIs that is good until the end of this year; and so replaces the one of this name.
    fn issue(&self, name: &str, uris: &[&str], year: i32) -> TlsFiles {
        let mut params = CertificateParams::default();
        params.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
        params.not_after = date_time_ymd(year, 12, 31);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let own = self.folder.join(format!("{name}.pem"));
        let fresh = self.folder.join("fresh");
        fs::write(&fresh, certificate.pem() + &key.serialize_pem()).unwrap();
        fs::set_permissions(&fresh, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        fs::rename(&fresh, &own).unwrap();
        TlsFiles { ca: self.folder.join("ca.pem"), own }
    }

    fn identity(&self, uri: &str) -> Identity {
        identity(self.issue("somebody", &[uri], 2100))
    }
}

fn identity(files: TlsFiles) -> Identity {
    Identity { tls: Some(Tls::load(files, false).unwrap()), ..Identity::default() }
}

/// Starts a service with this identity on a free port.
fn start(probing: Probing, identity: Identity) -> (SocketAddr, DrainTrigger) {
    let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, drain) = channel();
    let server = ProbeServer::new(probing).unwrap();
    let server = Rc::new(WithBuiltin::new(server, "probe-1", "0", Timestamp(0)).unwrap());
    tokio::task::spawn_local(serve(listener, server, Rc::new(identity), drain));
    (address, trigger)
}

#[test]
fn the_certificate_says_who_calls() {
    run(async {
        let ca = Ca::new();
        let (address, _trigger) = start(Probing::default(), ca.identity(PROBE));
        for (uri, who) in [(ORDER, "service/order"), ("spiffe://toys/operator", "operator")] {
            let client = Client::connect_to("probe", address, &ca.identity(uri)).await.unwrap();
            assert_eq!(client.ready().await.unwrap().instance, "probe-1", "as its certificate says");
            let probe = ProbeClient::new(client);
            assert_eq!(probe.who(CallOptions::default()).await.unwrap(), who);
        }
    });
}

#[test]
fn many_large_messages_pass_both_ways_at_once() {
    run(async {
        let ca = Ca::new();
        let (address, _trigger) = start(Probing::default(), ca.identity(PROBE));
        let probe = ProbeClient::new(Client::connect(address, &ca.identity(ORDER)).await.unwrap());
        let text = Text { text: "x".repeat(1_000_000) };
        for _ in 0..4 {
            let calls = (0..3).map(|_| probe.echo(&text, CallOptions::default()));
            for answer in futures_util::future::join_all(calls).await {
                assert!(answer.unwrap() == text);
            }
        }
    });
}

#[test]
fn no_service_calls_what_is_anothers() {
    run(async {
        let ca = Ca::new();
        let (address, _trigger) = start(Probing::default(), ca.identity(PROBE));
        let cart = ca.identity("spiffe://toys/service/cart/cart-1");
        let probe = ProbeClient::new(Client::connect(address, &cart).await.unwrap());
        let request = Patience { of: "Job".into() };
        let refused = probe.wait(&request, CallOptions::default()).await.unwrap_err();
        assert_eq!(refused.code, Code::InsufficientPermissions);
        assert!(refused.message.contains("order"), "{refused}");
        // Nor by a name that isn't its own.
        let passing = Principal::Service { name: "order".into() };
        let options = CallOptions { principal: Some(passing), ..CallOptions::default() };
        assert_eq!(probe.wait(&request, options).await.unwrap_err().code, Code::Unauthenticated);
    });
}

#[test]
fn strangers_are_refused_in_words() {
    run(async {
        let (ca, foreign) = (Ca::new(), Ca::new());
        let (address, _trigger) = start(Probing::default(), ca.identity(PROBE));
        let check = async |identity: Identity, wanted: &str| {
            let error = match Client::connect_to("probe", address, &identity).await {
                Ok(client) => client.closed().await.unwrap_err().to_string(),
                Err(error) => error.to_string(),
            };
            assert!(error.contains(wanted), "{error} instead of {wanted}");
        };
        // The files that another CA's certificate is dialled with name our CA, so that it is the acceptor who refuses.
        let of = |mut files: TlsFiles| {
            files.ca = ca.folder.join("ca.pem");
            identity(files)
        };
        check(Identity::default(), "TLS_REQUIRED").await;
        check(of(foreign.issue("order", &[ORDER], 2100)), "a CA that it doesn't know").await;
        check(foreign.identity(ORDER), "is not of the CA of this cluster").await;
        check(of(ca.issue("old", &[ORDER], 2001)), "has expired").await;
        let other = Identity { node: "cart".into(), ..ca.identity(ORDER) };
        check(other, "WRONG_IDENTITY: HELLO names the node \"cart\"").await;
        check(ca.identity("spiffe://games/service/order/order-1"), "and this is the cluster games").await;
    });
}

#[test]
fn a_certificate_without_one_identity_is_of_no_use() {
    let ca = Ca::new();
    for uris in [&[][..], &["https://toys/operator"], &[ORDER, PROBE]] {
        let error = Tls::load(ca.issue("odd", uris, 2100), false).unwrap_err().to_string();
        assert!(error.contains("no SPIFFE id"), "{error}");
    }
    let files = ca.issue("open", &[ORDER], 2100);
    fs::set_permissions(&files.own, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    assert!(Tls::load(files.clone(), false).unwrap_err().to_string().contains("chmod 600"));
    fs::remove_file(&files.own).unwrap();
    assert!(Tls::load(files.clone(), false).unwrap_err().to_string().contains("cannot read"));
    let mixed = ca.issue("mixed", &[ORDER], 2100);
    let text = fs::read_to_string(&mixed.own).unwrap();
    let other = fs::read_to_string(ca.issue("other", &[ORDER], 2100).own).unwrap();
    let (certificate, _) = text.split_once("-----BEGIN PRIVATE").unwrap();
    let (_, key) = other.split_once("-----BEGIN PRIVATE").unwrap();
    fs::write(&mixed.own, format!("{certificate}-----BEGIN PRIVATE{key}")).unwrap();
    assert!(Tls::load(mixed, false).is_err(), "the key is another's");
}

#[test]
fn a_dialler_wants_the_service_that_it_asked_for() {
    run(async {
        let ca = Ca::new();
        let (address, _trigger) = start(Probing::default(), ca.identity(PROBE));
        let order = ca.identity(ORDER);
        let error = Client::connect_to("product", address, &order).await.unwrap_err();
        assert_eq!(error.code, Code::WrongIdentity);
        assert!(error.message.contains(PROBE) && error.message.contains("not of product"), "{error}");
        Client::connect(address, &order).await.unwrap();
        // The operator's certificate serves nothing.
        let (address, _trigger) = start(Probing::default(), ca.identity("spiffe://toys/operator"));
        let error = Client::connect(address, &order).await.unwrap_err();
        assert!(error.message.contains("of no service"), "{error}");
        // Nor does one who speaks no TLS.
        let (address, _trigger) = start(Probing::default(), Identity::default());
        let error = Client::connect(address, &order).await.unwrap_err();
        assert_eq!(error.code, Code::Protocol);
        assert!(error.message.contains("doesn't speak TLS"), "{error}");
    });
}

#[test]
fn plaintext_hears_what_the_port_speaks_and_nothing_else() {
    run(async {
        let ca = Ca::new();
        let (address, _trigger) = start(Probing::default(), ca.identity(PROBE));
        for (said, begins) in [
            ("GET /who HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 "),
            ("hello\n", "-ERR TLS_REQUIRED "),
            ("\u{1}\n", "HTTP/1.1 400 "),
        ] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(said.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with(begins) && answer.contains("TLS_REQUIRED"), "{answer}");
        }
    });
}

#[test]
fn http_in_tls_is_that_of_the_certificate() {
    run(async {
        let ca = Ca::new();
        let (address, _trigger) = start(Probing::default(), ca.identity(PROBE));
        let order = ca.identity(ORDER).tls.unwrap();
        let (mut stream, _) =
            order.dial(TcpStream::connect(address).await.unwrap(), Some("probe")).await.unwrap();
        stream.write_all(b"GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("\r\n\r\nservice/order"), "{answer}");
    });
}

#[test]
fn fresh_certificates_are_for_fresh_connections() {
    run(async {
        let ca = Ca::new();
        let files = ca.issue("probe", &[PROBE], 2100);
        let identity = identity(files);
        let tls = identity.tls.clone().unwrap();
        let probing = Probing::default();
        let (entered, gate) = (Rc::clone(&probing.entered), Rc::clone(&probing.gate));
        let (address, _trigger) = start(probing, identity);
        let order = ca.identity(ORDER);
        let presented = async || {
            let dialler = order.tls.as_ref().unwrap();
            let (stream, _) = dialler.dial(TcpStream::connect(address).await.unwrap(), None).await.unwrap();
            stream.get_ref().1.peer_certificates().unwrap()[0].clone()
        };
        let first = presented().await;
        let old = ProbeClient::new(Client::connect(address, &order).await.unwrap());
        let request = Patience { of: "Job".into() };
        let waiting = old.wait(&request, CallOptions::default());
        let (answer, ()) = tokio::join!(waiting, async {
            entered.notified().await;
            assert_eq!(tls.reload(), Ok(false));
            ca.issue("probe", &[PROBE], 2100);
            assert_eq!(tls.reload(), Ok(true));
            let second = presented().await;
            assert!(first != second, "a new connection sees the new certificate");
            gate.notify_one();
        });
        assert_eq!(answer.unwrap(), "service/order");
        assert_eq!(old.who(CallOptions::default()).await.unwrap(), "service/order");
        // What can't be used changes nothing.
        let second = presented().await;
        fs::write(&tls.0.files.own, "nonsense").unwrap();
        assert!(tls.reload().is_err());
        ca.issue("probe", &["spiffe://toys/service/probe/probe-2"], 2100);
        assert!(tls.reload().unwrap_err().to_string().contains("probe-2"));
        assert!(presented().await == second);
    });
}

#[test]
fn whoever_does_not_finish_the_handshake_is_sent_away() {
    run(async {
        let ca = Ca::new();
        let tls = ca.identity(PROBE).tls.unwrap();
        let (mut ours, theirs) = tokio::io::duplex(1024);
        tokio::time::pause();
        let begun = Begun { input: bytes::BytesMut::from(&[0x16, 3, 1][..]), stream: theirs };
        let accepting = tls.accept(begun, Instant::now() + Duration::from_millis(HANDSHAKE_MS_MAX));
        let refused = accepting.await.map(|_| ()).unwrap_err();
        assert_eq!(refused, Refused::new("the TLS handshake took too long"));
        assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn a_dialler_does_not_wait_for_ever() {
    run(async {
        let ca = Ca::new();
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap();
        let order = ca.identity(ORDER);
        let stream = TcpStream::connect(address).await.unwrap();
        tokio::time::pause();
        let error = order.tls.unwrap().dial(stream, None).await.map(|_| ()).unwrap_err();
        assert_eq!(error.code, Code::Silent);
    });
}

#[test]
fn the_built_in_service_answers_in_tls_too() {
    run(async {
        let ca = Ca::new();
        let (address, _trigger) = start(Probing::default(), ca.identity(PROBE));
        let client = Client::connect_to("probe", address, &ca.identity(ORDER)).await.unwrap();
        let instance = BuiltinClient::new(client).instance(CallOptions::default()).await.unwrap();
        assert_eq!(instance.service, "probe");
    });
}
