"""What has to be there first: packages, programs, certificates."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from race import places
from race.settings import Settings

PACKAGES = {"nginx": "nginx", "haproxy": "haproxy", "wrk": "wrk", "perf": "linux-perf", "strace": "strace",
            "openssl": "openssl", "setpriv": "util-linux", "strip": "binutils"}
POLICY = Path("/usr/sbin/policy-rc.d")
LEAST_PROCESSORS = 2


def everything(settings: Settings) -> None:
    if (os.cpu_count() or 1) < LEAST_PROCESSORS:
        sys.exit("two processors are needed: one for the server, one for who drives it")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    _install([package for program, package in PACKAGES.items() if not shutil.which(program)])
    _say("building the peers")
    # What micronet's crates depend on may have changed since the peers were locked, so that this is not `--locked`.
    _cargo("--manifest-path", str(places.PEERS / "Cargo.toml"), "--target-dir", str(places.TARGET), "--workspace")
    if settings.is_built_here:
        _say("building micronet")
        _cargo("--locked", "--manifest-path", str(places.ROOT / "Cargo.toml"), "--bin", "micronet",
               "--target-dir", str(places.ROOT / "target"))
    if not settings.micronet.exists():
        sys.exit(f"{settings.micronet} doesn't exist")
    _certificates(places.TARGET / "certificates")


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _cargo(*arguments: str) -> None:
    if subprocess.run(["cargo", "build", "--release", "--quiet", *arguments]).returncode:
        sys.exit("it could not be built")


def _install(packages: list[str]) -> None:
    if not packages:
        return
    _say(f"installing {' '.join(packages)}")
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    # Debian starts the servers that it installs, on their usual ports, unless a policy forbids it.
    is_ours = not POLICY.exists()
    if is_ours:
        subprocess.run([*sudo, "tee", str(POLICY)], input=b"#!/bin/sh\nexit 101\n", stdout=subprocess.DEVNULL)
        subprocess.run([*sudo, "chmod", "755", str(POLICY)])
    try:
        apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
        subprocess.run([*apt, "update"], stdout=subprocess.DEVNULL)
        install = [*apt, "install", "-y", "--no-install-recommends", *packages]
        if subprocess.run(install, stdout=subprocess.DEVNULL).returncode:
            sys.exit(f"could not install {' '.join(packages)}: install them by hand")
    finally:
        if is_ours:
            subprocess.run([*sudo, "rm", "-f", str(POLICY)])


def _certificates(folder: Path) -> None:
    """A CA, and certificates of a server and a client: P-256, as micronet's own are."""
    if (folder / "client.pem").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650"]
    ca, key = str(folder / "ca.pem"), str(folder / "ca.key")
    _openssl("req", "-x509", *curve, "-subj", "/CN=peers", "-keyout", key, "-out", ca)
    for name in ("server", "client"):
        own = ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")]
        names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]
        _openssl("req", "-x509", *curve, "-subj", f"/CN={name}", "-CA", ca, "-CAkey", key, *names, *own)


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
