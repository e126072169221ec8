"""The rows of the table: what is compared with what, and which ratio counts as met.

A target was given in microseconds of one machine, beside what a floor or peer took there. It is their ratio that is held, to the same
floor or peer in the same round.
"""

from dataclasses import dataclass

from race import buys, http, idle, l4, network, rpc
from race.contestants import Group

GROUPS: list[Group] = [*rpc.GROUPS, *http.GROUPS, *idle.GROUPS, *l4.GROUPS, *buys.GROUPS, *network.GROUPS]


@dataclass(frozen=True)
class Check:
    """A figure of ours, divided by another's where there is one, against a limit."""
    ours: str
    figure: str
    limit: float
    formula: str
    """Where the limit comes from, in words."""
    against: str | None = None
    at_least: bool = False
    """Whether more is better."""


@dataclass(frozen=True)
class Row:
    key: str
    group: str
    title: str
    figure: str
    checks: list[Check]


def _rpc(key: str, title: str, target: float, there: float) -> Row:
    formula = f"{target} / {there} x tokio multiplexed"
    return Row(key, key, title, "cpu_us",
               [Check("micronet", "cpu_us", target / there, formula, against="tokio multiplexed")])


ROWS = [
    Row("rpc-64", "rpc-64", "RPC unary, 64 B, 64 in flight, 1 connection", "cpu_us",
        [Check("micronet", "cpu_us", 1.1, "1.1 x tokio multiplexed", against="tokio multiplexed")]),
    _rpc("rpc-1024", "the same, 1024 in flight", 0.8, 0.76),
    _rpc("rpc-8", "64 B, 64 in flight on 8 connections", 2.1, 1.98),
    _rpc("rpc-4k", "4 KiB, 64 in flight, 1 connection", 4.2, 4.67),
    _rpc("rpc-tls", "mTLS, 64 B, 64 in flight", 1.6, 1.46),
    Row("rpc-1", "rpc-1", "one call at a time, both on one processor", "cpu_us", [
        Check("micronet", "cpu_us", 15 / 14.8, "15 / 14.8 x tokio multiplexed", against="tokio multiplexed"),
        Check("micronet mio", "cpu_us", 13.5 / 13.1, "mio: 13.5 / 13.1 x epoll", against="epoll"),
        Check("micronet spinning", "p50_us", 1.2, "P50 spinning: 1.2 x raw spinning", against="spinning"),
    ]),
    Row("post", "http", "HTTP POST JSON to RPC to JSON, 64 keep-alive connections: gateway + backend", "cpu_us",
        [Check("micronet", "cpu_us", (9 + 1.5) / (6.7 + 1.0), "(9 + 1.5) / (6.7 + 1.0) x tokio gateway",
               against="tokio gateway")]),
    Row("jwt", "http", "the same with JWT and rate limit on (the method is safe: the audit log holds what changes something)", "cpu_us",
        [Check("micronet with JWT", "cpu_us", (10.5 + 1.5) / (6.7 + 1.0), "(10.5 + 1.5) / (6.7 + 1.0) x tokio gateway",
               against="tokio gateway")]),
    Row("throughput", "http", "throughput of that, requests/s under wrk, 64 connections", "per_s", [
        Check("micronet", "per_s", 100 / 138, "100 / 138 x epoll gateway", against="epoll gateway", at_least=True),
        *(Check("micronet", "per_s", 1.0, f"ahead of {peer}", against=peer, at_least=True)
          for peer in ("nginx", "HAProxy", "hyper proxy", "axum and tonic")),
    ]),
    Row("paced", "paced", "the same at a constant rate, half of the peers' maximum: P99", "p99_us",
        [Check("micronet", figure, 1.0, f"{words} not behind {peer}", against=peer)
         for figure, words in (("p99_us", "P99"), ("cpu_us", "CPU")) for peer in ("nginx", "HAProxy")]),
    Row("idle", "idle", "10,000 idle keep-alive HTTP connections, KiB each", "kib_each",
        [Check("micronet", "kib_each", 2.0, "2 KiB")]),
    Row("l4", "l4", "L4 pass-through, CPU ms a GiB", "cpu_ms_per_gib",
        [Check("micronet", "cpu_ms_per_gib", 1.0, "1.0 x HAProxy splicing", against="HAProxy tcp, splicing")]),
    Row("buys", "buys", "durable buys, 64 clients, fdatasync a buy", "syncs_per_buy",
        [Check("micronet", "syncs_per_buy", 0.1, "0.1 fdatasync a buy")]),
    Row("start", "network", "start of the whole network, s", "start_s", [Check("micronet", "start_s", 2.0, "2 s")]),
    Row("memory", "network", "RSS at rest of the largest process, MiB", "rss_max_mib",
        [Check("micronet", "rss_max_mib", 20.0, "20 MiB each")]),
]

BESIDES = ("start", "memory")
"""What isn't one of the thirteen."""


def keys() -> list[str]:
    return [row.key for row in ROWS]


def chosen(only: list[str]) -> list[Group]:
    """The groups that have these rows; all where none is named."""
    of_kind = {"rpc": [group.key for group in rpc.GROUPS], "http": ["http", "paced"]}
    groups = {row.group for row in ROWS if row.key in only} | {key for kind in only for key in of_kind.get(kind, [])}
    groups |= {group.key for group in GROUPS if group.key in only}
    return [group for group in GROUPS if not only or group.key in groups]


def listed() -> str:
    """Rows and who takes part."""
    lines = []
    for group in GROUPS:
        rows = ", ".join(row.key for row in ROWS if row.group == group.key)
        lines.append(f"{rows}: {group.work}")
        lines += [f"    {contestant.name} ({contestant.part})" for contestant in group.contestants]
    return "\n".join(lines)
