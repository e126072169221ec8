//! No process outlives the test program that started it, however that ends: a shell holds the list of what runs, and
//! kills it when its stdin closes, which the operating system sees to.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

const SHELL: &str = r#"
pids=
while read -r sign pid; do
  rest=
  for each in $pids; do [ "$each" = "$pid" ] || rest="$rest $each"; done
  pids=$rest
  [ "$sign" = + ] && pids="$pids $pid"
done
[ -z "$pids" ] || kill -9 $pids
"#;

/// Puts a process that was just started on the leash.
pub fn put_on(pid: u32) {
    tell('+', pid);
}

/// Takes one off that has ended. Before it is reaped: afterwards its id may be a stranger's.
pub fn take_off(pid: u32) {
    tell('-', pid);
}

fn tell(sign: char, pid: u32) {
    static SHELL_STDIN: OnceLock<Mutex<ChildStdin>> = OnceLock::new();
    let stdin = SHELL_STDIN.get_or_init(|| Mutex::new(start()));
    let mut stdin = stdin.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(stdin, "{sign} {pid}").expect("the shell that holds the leash reads");
}

fn start() -> ChildStdin {
    let mut shell = Command::new("/bin/sh");
    // A group of its own: Ctrl-C in the terminal ends the tests, and the leash after them.
    shell.args(["-c", SHELL]).stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
    shell.spawn().expect("/bin/sh starts").stdin.take().expect("its stdin is a pipe")
}
