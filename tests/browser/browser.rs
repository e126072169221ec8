//! A browser of a test's own: a session at the driver, with its process, which ends with the test.

use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use fantoccini::elements::{Element, ElementRef};
use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use micronet_tests::leash;
use micronet_tests::process::{has_ended, kill_child_of_ours};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use url::{ParseError, Url};

use crate::driver;

const PROGRAM: &str = "/usr/bin/chromium";
/// As root and in containers: without a sandbox and without much shared memory.
const ARGUMENTS: [&str; 7] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--hide-scrollbars",
];
/// The key under which WebDriver says which element is meant.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A running browser.
pub(crate) struct Browser {
    runtime: Runtime,
    client: Option<Client>,
    pid: u32,
    profile: PathBuf,
}

impl Browser {
    #[track_caller]
    pub(crate) fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let profile = std::env::temp_dir().join(format!("micronet-browser-{}-{count}", std::process::id()));
        let folder = format!("--user-data-dir={}", profile.display());
        let arguments: Vec<&str> = ARGUMENTS.iter().copied().chain([folder.as_str()]).collect();
        let wanted = json!({
            "goog:chromeOptions": {
                "binary": PROGRAM,
                "args": arguments,
                "perfLoggingPrefs": { "enableNetwork": true, "enablePage": false },
            },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let Value::Object(wanted) = wanted else { unreachable!("it is an object") };
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let connected = runtime.block_on(async {
            ClientBuilder::new(HttpConnector::new()).capabilities(wanted).connect(driver::address()).await
        });
        let client = connected.unwrap_or_else(|error| panic!("{PROGRAM} doesn't start: {error}"));
        let pid = client.capabilities().and_then(|known| known.get("goog:processID")).and_then(Value::as_u64);
        let pid =
            pid.and_then(|pid| u32::try_from(pid).ok()).expect("the driver says which process it started");
        leash::put_on(pid);
        Self { runtime, client: Some(client), pid, profile }
    }

    /// Goes to an address, and waits until it is loaded.
    #[track_caller]
    pub(crate) fn go(&self, address: &str) {
        self.run(self.client().goto(address)).unwrap_or_else(|error| panic!("{address}: {error}"));
    }

    /// Runs a script in the page: the body of a function.
    #[track_caller]
    pub(crate) fn script(&self, body: &str, arguments: Vec<Value>) -> Value {
        self.try_script(body, arguments).unwrap_or_else(|error| panic!("{body}: {error}"))
    }

    pub(crate) fn try_script(&self, body: &str, arguments: Vec<Value>) -> Result<Value, CmdError> {
        self.run(self.client().execute(body, arguments))
    }

    /// Gives the browser a command of the DevTools protocol.
    #[track_caller]
    pub(crate) fn tools(&self, command: &str, parameters: &Value) -> Value {
        self.try_tools(command, parameters).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    pub(crate) fn try_tools(&self, command: &str, parameters: &Value) -> Result<Value, CmdError> {
        self.own_command("goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
    }

    /// Takes what was logged since it was asked last: `browser` is the console, `performance` has what was requested.
    pub(crate) fn log(&self, kind: &str) -> Result<Vec<Value>, CmdError> {
        let entries = self.own_command("se/log", json!({ "type": kind }))?;
        Ok(entries.as_array().cloned().unwrap_or_default())
    }

    /// The element that a script returned.
    pub(crate) fn element(&self, returned: &Value) -> Option<Element> {
        let id = returned.get(ELEMENT)?.as_str()?.to_owned();
        Some(Element::from_element_id(self.client().clone(), ElementRef::from(id)))
    }

    /// Waits for what was asked of the browser.
    pub(crate) fn run<T>(&self, asked: impl Future<Output = T>) -> T {
        self.runtime.block_on(asked)
    }

    fn client(&self) -> &Client {
        self.client.as_ref().expect("it is there until the browser is dropped")
    }

    fn own_command(&self, path: &'static str, body: Value) -> Result<Value, CmdError> {
        self.run(self.client().issue_cmd(OwnCommand { path, body }))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        leash::take_off(self.pid);
        let client = self.client.take().expect("it is dropped once");
        let closed = self.runtime.block_on(client.close());
        if closed.is_err() && !has_ended(self.pid) {
            kill_child_of_ours(self.pid, &self.profile);
        }
        if !thread::panicking() {
            closed.expect("the session ends well");
        }
        let _ = fs::remove_dir_all(&self.profile);
    }
}

/// A command that chromium's driver has beside those of WebDriver.
#[derive(Debug)]
struct OwnCommand {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for OwnCommand {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
