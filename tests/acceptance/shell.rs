//! A bash that is given commands, one after another, as somebody types them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use micronet_tests::leash;

/// The line behind what a command said.
const END: &str = "=== end of what was said ===";

/// A running bash.
pub(crate) struct Shell {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Shell {
    /// Starts one in this folder; `programs` is the first place where it looks for programs.
    pub(crate) fn start(folder: &Path, programs: &Path) -> Self {
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc"]).current_dir(folder).env("PATH", path);
        command.env("XDG_CONFIG_HOME", folder.join("config"));
        for variable in
            ["FRONT", "CATALOG", "ORDER", "USERS", "MICRONET_DATA", "MICRONET_TOKEN", "DATABASE_URL"]
        {
            command.env_remove(variable);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bash starts");
        leash::put_on(child.id());
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        stdin.write_all(b"exec 2>&1\n").expect("bash reads");
        Self { child, stdin, stdout }
    }

    /// Runs a command to its end, and gives all that it said. It has nothing on stdin.
    ///
    /// # Panics
    /// When the shell ends.
    pub(crate) fn run(&mut self, command: &str) -> String {
        let script = format!("{{ {command}\n}} </dev/null\nprintf '\\n%s\\n' '{END}'\n");
        self.stdin.write_all(script.as_bytes()).expect("bash reads");
        let mut said = String::new();
        while !said.ends_with(&format!("\n{END}\n")) {
            let read = self.stdout.read_line(&mut said).expect("bash writes text");
            assert!(read > 0, "bash ended after {command}: {said}");
        }
        let said = said.strip_suffix(&format!("\n{END}\n")).expect("it ends so");
        said.to_owned()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        leash::take_off(self.child.id());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
