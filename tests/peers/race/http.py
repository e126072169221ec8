"""Items posted over HTTP: under wrk as fast as they are answered, and at a constant rate."""

import json
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from string import Template

from race import ours, places
from race.contestants import FLOOR, OURS, PEER, Contestant, Figures, Group
from race.processes import Failure, Scene, Server, cpu_s, free_port, output_of, tree
from race.settings import CLIENT, SERVER, Settings

ITEM = '{"id":12345,"name":"widget-alpha","amount":19.95,"active":true}'
CONNECTIONS = 64


@dataclass
class Served:
    """A gateway or proxy that runs, and what stands behind it."""
    proxy: Server
    backend: Server
    header: str | None = None
    """What requests say besides."""


Start = Callable[[Settings, Scene], Served]


def _behind(program: str, proxy: str, backend: tuple[str, ...]) -> Start:
    """A program of the peers in front of another one."""
    def start(_: Settings, scene: Scene) -> Served:
        behind = scene.start(f"{proxy}'s backend", [places.program(backend[0]), *backend[1:]], CLIENT)
        command = [places.program(program), proxy, "--backend", behind.address]
        return Served(scene.start(proxy, command, SERVER), behind)
    return start


def _configured(name: str, command: list[str]) -> Start:
    """nginx or HAProxy, with the file of settings that has its name, in front of axum."""
    def start(_: Settings, scene: Scene) -> Served:
        backend = scene.start(f"{name}'s backend", [places.program("http"), "backend"], CLIENT)
        address = f"127.0.0.1:{free_port()}"
        text = Template((places.CONFIGURATION / f"{name}.conf").read_text())
        file = scene.folder / f"{name}.conf"
        file.write_text(text.substitute(listen=address, backend=backend.address, folder=scene.folder))
        return Served(scene.start(name, [*command, str(file)], SERVER, address), backend)
    return start


def _ours(settings: Settings, scene: Scene) -> Served:
    backend = ours.service(settings, scene, processor=CLIENT)
    return Served(ours.gateway(settings, scene, {"bench": backend.address}), backend)


def _ours_with_tokens(settings: Settings, scene: Scene) -> Served:
    """The same with limits that count each request, and with somebody who has signed in."""
    backend = ours.service(settings, scene, processor=CLIENT)
    auth = ours.shop_service(settings, scene, "auth", "auth-1", {}, demo="shop")
    peers = {"bench": backend.address, "auth": auth.address}
    gateway = ours.gateway(settings, scene, peers, rate="1000000/s")
    credentials = {"email": "manager@demo.example", "password": "manager-demo"}
    token = json.loads(_post(gateway, "/auth/login", json.dumps(credentials)))["data"]["access_token"]
    return Served(gateway, backend, f"Authorization: Bearer {token}")


STARTS: dict[str, tuple[str, Start]] = {
    "epoll gateway": (FLOOR, _behind("http", "polled-gateway", ("echo", "serve", "polled"))),
    "tokio gateway": (FLOOR, _behind("http", "tokio-gateway", ("echo", "serve", "multiplexed"))),
    "micronet": (OURS, _ours),
    "micronet with JWT": (OURS, _ours_with_tokens),
    "nginx": (PEER, _configured("nginx", ["nginx", "-c"])),
    "HAProxy": (PEER, _configured("haproxy", ["haproxy", "-db", "-f"])),
    "hyper proxy": (PEER, _behind("http", "hyper-proxy", ("http", "backend"))),
    "axum and tonic": (PEER, _behind("http", "tonic-gateway", ("tonic-echo", "serve"))),
    "axum alone": (PEER, lambda _, scene: _alone(scene)),
}


def _alone(scene: Scene) -> Served:
    server = scene.start("axum", [places.program("http"), "backend"], SERVER)
    return Served(server, server)


