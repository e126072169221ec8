"""Who takes part: a name, a part in the comparison, and how a turn is taken."""

from collections.abc import Callable
from dataclasses import dataclass

from race.settings import Settings

FLOOR, PEER, OURS = "floor", "peer", "ours"

Figures = dict[str, float]
"""What a turn measured, by names that end in their unit."""


@dataclass(frozen=True)
class Contestant:
    name: str
    part: str
    turn: Callable[[Settings], Figures]


@dataclass(frozen=True)
class Group:
    """Those who do the same work, one after the other in each round."""
    key: str
    work: str
    contestants: list[Contestant]
    figures: list[str]
    """What the report shows of them, the most important first."""
    turns: int = 1
    """How many turns each has in a round."""
