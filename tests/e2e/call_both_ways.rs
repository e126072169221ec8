//! `micronet call` of a method with streams in both directions, of a service that it knows by its schema only.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Stdio};

use micronet_tests::folder::Folder;
use micronet_tests::process::micronet;
use micronet_tests::rpc::Served;
use micronet_transport::identity::Identity;
use micronet_wire::builtin::WithBuiltin;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::schema::{Message, Timestamp};
use micronet_wire::service::{CallContext, Incoming, Outgoing, service};

/// A number.
#[derive(Message, Debug, Clone, PartialEq)]
struct Number {
    /// Itself.
    #[field(max = 1000)]
    number: u32,
}

/// Numbers, both ways.
#[service(name = "doubler")]
trait Doubler {
    /// Doubles each; 13 is unlucky.
    #[rpc(public)]
    async fn double(
        &self,
        context: &CallContext,
        requests: Incoming<Number>,
        replies: Outgoing<Number>,
    ) -> Result<(), RpcError>;
}

struct Doubling;

impl Doubler for Doubling {
    async fn double(
        &self,
        _: &CallContext,
        mut requests: Incoming<Number>,
        mut replies: Outgoing<Number>,
    ) -> Result<(), RpcError> {
        while let Some(Number { number }) = requests.next().await? {
            if number == 13 {
                return Err(RpcError::new(Code::Internal, "thirteen is unlucky"));
            }
            replies.send(&Number { number: 2 * number }).await?;
        }
        Ok(())
    }
}

/// Serves until what is returned is dropped.
pub(crate) fn doubler() -> Served {
    Served::start(Identity::default, || {
        let service = DoublerServer::new(Doubling).expect("a schema");
        WithBuiltin::new(service, "doubler-1", "0", Timestamp(0)).expect("a schema")
    })
}

struct Conversation {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Conversation {
    fn begin(to: SocketAddr, flags: &[&str]) -> Self {
        let folder = Folder::new();
        let to = to.to_string();
        let arguments = [&["call", "doubler.double", "-", "--anonymous", "--to", &to], flags].concat();
        let mut command = micronet(folder.path(), &arguments);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command starts");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let stdin = child.stdin.take();
        Self { child, stdin, lines }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().expect("stdin"), "{line}").expect("it reads");
    }

    fn hear(&mut self) -> Option<String> {
        self.lines.next().map(|line| line.expect("text"))
    }

    /// Its exit code, and its words.
    fn end(mut self) -> (Option<i32>, String) {
        drop(self.stdin.take());
        let output = self.child.wait_with_output().expect("it ends");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    }
}

#[test]
fn lines_go_in_and_lines_come_out() {
    let served = doubler();
    let address = served.address;
    let mut talk = Conversation::begin(address, &[]);
    for number in [1, 2, 500] {
        // Each is answered before the next one is asked.
        talk.say(&format!("{{\"number\":{number}}}"));
        assert_eq!(talk.hear(), Some(format!("{{\"number\":{}}}", 2 * number)));
    }
    assert_eq!(talk.end(), (Some(0), String::new()));

    let mut talk = Conversation::begin(address, &["--count", "1"]);
    talk.say("{\"number\":4}");
    assert_eq!(talk.hear().as_deref(), Some("{\"number\":8}"));
    assert_eq!(talk.hear(), None);
    assert_eq!(talk.end().0, Some(0));

    let failing = [
        ("{\"number\":13}", 9, "thirteen is unlucky"),
        ("{\"number\":1001}", 4, "INVALID_INPUT"),
        ("{\"number\":\"many\"}", 1, "line 2 was not sent"),
    ];
    for (line, failed, words) in failing {
        let mut talk = Conversation::begin(address, &[]);
        talk.say("{\"number\":7}");
        assert_eq!(talk.hear().as_deref(), Some("{\"number\":14}"));
        talk.say(line);
        assert_eq!(talk.hear(), None);
        let (code, said) = talk.end();
        assert!(code == Some(failed) && said.contains(words), "{said}");
    }
}
