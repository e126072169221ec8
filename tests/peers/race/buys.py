"""Buys that are on the disk before they are acknowledged: how often the disk is asked to hold on to something."""

import http.client
import json
import subprocess
import sys
import time
from pathlib import Path

from race import ours
from race.contestants import OURS, Contestant, Figures, Group
from race.http import Served, wrk
from race.processes import Failure, Scene, Server
from race.settings import Settings

CLIENTS = 64
STOCK = {"quantity": 1_000_000}
WRITTEN_SECONDS_MAX = 10
PERF_EVENTS = "syscalls:sys_enter_fdatasync,syscalls:sys_enter_fsync"


def _perf_counts() -> bool:
    """Whether perf may count system calls here, which costs those who make them next to nothing."""
    try:
        tried = subprocess.run(["perf", "stat", "-e", PERF_EVENTS, "true"], capture_output=True, text=True)
    except OSError:
        return False
    return tried.returncode == 0 and "not supported" not in tried.stderr


def _perf(counts: Path, servers: list[Server]) -> tuple[str, ...]:
    """Counts for as long as the program runs that it starts."""
    pids = ",".join(str(server.pid) for server in servers)
    return ("perf", "stat", "-x,", "-o", str(counts), "-e", PERF_EVENTS, "-p", pids, "--")


def _counted(counts: Path) -> int:
    fields = [line.split(",") for line in counts.read_text().splitlines() if "sys_enter_" in line]
    if len(fields) != len(PERF_EVENTS.split(",")):
        raise Failure("perf has counted nothing")
    return sum(int(field[0]) for field in fields)


def _strace(trace: Path) -> tuple[str, ...]:
    """Notes when two system calls are made, and stops the process at no others. It is the process's child, so that signals reach this
    one."""
    return ("strace", "-D", "-f", "--seccomp-bpf", "-ttt", "-e", "trace=fdatasync,fsync", "-o", str(trace))


def _traced(trace: Path, begin: float, end: float) -> int:
    """Those of this time, when the process has ended: what it takes to start and to stop is not a buy's."""
    until = time.monotonic() + WRITTEN_SECONDS_MAX
    while time.monotonic() < until:
        lines = [line.split(maxsplit=2) for line in trace.read_text().splitlines()] if trace.exists() else []
        if lines and lines[-1][2].startswith("+++"):
            return sum(what.startswith(("fdatasync(", "fsync(")) and begin <= float(at) <= end for _, at, what in lines)
        time.sleep(0.05)
    raise Failure(f"strace has noted nothing in {trace.name}")


def _turn(settings: Settings) -> Figures:
    is_perf = _perf_counts()
    if not is_perf:
        print("perf may not count system calls here: strace does, which keeps whoever makes one waiting", file=sys.stderr)
    with Scene() as scene:
        # Whoever creates the database ends before two share it.
        ours.shop_service(settings, scene, "product", "product-1", {}, demo="toystore").end()
        scene.servers.clear()
        counts, traces = scene.folder / "counts", []

        def start(name: str, instance: str, peers: dict[str, str]) -> Server:
            traces.append(scene.folder / f"{instance}.strace")
            under = () if is_perf else _strace(traces[-1])
            return ours.shop_service(settings, scene, name, instance, peers, under=under, processor=None)

        products = [start("product", instance, {}) for instance in ("product-1", "product-2")]
        peers = {"product": ",".join(product.address for product in products)}
        peers["user"] = start("user", "user-1", {}).address
        peers["order"] = start("order", "order-1", peers).address
        watched = list(scene.servers)
        gateway = ours.gateway(settings, scene, {name: peers[name] for name in ("product", "order")})
        _fill_the_shop(gateway, scene)
        begin = time.time()
        counted = wrk(Served(gateway, gateway), "/orders", '{"name":"Tux","quantity":1}', settings.wrk_seconds,
                      connections=CLIENTS, under=_perf(counts, watched) if is_perf else ())
        end = time.time()
        if counted["errors"]:
            raise Failure(f"{counted['errors']} of {counted['requests']} buys failed")
        for server in reversed(scene.servers):
            server.end()
        scene.servers.clear()
        syncs = _counted(counts) if is_perf else sum(_traced(trace, begin, end) for trace in traces)
        return {"syncs_per_buy": syncs / counted["requests"], "buys_per_s": counted["requests"] / counted["seconds"]}


def _fill_the_shop(gateway: Server, scene: Scene) -> None:
    """The demonstration's stock would be sold out too soon."""
    token = (scene.folder / "operator.token").read_text().strip()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    until = time.monotonic() + WRITTEN_SECONDS_MAX
    while True:
        connection = http.client.HTTPConnection(gateway.address, timeout=10)
        connection.request("POST", "/api/v1/products/Tux/restock", json.dumps(STOCK), headers)
        answer = connection.getresponse()
        said = answer.read().decode()
        connection.close()
        if answer.status == 200:
            return
        if time.monotonic() > until:
            raise Failure(f"the shop doesn't open: {answer.status} {said[:200]}")
        time.sleep(0.05)


GROUPS = [Group("buys", "durable buys, 64 clients", [Contestant("micronet", OURS, _turn)],
                ["syncs_per_buy", "buys_per_s"])]
