"""What the figures come to: medians, ranges, and ratios within a round."""

from dataclasses import dataclass
from statistics import median

from race.course import Results
from race.rows import Check, Row

FAR = 1.25
"""What is further than this above its target is far off."""


@dataclass(frozen=True)
class Spread:
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float | None]) -> "Spread | None":
        known = [value for value in values if value is not None]
        return cls(median(known), min(known), max(known)) if known else None

    def shown(self) -> str:
        ends = [number(self.low), number(self.high)]
        return number(self.median) if ends[0] == ends[1] else f"{number(self.median)} [{ends[0]}–{ends[1]}]"


@dataclass(frozen=True)
class Verdict:
    """How a check came out."""
    check: Check
    value: Spread
    """Ours, divided by the other's of the same round where there is one."""

    @property
    def is_met(self) -> bool:
        return self.value.median >= self.check.limit if self.check.at_least else self.value.median <= self.check.limit

    @property
    def to_target(self) -> float:
        """1 is the target; above it is missed."""
        ratio = self.value.median / self.check.limit
        return 1 / ratio if self.check.at_least and ratio else ratio


def judge(check: Check, row: Row, results: Results) -> Verdict | None:
    """None where it wasn't measured."""
    ours = results.figures(row.group, check.ours, check.figure)
    if check.against is None:
        values = ours
    else:
        theirs = results.figures(row.group, check.against, check.figure)
        values = [a / b if a is not None and b else None for a, b in zip(ours, theirs)]
    spread = Spread.of(values)
    return Verdict(check, spread) if spread else None


def judge_row(row: Row, results: Results) -> tuple[list[Verdict], bool | None]:
    """All verdicts of a row, and whether it is met; None where a part of it wasn't measured."""
    verdicts = [judge(check, row, results) for check in row.checks]
    known = [verdict for verdict in verdicts if verdict]
    if any(not verdict.is_met for verdict in known):
        return known, False
    return known, True if len(known) == len(row.checks) else None


def number(value: float) -> str:
    """With three digits that say something."""
    if abs(value) >= 10_000:
        return f"{value / 1000:,.0f} k"
    for digits, least in ((0, 100), (1, 10), (2, 0.1)):
        if abs(value) >= least:
            return f"{value:,.{digits}f}"
    return f"{value:.3f}"
