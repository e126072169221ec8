"""Checks that a run of schemathesis reached what it examined: that it was believed, and that nearly every operation did what it is for.

Usage: answered.py COUNTS    what admin.py has counted
"""

import json
import sys

# How many of all operations. The others can't: events are for services alone, streams of events for who asks for one, the network is set
# up already and not a declared one, and what is made up is no password, and names no session, fault or order that is there.
DONE_PERCENT_MIN = 80

with open(sys.argv[1]) as file:
    counts = json.load(file)
admins = counts.pop("admins")["in all"]
done = {label for label, statuses in counts.items() if any(status.startswith("2") for status in statuses)}
total = sum(sum(statuses.values()) for statuses in counts.values())
of = {kind: sum(n for statuses in counts.values() for status, n in statuses.items() if status.startswith(kind)) for kind in "2345"}
refused = sum(statuses.get("401", 0) for statuses in counts.values())
print(f"{total} requests by {admins} admins: {of['2']} answers 2xx, {of['4']} 4xx ({refused} of them 401), {of['5']} 5xx")
print(f"{len(done)} of {len(counts)} operations have done what they are for; not these:")
idle = sorted(set(counts) - done)
for label in idle:
    print(f"  {label}: {counts[label]}")
faults = []
if len(done) * 100 < len(counts) * DONE_PERCENT_MIN:
    faults.append(f"fewer than {DONE_PERCENT_MIN} % of the operations have done what they are for")
if len(counts) < 80:
    faults.append("fewer operations than there were")
if refused * 4 > total:
    faults.append("one request in four or more was 401: it was not believed")
for fault in faults:
    print(fault)
sys.exit(bool(faults))
