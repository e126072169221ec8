//! Callgrind: runs this program under it, and reads what it wrote.
//!
//! Counted is what is executed, but for the allocator: the real program has another one, and its work depends on what the heap looks
//! like. How often it is called is counted instead.
//! Valgrind shows every program the same processor (given AVX2 or not), so that the same paths are taken on all machines.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, process};

use crate::meter::COUNTED;
use crate::record::Cost;

/// The allocator, as libc names it; of these the first ones give memory.
const ALLOCATES: [&str; 6] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"];
const FREES: &str = "free";

/// What each case costs, counted once.
pub(crate) fn count(only: &str) -> Result<BTreeMap<String, Cost>, String> {
    let folder = Folder::new()?;
    let out = folder.0.join("out");
    let program = env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--dump-line=no", "--compress-pos=no"])
        // Only a dump sets the counts of calls to zero: what was before each case is dumped, and not read.
        .arg(format!("--dump-before={COUNTED}"))
        .arg(format!("--dump-after={COUNTED}"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["--work", "--only", only])
        // What the environment says must not matter.
        .env_clear()
        .envs(env::var_os("PATH").map(|path| (OsStr::new("PATH").to_owned(), path)))
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("valgrind: {error} (Debian's package is valgrind)"))?;
    if !output.status.success() {
        return Err(format!("valgrind ended with {}", output.status));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    // Dumps are out.1 and so on, by turns of what was before a case and of the case.
    said.lines()
        .zip((2..).step_by(2))
        .map(|(line, number)| {
            let (times, name) = line.split_once(' ').ok_or_else(|| format!("{line:?}: no case"))?;
            let times: f64 = times.parse().map_err(|_| format!("{line:?}: no number"))?;
            let path = out.with_extension(number.to_string());
            let dump = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let total = read(&dump).map_err(|why| format!("{}: {why}", path.display()))?;
            let cost = Cost {
                instructions: total.instructions as f64 / times,
                allocations: total.allocations as f64 / times,
            };
            Ok((name.to_owned(), cost))
        })
        .collect()
}

/// A folder of this process's own, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, String> {
        let path = env::temp_dir().join(format!("micronet-guard-{}", process::id()));
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a dump adds up to.
#[derive(Debug, PartialEq, Eq)]
struct Total {
    instructions: u64,
    allocations: u64,
}

/// Reads a dump (the format is described in valgrind's manual): lines of cost under the object and function that they belong to, and
/// calls, whose next line is what they cost together with all that was called in turn.
fn read(dump: &str) -> Result<Total, String> {
    let mut names = Names::default();
    let (mut executed, mut by_allocator, mut allocations) = (0, 0, 0);
    // Whether what is read belongs to the program's own code, and what it calls.
    let (mut is_own, mut callee_is_own, mut callee) = (false, None, "");
    let mut is_call = false;
    for line in dump.lines() {
        let (key, value) = line.split_once('=').unwrap_or(("", line));
        match key {
            "ob" => is_own = is_program(names.object(value)),
            "cob" => callee_is_own = Some(is_program(names.object(value))),
            "fn" => drop(names.function(value)),
            "cfn" => callee = names.function(value),
            "calls" => {
                if is_own && callee_is_own == Some(false) && ALLOCATES.contains(&callee) {
                    allocations += number(value, 0)?;
                }
                is_call = true;
            }
            "" if line.starts_with(|first: char| first.is_ascii_digit()) => {
                let cost = number(line, 1)?;
                let callee_is_own = callee_is_own.take().unwrap_or(is_own);
                match std::mem::take(&mut is_call) {
                    false => executed += cost,
                    true if is_own && !callee_is_own && is_allocator(callee) => by_allocator += cost,
                    true => {}
                }
            }
            _ => {}
        }
    }
    match executed {
        0 => Err("nothing was counted".into()),
        _ => Ok(Total { instructions: executed - by_allocator, allocations }),
    }
}

/// The number at a place of a line.
fn number(line: &str, place: usize) -> Result<u64, String> {
    let number = line.split(' ').nth(place).and_then(|number| number.parse().ok());
    number.ok_or_else(|| format!("{line:?}: no number at {place}"))
}

fn is_allocator(function: &str) -> bool {
    function == FREES || ALLOCATES.contains(&function)
}

/// Whether an object is this program, and not a library.
fn is_program(object: &str) -> bool {
    Path::new(object).file_name().is_some_and(|name| name == env!("CARGO_PKG_NAME"))
}

/// Names are written once, as `(7) malloc`, and then as `(7)`.
#[derive(Default)]
struct Names<'a> {
    objects: HashMap<&'a str, &'a str>,
    functions: HashMap<&'a str, &'a str>,
}

impl<'a> Names<'a> {
    fn object(&mut self, value: &'a str) -> &'a str {
        Self::resolve(&mut self.objects, value)
    }

    fn function(&mut self, value: &'a str) -> &'a str {
        Self::resolve(&mut self.functions, value)
    }

    fn resolve(known: &mut HashMap<&'a str, &'a str>, value: &'a str) -> &'a str {
        match value.split_once(' ') {
            Some((id, name)) => {
                known.insert(id, name);
                name
            }
            None => known.get(value).copied().unwrap_or(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As callgrind writes it: `work` executes 100, calls malloc twice and copies once; malloc and memcpy are libc's.
    const DUMP: &str = "\
positions: line
events: Ir

ob=(1) /lib/libc.so.6
fn=(1) malloc
0 60

fn=(2) memcpy
0 20

fn=(3) __libc_start_main
cob=(2) /target/release/micronet-guard
cfn=(4) work
calls=1 0
0 180

ob=(2)
fn=(4)
0 70
cob=(1)
cfn=(1)
calls=2 0
0 60
cob=(1)
cfn=(2)
calls=1 0
0 20
cfn=(5) helper
calls=9 0
0 30

fn=(5)
0 30
";

    #[test]
    fn all_but_the_allocator_is_counted_and_the_allocator_by_its_calls() {
        assert_eq!(read(DUMP), Ok(Total { instructions: 120, allocations: 2 }));
    }

    #[test]
    fn a_dump_of_nothing_is_refused() {
        assert_eq!(read("positions: line\nevents: Ir\n"), Err("nothing was counted".into()));
        assert!(read("fn=(1) work\n0 many\n").is_err());
    }
}
