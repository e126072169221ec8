"""micronet's processes, started by hand as an operator would start them."""

from pathlib import Path

from race import places
from race.processes import Scene, Server, output_of
from race.settings import CLIENT, SERVER, Settings

ITEM_PATH = "/api/v1/bench/item"
QUIET = ["--log", "error"]

GATEWAY_SETTINGS = """
[http]
connections = 20000
requests = 1000000000
idle = "1h"

[rates]
lab = "{rate}"
shop = "{rate}"
address = "{rate}"
"""


def service(settings: Settings, scene: Scene, *, processor: int | None, driver: str = "tokio",
            certificates: Path | None = None) -> Server:
    """An instance of the service that is measured."""
    command = [str(settings.micronet), "bench", "serve", "--listen", "127.0.0.1:0", "--data", str(scene.folder), *QUIET]
    command += {"tokio": [], "mio": ["--sync"], "spinning": ["--sync", "--spin"]}[driver]
    command += ["--certs", str(certificates)] if certificates else []
    return scene.start(f"micronet bench serve ({driver})", command, processor)


def membership(scene: Scene, certificates: Path | None = None) -> list[str]:
    """By what a client is a part of the same cluster."""
    if certificates:
        return ["--service", "gateway", "--instance", "gateway-1", "--certs", str(certificates)]
    return ["--service", "gateway", "--instance", "gateway-1", "--secret", str(scene.folder / "cluster.secret")]


def certificates(settings: Settings) -> Path:
    """A cluster's CA, and certificates of a service and of who calls it."""
    data = places.TARGET / "cluster"
    folder = data / "certs"
    if not (folder / "gateway-1.pem").exists():
        for arguments in (["init"], ["issue", "bench"], ["issue", "gateway"]):
            command = [str(settings.micronet), "certs", *arguments, "--data", str(data)]
            output_of("micronet certs", command, None, 30)
    return folder


def gateway(settings: Settings, scene: Scene, peers: dict[str, str], *, rate: str = "off",
            further: tuple[str, ...] = ()) -> Server:
    """A gateway in front of these services, on the server's processor."""
    file = scene.folder / "gateway.toml"
    file.write_text(GATEWAY_SETTINGS.format(rate=rate))
    command = [str(settings.micronet), "gateway", "--listen", "127.0.0.1:0", "--rpc", "127.0.0.1:0",
               "--data", str(scene.folder), "--config", str(file), *QUIET, *further]
    for name, address in peers.items():
        command += ["--peer", f"{name}={address}"]
    return scene.start("micronet gateway", command, SERVER)


def shop_service(settings: Settings, scene: Scene, name: str, instance: str, peers: dict[str, str], *,
                 demo: str | None = None, under: tuple[str, ...] = (), processor: int | None = CLIENT) -> Server:
    """An instance of one of the shop's services; `under` is a program that runs it, as strace."""
    command = [*under, str(settings.micronet), "service", name, "--instance", instance, "--listen", "127.0.0.1:0",
               "--data", str(scene.folder), *QUIET]
    command += ["--demo", demo] if demo else []
    for peer, address in peers.items():
        command += ["--peer", f"{peer}={address}"]
    return scene.start(instance, command, processor)
