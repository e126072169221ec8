"""Echoes by RPC in a closed loop: what both sides take for a call."""

import json
from dataclasses import dataclass

from race import ours, places
from race.contestants import FLOOR, OURS, PEER, Contestant, Figures, Group
from race.processes import Scene, output_of
from race.settings import CLIENT, SERVER, Settings


@dataclass(frozen=True)
class Shape:
    """How many calls of how many bytes there are at once, on how many connections."""
    in_flight: int = 64
    connections: int = 1
    size: int = 64
    tls: bool = False
    shares_processor: bool = False
    """With one call at a time only one side works, and what waking up another processor costs would hide all else."""


def _program(name: str, kind: str | None, shape: Shape, settings: Settings) -> Figures:
    """A turn of one of the peers' programs."""
    kinds = [kind] if kind else []
    tls = ["--tls", str(places.TARGET / "certificates")] if shape.tls else []
    with Scene() as scene:
        server = scene.start(name, [places.program(name), "serve", *kinds, *tls], SERVER)
        return _call(name, [places.program(name), "call", *kinds, *tls], server, shape, settings)


def _ours(driver: str, shape: Shape, settings: Settings) -> Figures:
    certificates = ours.certificates(settings) if shape.tls else None
    with Scene() as scene:
        server = ours.service(settings, scene, processor=SERVER, driver=driver, certificates=certificates)
        command = [places.program("ours"), "call", driver, *ours.membership(scene, certificates)]
        return _call("ours", command, server, shape, settings)


def _call(name: str, command: list[str], server, shape: Shape, settings: Settings) -> Figures:
    command += ["--server", server.address, "--watch", str(server.pid), "--seconds", str(settings.seconds),
                "--warm-up", str(settings.warm_up), "--in-flight", str(shape.in_flight),
                "--connections", str(shape.connections), "--size", str(shape.size)]
    processor = SERVER if shape.shares_processor else CLIENT
    said = json.loads(output_of(f"{name}'s client", command, processor, settings.seconds + 20))
    server.check()
    calls = said["requests"]
    server_us, client_us = said["watched_cpu_ns"][0] / calls / 1e3, said["client_cpu_ns"] / calls / 1e3
    return {
        "cpu_us": server_us + client_us, "server_us": server_us, "client_us": client_us,
        "per_s": calls / said["seconds"], "p50_us": said["latency_us"]["p50"], "p99_us": said["latency_us"]["p99"],
    }


def _of_peer(name: str, part: str, program: str, kind: str | None, shape: Shape) -> Contestant:
    return Contestant(name, part, lambda settings: _program(program, kind, shape, settings))


def _of_ours(name: str, driver: str, shape: Shape) -> Contestant:
    return Contestant(name, OURS, lambda settings: _ours(driver, shape, settings))


def _group(key: str, work: str, shape: Shape) -> Group:
    alone = shape.in_flight == 1
    contestants = []
    if alone:
        contestants.append(_of_peer("blocking", FLOOR, "echo", "blocking", shape))
        apart = Shape(in_flight=1)
        contestants.append(_of_peer("spinning", FLOOR, "echo", "spinning", apart))
        contestants.append(_of_ours("micronet spinning", "spinning", apart))
    if not shape.tls:
        contestants.append(_of_peer("epoll", FLOOR, "echo", "polled", shape))
    contestants += [
        _of_peer("tokio codec", FLOOR, "echo", "codec", shape),
        _of_peer("tokio multiplexed", FLOOR, "echo", "multiplexed", shape),
        _of_ours("micronet", "tokio", shape),
    ]
    if not shape.tls and shape.connections == 1:
        contestants.append(_of_ours("micronet mio", "mio", shape))
    if not shape.tls:
        contestants.append(_of_peer("tarpc", PEER, "tarpc-echo", None, shape))
    contestants.append(_of_peer("tonic", PEER, "tonic-echo", None, shape))
    return Group(key, work, contestants, ["cpu_us", "server_us", "per_s", "p50_us", "p99_us"])


GROUPS = [
    _group("rpc-64", "RPC unary, 64 B, 64 in flight, 1 connection", Shape()),
    _group("rpc-1024", "the same, 1024 in flight", Shape(in_flight=1024)),
    _group("rpc-8", "64 B, 64 in flight on 8 connections", Shape(connections=8)),
    _group("rpc-4k", "4 KiB, 64 in flight, 1 connection", Shape(size=4096)),
    _group("rpc-tls", "mTLS, 64 B, 64 in flight, 1 connection", Shape(tls=True)),
    _group("rpc-1", "one call at a time, 64 B, both on one processor", Shape(in_flight=1, shares_processor=True)),
]
