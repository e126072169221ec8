"""A long stream of TCP that is passed through: what the proxy takes for a GiB."""

import json
from string import Template

from race import ours, places
from race.contestants import OURS, PEER, Contestant, Figures, Group
from race.processes import Scene, Server, free_port, output_of, tree
from race.settings import CLIENT, SERVER, Settings

GIB = 1 << 30


def _haproxy(_: Settings, scene: Scene, source: str) -> tuple[Server, str]:
    address = f"127.0.0.1:{free_port()}"
    file = scene.folder / "haproxy.conf"
    text = Template((places.CONFIGURATION / "haproxy-tcp.conf").read_text())
    file.write_text(text.substitute(listen=address, backend=source))
    return scene.start("HAProxy", ["haproxy", "-db", "-f", str(file)], SERVER, address), address


def _ours(settings: Settings, scene: Scene, source: str) -> tuple[Server, str]:
    port = free_port()
    server = ours.gateway(settings, scene, {"nobody": "127.0.0.1:1"}, further=("--l4", f"{port}={source}"))
    return server, f"127.0.0.1:{port}"


def _turn(start, settings: Settings) -> Figures:
    gibs = 1 if settings.quick else 2
    with Scene() as scene:
        source = scene.start("the source", [places.program("load"), "source"], CLIENT)
        proxy, address = start(settings, scene, source.address)
        drain = [places.program("load"), "drain", "--server", address, "--watch", ",".join(map(str, tree(proxy.pid)))]
        output_of("the first MiB", [*drain, "--bytes", str(1 << 20)], CLIENT, 20)
        said = json.loads(output_of("the stream", [*drain, "--bytes", str(gibs * GIB)], CLIENT, 60))
        return {"cpu_ms_per_gib": sum(said["watched_cpu_ns"]) / 1e6 / gibs, "gib_per_s": gibs / said["seconds"]}


GROUPS = [Group("l4", "L4 pass-through of a long stream", [
    Contestant("HAProxy tcp, splicing", PEER, lambda settings: _turn(_haproxy, settings)),
    Contestant("micronet", OURS, lambda settings: _turn(_ours, settings)),
], ["cpu_ms_per_gib", "gib_per_s"])]
