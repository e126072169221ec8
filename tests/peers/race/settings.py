"""What a run was asked for."""

from dataclasses import dataclass
from pathlib import Path

from race import places

SERVER, CLIENT = 0, 1
"""The processors: that of the server or proxy, and that of whoever drives it, with backends."""


@dataclass
class Settings:
    rounds: int
    seconds: float
    quick: bool
    micronet: Path
    is_built_here: bool
    contestants: list[str]

    @classmethod
    def of(cls, asked) -> "Settings":
        rounds = asked.rounds or (2 if asked.quick else 3)
        seconds = asked.seconds or (0.5 if asked.quick else 2.0)
        micronet = asked.micronet or places.ROOT / "target" / "release" / "micronet"
        return cls(rounds, seconds, asked.quick, micronet.resolve(), asked.micronet is None, asked.contestants)

    @property
    def warm_up(self) -> float:
        """How long a turn runs before it is measured, in seconds."""
        return 0.2 if self.quick else 0.5

    @property
    def wrk_seconds(self) -> int:
        """wrk measures whole seconds."""
        return max(1, round(self.seconds))
