"""The report: the table of rows, everybody's figures, and on what they were measured."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from race import machine
from race.contestants import FLOOR, PEER
from race.course import Results
from race.rows import BESIDES, GROUPS, ROWS, Row
from race.settings import Settings
from race.verdict import FAR, Spread, Verdict, judge_row, number

METHOD = """\
Server or proxy on processor 0, what drives it and backends on processor 1; with one call at a time both on processor 0. One thread a side,
closed loop unless it says paced. In each round all have their turn, and at a constant rate five shorter ones. Cells are medians with the
range over all turns. Processor time is user and system time of all threads of a process (`/proc/PID/task/*/schedstat`), in microseconds a
request. A ratio is of two turns that follow each other; its median is held to the target. micronet has checksums, proof of the cluster's
secret or mTLS, deadlines, request ids, trace context, accounts of time, metrics, records and limits on; floors have none of these."""


@dataclass(frozen=True)
class Written:
    markdown: str
    json: str


def write(folder: Path, described: dict, settings: Settings, results: Results) -> Written:
    """Writes it, and says what it is."""
    report = Written(_markdown(described, settings, results), json.dumps(_data(described, results), indent=1))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(report.markdown)
    (folder / "report.json").write_text(report.json + "\n")
    (folder / "table.md").write_text(_short(described, results))
    return report


def keep(folder: Path, results: Results) -> None:
    """Adds what the report that is there has of rows that were not measured now."""
    file = folder / "report.json"
    there = json.loads(file.read_text()) if file.exists() else {"groups": []}
    measured = {group.key for group in results.groups}
    for group in there["groups"]:
        if group["key"] in measured:
            continue
        results.kept[group["key"]] = group["measured"]
        results.turns |= {(group["key"], each["name"]): each["rounds"] for each in group["contestants"]}
    results.groups = [group for group in GROUPS if group.key in measured or group.key in results.kept]


def _rows(results: Results) -> list[Row]:
    return [row for row in ROWS if any(group == row.group for group, _ in results.turns)]


def _markdown(described: dict, settings: Settings, results: Results) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(described["versions"].items()))
    lines = [
        "# micronet beside the floor and its peers", "",
        machine.in_words(described) + ".", "",
        f"{settings.rounds} rounds of {settings.seconds:g} s a turn; load of the machine before: {described['load_before']}; "
        f"revision {described['revision']}{'' if settings.is_built_here else ', but another program was named'}; "
        f"all built with {described['profile']}. {versions}.", "",
        METHOD, "", *_table(results), "", *_summary(results), "", *_failures(results), *_details(results),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _table(results: Results) -> list[str]:
    lines = ["| row | floor | peers | micronet | to the target, and within | met |", "|---|---|---|---|---|---|"]
    for row in _rows(results):
        verdicts, is_met = judge_row(row, results)
        ratios = "; ".join(_ratio(verdict) for verdict in verdicts) or "not measured"
        word = {True: "yes", False: "**no**", None: "?"}[is_met]
        ours = _cells(row, results, [check.ours for check in row.checks])
        lines.append(f"| {row.title} | {_cells_of(row, results, FLOOR)} | {_cells_of(row, results, PEER)} | {ours} | {ratios} | {word} |")
    return lines


def _short(described: dict, results: Results) -> str:
    """The table as README has it: what each row is held to, and how it came out."""
    lines = [machine.in_words(described) + f"; {described['rounds']} rounds.", "",
             "| row | floors | the best peer | micronet | ratio, and within | met |", "|---|---|---|---|---|---|"]
    for row in _rows(results):
        verdicts, is_met = judge_row(row, results)
        if not verdicts:
            continue
        group = next(group for group in results.groups if group.key == row.group)
        peers = [(spread.median, each.name) for each in group.contestants if each.part == PEER
                 for spread in [Spread.of(results.figures(row.group, each.name, row.figure))] if spread]
        best = (max if row.checks[0].at_least else min)(peers, default=None)
        floors = [(spread.median, each.name) for each in group.contestants if each.part == FLOOR
                  for spread in [Spread.of(results.figures(row.group, each.name, row.figure))] if spread]
        ours = Spread.of(results.figures(row.group, row.checks[0].ours, row.figure))
        worst = max(verdicts, key=lambda verdict: verdict.to_target)
        cells = [row.title, "; ".join(f"{name} {number(value)}" for value, name in floors),
                 f"{best[1]} {number(best[0])}" if best else "", ours.shown() if ours else "", _ratio(worst),
                 {True: "yes", False: "**no**", None: "?"}[is_met]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _ratio(verdict: Verdict) -> str:
    sign = "≥" if verdict.check.at_least else "≤"
    what = f"{verdict.value.shown()} {sign} {number(verdict.check.limit)} ({verdict.check.formula})"
    return what if verdict.is_met else f"**{what}**"


def _cells_of(row: Row, results: Results, part: str) -> str:
    group = next(group for group in results.groups if group.key == row.group)
    return _cells(row, results, [each.name for each in group.contestants if each.part == part])


def _cells(row: Row, results: Results, names: list[str]) -> str:
    cells = []
    for name in dict.fromkeys(names):
        figures = [check.figure for check in row.checks if check.ours == name and check.figure != row.figure]
        figure = figures[0] if figures and len(row.checks) == len({check.ours for check in row.checks}) else row.figure
        spread = Spread.of(results.figures(row.group, name, figure))
        if spread:
            cells.append(f"{name} {spread.shown()}" + (f" ({figure})" if figure != row.figure else ""))
    return "; ".join(cells)


def _summary(results: Results) -> list[str]:
    judged = [(row, *judge_row(row, results)) for row in _rows(results) if row.key not in BESIDES]
    met = [row for row, _, is_met in judged if is_met]
    missed = [(row, verdicts) for row, verdicts, is_met in judged if is_met is False]
    lines = [f"**{len(met)} of {len(judged)} rows are met.**"]
    for row, verdicts in missed:
        worst = max(verdicts, key=lambda verdict: verdict.to_target)
        far = f", which is further than {FAR}" if worst.to_target > FAR else ""
        lines.append(f"- {row.title}: {number(worst.to_target)} x its target ({worst.check.formula}){far}")
    return lines


def _failures(results: Results) -> list[str]:
    if not results.failures:
        return []
    return ["## What failed", "", *(f"- {failure}" for failure in results.failures), ""]


def _details(results: Results) -> list[str]:
    lines = []
    for group in results.groups:
        kept = results.kept.get(group.key)
        lines += [f"## {group.work}", ""] + ([f"Measured {kept}.", ""] if kept else [])
        lines += [f"| | {' | '.join(group.figures)} |", "|---" * (len(group.figures) + 1) + "|"]
        for contestant in group.contestants:
            if (group.key, contestant.name) not in results.turns:
                continue
            spreads = [Spread.of(results.figures(group.key, contestant.name, figure)) for figure in group.figures]
            cells = " | ".join(spread.shown() if spread else "" for spread in spreads)
            lines.append(f"| {contestant.name} | {cells} |")
        lines.append("")
    return lines


def _data(described: dict, results: Results) -> dict:
    def of_row(row: Row) -> dict:
        verdicts, is_met = judge_row(row, results)
        checks = [{"ours": verdict.check.ours, "figure": verdict.check.figure, "against": verdict.check.against,
                   "limit": verdict.check.limit, "at_least": verdict.check.at_least, "formula": verdict.check.formula,
                   **asdict(verdict.value), "met": verdict.is_met, "to_target": verdict.to_target}
                  for verdict in verdicts]
        return {"key": row.key, "title": row.title, "figure": row.figure, "met": is_met, "checks": checks}

    return {
        "machine": described, "seconds": results.seconds, "failures": results.failures,
        "rows": [of_row(row) for row in _rows(results)],
        "groups": [{"key": group.key, "work": group.work,
                    "measured": results.kept.get(group.key, f"{described['date']} of {described['revision']}"), "contestants": [
            {"name": each.name, "part": each.part, "rounds": results.turns[group.key, each.name]}
            for each in group.contestants if (group.key, each.name) in results.turns]} for group in results.groups],
    }
