//! `micronet call` of a one-way method, of a service that runs in the test itself.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, mpsc};

use micronet_tests::folder::Folder;
use micronet_tests::process::{micronet, run};
use micronet_transport::drain::{self, DrainTrigger};
use micronet_transport::identity::Identity;
use micronet_transport::server::serve;
use micronet_transport::socket;
use micronet_wire::builtin::WithBuiltin;
use micronet_wire::schema::{Message, Timestamp};
use micronet_wire::service::{CallContext, service};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::Notify;

#[derive(Message)]
struct Note {
    words: String,
}

/// What is to be kept in mind.
#[service(name = "notes")]
trait Notes {
    /// Keeps a note.
    #[rpc(one_way, public)]
    async fn add(&self, context: &CallContext, request: Note);
    /// Keeps a secret.
    #[rpc(one_way, service)]
    async fn hide(&self, context: &CallContext, request: Note);
}

#[derive(Clone)]
struct Kept {
    notes: Rc<RefCell<Vec<String>>>,
    /// Told when who has asked for a note to be kept is gone.
    caller_gone: Arc<Notify>,
}

impl Notes for Kept {
    async fn add(&self, _: &CallContext, request: Note) {
        self.caller_gone.notified().await;
        self.notes.borrow_mut().push(request.words);
    }
    async fn hide(&self, _: &CallContext, request: Note) {
        self.notes.borrow_mut().push(request.words);
    }
}

/// Serves until it is told to drain; the notes that it has kept by then.
fn keep_notes(ready: &mpsc::Sender<(SocketAddr, DrainTrigger)>, caller_gone: Arc<Notify>) -> Vec<String> {
    let runtime =
        Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).expect("a runtime");
    runtime.block_on(async {
        let listener = socket::listen("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let (trigger, drain) = drain::channel();
        ready.send((listener.local_addr().expect("an address"), trigger)).expect("the test waits");
        let kept = Kept { notes: Rc::default(), caller_gone };
        let server = NotesServer::new(kept.clone()).expect("a schema");
        let service = WithBuiltin::new(server, "notes-1", "0", Timestamp(0)).expect("a schema");
        serve(listener, Rc::new(service), Rc::new(Identity::default()), drain).await;
        kept.notes.take()
    })
}

#[test]
fn a_one_way_method_is_called_and_not_waited_for() {
    let (ready, started) = mpsc::channel();
    let caller_gone = Arc::new(Notify::new());
    let gone = Arc::clone(&caller_gone);
    let serving = std::thread::spawn(move || keep_notes(&ready, gone));
    let (address, trigger) = started.recv().expect("it starts");
    let folder = Folder::new();
    let call = |method: &str, request: &str| {
        let to = address.to_string();
        run(micronet(folder.path(), &["call", method, request, "--to", &to, "--anonymous"]))
    };
    let said = call("notes.add", r#"{"words":"feed the whale"}"#).check(0);
    assert_eq!(said.stdout, "sent to notes-1: the method is one-way, so no answer follows\n");
    caller_gone.notify_one();
    // That it is refused isn't told, but that it isn't JSON of the method's type is, before it is sent.
    call("notes.hide", r#"{"words":"psst"}"#).check(0);
    assert!(call("notes.add", r#"{"words":7}"#).check(2).stderr.contains("words"));
    trigger.drain();
    assert_eq!(serving.join().expect("it ends"), ["feed the whale"]);
}
