"""Where everything is."""

from pathlib import Path

PEERS = Path(__file__).resolve().parent.parent
ROOT = PEERS.parent.parent
TARGET = ROOT / "target" / "peers"
PROGRAMS = TARGET / "release"
CONFIGURATION = PEERS / "configuration"


def program(name: str) -> str:
    """The path of one of the peers' programs."""
    return str(PROGRAMS / name)
