#!/usr/bin/env python3
"""Does the guard see a request that costs more? Each of some patches, which do needless work on the way of all requests, is put into a
copy of the sources, and must make the guard fail against what it has recorded of the copy without any.

With --fit it only looks whether what the patches change is still there, which takes no time."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
COPY = TARGET / "guard-mutants"

# What is wrong, the file, what stands there exactly once, and what stands there instead.
MUTANTS = [
    (
        "an allocation for each frame that is put",
        "wire/src/frame.rs",
        "    let start = out.len();\n    out.extend_from_slice(&[0; HEADER_BYTES]);\n",
        "    let start = *std::hint::black_box(Box::new(out.len()));\n    out.extend_from_slice(&[0; HEADER_BYTES]);\n",
    ),
    (
        "a copy of each payload that is taken, into memory that is there already",
        "wire/src/frame.rs",
        "        Ok(Some(Self { header, payload }))\n",
        "        thread_local!(static COPY: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) });\n"
        "        COPY.with_borrow_mut(|copy| {\n"
        "            copy.clear();\n"
        "            copy.extend_from_slice(std::hint::black_box(&payload));\n"
        "        });\n"
        "        Ok(Some(Self { header, payload }))\n",
    ),
]


def copy_sources():
    for name in ["wire", "tests/guard"]:
        shutil.copytree(ROOT / name, COPY / name, dirs_exist_ok=True)
    manifest = (ROOT / "Cargo.toml").read_text().splitlines()
    members = 'members = ["wire", "wire/macros", "tests/guard"]'
    manifest = [members if line.startswith("members = ") else line for line in manifest]
    # The crates that aren't here aren't asked for either.
    gone = ("micronet-transport", "micronet-services", "micronet-gateway", "micronet-tests", "micronet = ")
    (COPY / "Cargo.toml").write_text("\n".join(line for line in manifest if not line.startswith(gone)) + "\n")
    guard = (COPY / "tests/guard/Cargo.toml").read_text().splitlines()
    guard = [line for line in guard if not line.startswith(("micronet-transport", "micronet-gateway"))]
    guard = ["network = []" if line.startswith("network = ") else line for line in guard]
    (COPY / "tests/guard/Cargo.toml").write_text("\n".join(guard) + "\n")
    shutil.copy(ROOT / "Cargo.lock", COPY / "Cargo.lock")


def guard(*arguments):
    """Builds the guard of the copy, without the cases that take more than the state machines, and runs it."""
    build = ["cargo", "build", "--offline", "--release", "--quiet", "--package", "micronet-guard"]
    build += ["--no-default-features", "--target-dir", str(COPY / "target")]
    subprocess.run(build, cwd=COPY, check=True)
    command = [COPY / "target/release/micronet-guard", "--file", COPY / "record.toml", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def check_that_all_fit():
    for name, file, find, _ in MUTANTS:
        if (ROOT / file).read_text().count(find) != 1:
            sys.exit(f"{name}: what it changes isn't in {file} exactly once")


def main():
    check_that_all_fit()
    if sys.argv[1:] == ["--fit"]:
        return
    if sys.argv[1:]:
        sys.exit("usage: tests/guard/mutants.py [--fit]")
    copy_sources()
    recorded = guard("--record")
    unchanged = guard()
    if recorded.returncode != 0 or unchanged.returncode != 0:
        sys.exit(f"the copy without any mutant doesn't pass:\n{recorded.stderr}{unchanged.stdout}{unchanged.stderr}")
    alive = []
    for name, file, find, replace in MUTANTS:
        path = COPY / file
        text = path.read_text()
        path.write_text(text.replace(find, replace))
        seen = guard()
        path.write_text(text)
        lines = [line for line in seen.stdout.splitlines() if "DEARER" in line or "ALLOCATES MORE" in line]
        print(f"{name}: {'fails the guard' if seen.returncode else 'PASSES'}", *lines, sep="\n  ")
        if seen.returncode == 0 or not lines:
            alive.append(name)
    if alive:
        sys.exit(f"not seen: {'; '.join(alive)}")


main()
