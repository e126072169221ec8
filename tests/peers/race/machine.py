"""On what it was measured, and which versions."""

import os
import re
import subprocess
import time
import tomllib
from pathlib import Path

from race import places
from race.settings import Settings

CRATES = ("tokio", "tokio-util", "mio", "tonic", "h2", "hyper", "tarpc", "axum", "rustls")


def describe(settings: Settings) -> dict:
    info = Path("/proc/cpuinfo").read_text()
    memory = int(re.search(r"MemTotal: *(\d+)", Path("/proc/meminfo").read_text())[1])
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": (re.search(r"model name\s*: (.*)", info) or [None, os.uname().machine])[1],
        "virtual": "hypervisor" in info,
        "processors": os.cpu_count(),
        "memory_gib": round(memory / (1 << 20), 1),
        "kernel": os.uname().release,
        "load_before": round(os.getloadavg()[0], 2),
        "rounds": settings.rounds,
        "seconds": settings.seconds,
        "revision": _said(["git", "-C", str(places.ROOT), "describe", "--always", "--dirty"]),
        "micronet_built_here": settings.is_built_here,
        "profile": _profile(),
        "versions": _versions(),
    }


def in_words(described: dict) -> str:
    kind = ", a virtual machine" if described["virtual"] else ""
    return (f"{described['processor']}{kind}, {described['processors']} processors, {described['memory_gib']} GiB, "
            f"Linux {described['kernel']}; {described['date']}")


def _profile() -> str:
    """How micronet and the peers are built: one profile for all."""
    release = tomllib.loads((places.PEERS / "Cargo.toml").read_text())["profile"]["release"]
    return ", ".join(f"{key} = {value}" for key, value in ({"lto": "false", "codegen-units": 16} | release).items())


def _versions() -> dict[str, str]:
    locked = tomllib.loads((places.PEERS / "Cargo.lock").read_text())["package"]
    versions = {package["name"]: package["version"] for package in locked if package["name"] in CRATES}
    outside = {"rustc": ["rustc", "--version"], "nginx": ["nginx", "-v"], "HAProxy": ["haproxy", "-v"], "wrk": ["wrk", "-v"]}
    for name, command in outside.items():
        found = re.search(r"\d+\.\d+\.\d+", _said(command))
        versions[name] = found[0] if found else "missing"
    return versions


def _said(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return (done.stdout + done.stderr).strip()
