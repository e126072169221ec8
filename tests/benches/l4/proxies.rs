//! The proxies, each in a thread or a process of its own, whose CPU time is what is measured.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use micronet_gateway::l4::{Config, Target, VirtualPort};
use micronet_transport::drain::{self, DrainTrigger};
use tokio::io::copy_bidirectional;

/// A way to pass TCP through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A virtual port as it is.
    VirtualPort,
    /// A virtual port that may not splice.
    WithoutSplice,
    /// `tokio::io::copy_bidirectional`.
    Copying,
    /// HAProxy in TCP mode with `option splice-auto`.
    HaproxySplice,
    /// HAProxy in TCP mode.
    Haproxy,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] =
        [Self::VirtualPort, Self::WithoutSplice, Self::Copying, Self::HaproxySplice, Self::Haproxy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::VirtualPort => "micronet",
            Self::WithoutSplice => "micronet, copying",
            Self::Copying => "tokio, copying",
            Self::HaproxySplice => "HAProxy, splicing",
            Self::Haproxy => "HAProxy",
        }
    }
}

/// A proxy that runs until this is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    /// Where the kernel says how long it ran.
    clock: PathBuf,
    running: Running,
}

enum Running {
    Thread(Option<DrainTrigger>, Option<JoinHandle<()>>),
    Process(Child),
}

impl Proxy {
    /// Starts one in front of a server; `None` where it is not installed.
    pub(crate) fn start(kind: Kind, server: SocketAddr) -> Option<Self> {
        match kind {
            Kind::Haproxy | Kind::HaproxySplice => haproxy(kind == Kind::HaproxySplice, server),
            _ => Some(in_thread(kind, server)),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How long it has run on a CPU so far, in nanoseconds.
    pub(crate) fn cpu_ns(&self) -> u64 {
        let text = fs::read_to_string(&self.clock).expect("the kernel says how long it ran");
        text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("nanoseconds")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        match &mut self.running {
            Running::Thread(trigger, thread) => {
                if let Some(trigger) = trigger.take() {
                    trigger.drain();
                }
                let _ = thread.take().map(JoinHandle::join);
            }
            Running::Process(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

fn in_thread(kind: Kind, server: SocketAddr) -> Proxy {
    let (said, started) = mpsc::sync_channel(1);
    let (trigger, drain) = drain::channel();
    let thread = thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default());
        runtime.expect("a runtime").block_on(async move {
            let clock = fs::canonicalize("/proc/thread-self").expect("this thread").join("schedstat");
            if kind == Kind::Copying {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                said.send((listener.local_addr().expect("an address"), clock)).expect("heard");
                let mut drain = drain;
                loop {
                    let mut client = tokio::select! {
                        () = drain.begun() => return,
                        accepted = listener.accept() => accepted.expect("a connection").0,
                    };
                    tokio::task::spawn_local(async move {
                        client.set_nodelay(true)?;
                        let mut backend = tokio::net::TcpStream::connect(server).await?;
                        backend.set_nodelay(true)?;
                        copy_bidirectional(&mut client, &mut backend).await
                    });
                }
            }
            let any = "127.0.0.1:0".parse().expect("an address");
            let mut config = Config::new(any, Target::Addresses(vec![server]));
            config.splice = kind == Kind::VirtualPort;
            let (port, listener) = VirtualPort::open(&config, &Default::default()).expect("a free port");
            said.send((port.address(), clock)).expect("heard");
            port.serve(listener, drain).await;
        });
    });
    let (address, clock) = started.recv().expect("it starts");
    Proxy { address, clock, running: Running::Thread(Some(trigger), Some(thread)) }
}

fn haproxy(splice: bool, server: SocketAddr) -> Option<Proxy> {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let splice = if splice { "option splice-auto" } else { "" };
    let text = format!(
        "global\n  nbthread 1\ndefaults\n  mode tcp\n  {splice}\n  timeout connect 1s\n  timeout client 60s\n  \
         timeout server 60s\nlisten l4\n  bind {address}\n  server one {server}\n"
    );
    let file = std::env::temp_dir().join(format!("micronet-bench-{}.cfg", std::process::id()));
    fs::write(&file, text).expect("a file");
    let mut command = Command::new("haproxy");
    let child =
        command.arg("-db").arg("-f").arg(&file).stdin(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
    while TcpStream::connect(address).is_err() {
        thread::yield_now();
    }
    let _ = fs::remove_file(&file);
    let clock = PathBuf::from(format!("/proc/{0}/task/{0}/schedstat", child.id()));
    Some(Proxy { address, clock, running: Running::Process(child) })
}
