"""The course of a run: in each round everybody has a turn, so that what the machine does besides hits all alike."""

import sys
import time
from dataclasses import dataclass, field

from race.contestants import FLOOR, OURS, Contestant, Figures, Group
from race.processes import Failure, end_with_signals
from race.rows import ROWS
from race.settings import Settings

Turns = dict[tuple[str, str], list[Figures | None]]
"""By group and contestant, the figures of each round; None where it failed."""


@dataclass
class Results:
    groups: list[Group]
    turns: Turns = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0
    kept: dict[str, str] = field(default_factory=dict)
    """Groups that were measured in an earlier run, and when and of what."""

    def figures(self, group: str, contestant: str, figure: str) -> list[float | None]:
        """A figure in each turn."""
        turns = self.turns.get((group, contestant), [])
        return [turn.get(figure) if turn else None for turn in turns]


def run(settings: Settings, groups: list[Group]) -> Results:
    end_with_signals()
    results = Results(groups)
    progress = Progress(settings, _plan(groups, settings))
    for round_ in range(settings.rounds):
        for group, contestant in progress.plan:
            progress.tell(round_, group, contestant, len(results.failures))
            began = time.monotonic()
            try:
                figures = contestant.turn(settings)
            except (Failure, OSError, ValueError, LookupError, ZeroDivisionError) as failure:
                figures = None
                words = failure if isinstance(failure, Failure) else repr(failure)
                results.failures.append(f"round {round_ + 1}, {group.key}, {contestant.name}: {words}")
                progress.note(results.failures[-1])
            results.turns.setdefault((group.key, contestant.name), []).append(figures)
            progress.took(group, contestant, time.monotonic() - began)
    results.seconds = progress.elapsed()
    progress.note(f"measured in {results.seconds / 60:.1f} min, {len(results.failures)} turns failed")
    return results


def _plan(groups: list[Group], settings: Settings) -> list[tuple[Group, Contestant]]:
    """The turns of a round."""
    return [(group, each) for group in groups for _ in range(group.turns) for each in _taking_part(group, settings)]


def _taking_part(group: Group, settings: Settings) -> list[Contestant]:
    """Those that were asked for, with ours, the floors, and what ours is held to."""
    held_to = {check.against for row in ROWS if row.group == group.key for check in row.checks}
    def is_wanted(contestant: Contestant) -> bool:
        return (not settings.contestants or contestant.part in (OURS, FLOOR) or contestant.name in held_to
                or any(name in contestant.name for name in settings.contestants))
    return [contestant for contestant in group.contestants if is_wanted(contestant)]


class Progress:
    """Tells on stderr what is measured, and how long it will go on."""

    def __init__(self, settings: Settings, plan: list[tuple[Group, Contestant]]):
        self.settings, self.plan = settings, plan
        self.began = time.monotonic()
        self.known: dict[tuple[str, str], float] = {}
        self.done = 0

    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def took(self, group: Group, contestant: Contestant, seconds: float) -> None:
        self.known[group.key, contestant.name] = seconds
        self.done += 1

    def _left(self) -> float:
        guess = self.settings.seconds + self.settings.warm_up + 1
        guess = max(guess, sum(self.known.values()) / len(self.known)) if self.known else guess
        remaining = (self.plan * self.settings.rounds)[self.done:]
        return sum(self.known.get((group.key, contestant.name), guess) for group, contestant in remaining)

    def tell(self, round_: int, group: Group, contestant: Contestant, failed: int) -> None:
        of = f"round {round_ + 1} of {self.settings.rounds}, {self.done + 1} of {len(self.plan) * self.settings.rounds}"
        failures = f", {failed} failed" if failed else ""
        self._write(f"{of}{failures}, {self._left() / 60:.1f} min left: {group.key}, {contestant.name}")

    def note(self, words: str) -> None:
        self._write(words, lasting=True)

    def _write(self, words: str, lasting: bool = False) -> None:
        if sys.stderr.isatty():
            print(f"\r\033[K{words}", end="\n" if lasting else "", file=sys.stderr, flush=True)
        else:
            print(words, file=sys.stderr, flush=True)
