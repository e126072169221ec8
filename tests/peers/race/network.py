"""The whole network as `micronet up` starts it: how long that takes, and what its processes hold in memory at rest."""

import time

from race.contestants import OURS, Contestant, Figures, Group
from race.processes import Failure, Scene, output_of, resident_kib, tree
from race.settings import Settings

REST_SECONDS = 10.0


def _turn(settings: Settings) -> Figures:
    with Scene() as scene:
        began = time.monotonic()
        command = [str(settings.micronet), "up", "--base-port", "0", "--data", str(scene.folder / "data")]
        server = scene.start("micronet up", command, None, says="Dashboard: ")
        started = time.monotonic() - began
        time.sleep(REST_SECONDS)
        server.check()
        pids = tree(server.pid)
        if len(pids) < 2:
            raise Failure("micronet up has started no processes")
        own = [resident_kib(pid) - sum(resident_kib(child) for child in tree(pid)[1:]) for pid in pids]
        return {"start_s": started, "rss_max_mib": max(own) / 1024, "rss_all_mib": sum(own) / 1024,
                "processes": len(pids), "binary_mib": settings.micronet.stat().st_size / (1 << 20),
                "stripped_mib": _stripped(settings, scene) / (1 << 20)}


def _stripped(settings: Settings, scene: Scene) -> int:
    """The size of the program without what debuggers read."""
    stripped = scene.folder / "stripped"
    output_of("strip", ["strip", "-o", str(stripped), str(settings.micronet)], None, 60)
    return stripped.stat().st_size


GROUPS = [Group("network", "the whole network (micronet up)", [Contestant("micronet", OURS, _turn)],
                ["start_s", "rss_max_mib", "rss_all_mib", "processes", "binary_mib", "stripped_mib"])]
