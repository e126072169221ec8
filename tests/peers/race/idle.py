"""What idle keep-alive connections hold in memory: each has been answered one request."""

import resource
import socket
import time

from race import http, ours
from race.contestants import Contestant, Figures, Group
from race.processes import Failure, Scene, resident_kib
from race.settings import Settings

CONNECTIONS, CONNECTIONS_QUICK = 10_000, 2_000
SETTLED_SECONDS, SETTLED_SECONDS_QUICK = 4.0, 2.0
"""Time to give back what is free."""
STARTED_SECONDS = 5.0
"""Time to give back what only starting needed, micronet's code with it; what a request needs of that is there again after the first."""


def _turn(name: str, settings: Settings) -> Figures:
    count = CONNECTIONS_QUICK if settings.quick else CONNECTIONS
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with Scene() as scene:
        served = http.serve(name, settings, scene)
        host, port = served.proxy.address.rsplit(":", 1)
        request = (f"POST {ours.ITEM_PATH} HTTP/1.1\r\nHost: {served.proxy.address}\r\nContent-Type: application/json\r\n"
                   f"Content-Length: {len(http.ITEM)}\r\n\r\n{http.ITEM}").encode()
        time.sleep(STARTED_SECONDS)
        sockets: list[socket.socket] = []
        try:
            with socket.create_connection((host, int(port)), 5) as first:
                _ask(name, first, request)
                before = resident_kib(served.proxy.pid)
            for _ in range(count):
                sockets.append(socket.create_connection((host, int(port)), 5))
                _ask(name, sockets[-1], request)
            time.sleep(SETTLED_SECONDS_QUICK if settings.quick else SETTLED_SECONDS)
            after = resident_kib(served.proxy.pid)
            for connection in sockets[::count // 100]:
                _ask(f"{name}, after idling,", connection, request)
        except OSError as error:
            raise Failure(f"{name} took {len(sockets)} of {count} connections: {error}") from error
        finally:
            for connection in sockets:
                connection.close()
        return {"kib_each": (after - before) / count, "rss_mib": after / 1024, "rss_before_mib": before / 1024}


def _ask(name: str, connection: socket.socket, request: bytes) -> None:
    connection.sendall(request)
    answer = connection.recv(4096)
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise Failure(f"{name} answers {answer[:100]!r}")


def _of(name: str) -> Contestant:
    return Contestant(name, http.STARTS[name][0], lambda settings: _turn(name, settings))


GROUPS = [Group("idle", "10,000 idle keep-alive HTTP connections (2,000 with --quick)",
                [_of(name) for name in ("epoll gateway", "tokio gateway", "micronet", "nginx", "HAProxy",
                                        "hyper proxy", "axum alone")],
                ["kib_each", "rss_mib", "rss_before_mib"])]