def _post(server: Server, path: str, body: str, header: str | None = None) -> str:
    headers = {"Content-Type": "application/json"}
    if header:
        name, value = header.split(": ", 1)
        headers[name] = value
    request = urllib.request.Request(f"http://{server.address}{path}", body.encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode()
    except OSError as error:
        raise Failure(f"{server.name} doesn't answer: {error}") from error


def serve(name: str, settings: Settings, scene: Scene) -> Served:
    """Starts one of them, and sees that it answers."""
    served = STARTS[name][1](settings, scene)
    answer = _post(served.proxy, ours.ITEM_PATH, ITEM, served.header)
    if '"note":"processed by backend"' not in answer:
        raise Failure(f"{name} answers {answer[:200]}")
    return served


def wrk(served: Served, path: str, body: str, seconds: int, *, connections: int = CONNECTIONS,
        under: tuple[str, ...] = ()) -> dict:
    """Posts as fast as is answered; `under` is a program that runs it."""
    headers = [f"-H{served.header}"] if served.header else []
    command = [*under, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *headers, "-s", str(places.CONFIGURATION / "post.lua"),
               f"http://{served.proxy.address}{path}", "--", body]
    said = output_of("wrk", command, CLIENT, seconds + 30)
    return json.loads(said.split("counted ")[1].splitlines()[0])


def _under_wrk(name: str, settings: Settings) -> Figures:
    with Scene() as scene:
        served = serve(name, settings, scene)
        wrk(served, ours.ITEM_PATH, ITEM, 1)
        before = cpu_s(served.proxy.pid), cpu_s(served.backend.pid)
        counted = wrk(served, ours.ITEM_PATH, ITEM, settings.wrk_seconds)
        after = cpu_s(served.proxy.pid), cpu_s(served.backend.pid)
        if counted["errors"]:
            raise Failure(f"{name} failed {counted['errors']} of {counted['requests']} requests")
        figures = _cpu(served, before, after, counted["requests"])
        return figures | {"per_s": counted["requests"] / counted["seconds"],
                          "p50_us": counted["p50_us"], "p99_us": counted["p99_us"]}


def _cpu(served: Served, before, after, requests: int) -> Figures:
    proxy_us, backend_us = ((end - start) * 1e6 / requests for start, end in zip(before, after))
    if served.backend is served.proxy:
        backend_us = 0.0
    return {"cpu_us": proxy_us + backend_us, "proxy_us": proxy_us, "backend_us": backend_us}


RATES: dict[str, list[float]] = {}
"""What nginx and HAProxy took at most, as far as it was measured in this run."""


def _measured_rate(name: str, settings: Settings) -> Figures:
    figures = _under_wrk(name, settings)
    if name in ("nginx", "HAProxy"):
        RATES.setdefault(name, []).append(figures["per_s"])
    return figures


def paced_rate(settings: Settings) -> float:
    """Half of what the faster one of nginx and HAProxy took in the first round, for everybody and in all rounds."""
    for name in ("nginx", "HAProxy"):
        if name not in RATES:
            _measured_rate(name, settings)
    return max(rates[0] for rates in RATES.values()) / 2


PACED_TURNS = 5
"""Turns at a constant rate in a round, each of half the time of others: the kernel's own work of some 20 ms every few seconds makes the
P99 of whoever it hits, and so has to hit few of many turns rather than each for a part."""


def _paced(name: str, settings: Settings) -> Figures:
    rate, seconds = paced_rate(settings), settings.seconds / 2
    with Scene() as scene:
        served = serve(name, settings, scene)
        pids = [*tree(served.proxy.pid), *tree(served.backend.pid)]
        proxies = len(tree(served.proxy.pid))
        header = ["--header", served.header] if served.header else []
        command = [places.program("load"), "paced", "--server", served.proxy.address, "--rate", f"{rate:.0f}",
                   "--connections", str(CONNECTIONS), "--path", ours.ITEM_PATH, "--body", ITEM, *header,
                   "--seconds", str(seconds), "--warm-up", str(settings.warm_up),
                   "--watch", ",".join(map(str, pids))]
        said = json.loads(output_of("the paced load", command, CLIENT, seconds + 30))
        if said["errors"]:
            raise Failure(f"{name} failed {said['errors']} of {said['requests']} paced requests")
        cpu = said["watched_cpu_ns"]
        proxy_us, backend_us = (sum(part) / said["requests"] / 1e3 for part in (cpu[:proxies], cpu[proxies:]))
        return {"p99_us": said["latency_us"]["p99"], "p50_us": said["latency_us"]["p50"],
                "cpu_us": proxy_us + backend_us, "proxy_us": proxy_us, "backend_us": backend_us,
                "late_p99_us": said["lateness_us"]["p99"], "per_s": said["requests"] / said["seconds"]}


def _of(name: str, turn: Callable[[str, Settings], Figures]) -> Contestant:
    return Contestant(name, STARTS[name][0], lambda settings: turn(name, settings))


GROUPS = [
    Group("http", "POST of 63 B of JSON through a gateway or proxy, 64 keep-alive connections, wrk",
          [_of(name, _measured_rate) for name in STARTS if name != "axum alone"],
          ["cpu_us", "proxy_us", "backend_us", "per_s", "p50_us", "p99_us"]),
    Group("paced", "the same at a constant rate, half of the peers' maximum",
          [_of(name, _paced) for name in ("tokio gateway", "micronet", "nginx", "HAProxy")],
          ["p99_us", "p50_us", "cpu_us", "proxy_us", "backend_us", "late_p99_us", "per_s"], turns=PACED_TURNS),
]
