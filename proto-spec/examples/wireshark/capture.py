"""Captures as tshark reads them: written from bytes, and read back as fields. Standard library only."""
import json
import pathlib
import re
import struct
import subprocess

DISSECTOR = pathlib.Path(__file__).resolve().parents[2] / "micronet.lua"
PREFERENCES = ("-o", "tcp.desegment_tcp_streams:TRUE", "-o", "nameres.network_name:FALSE")
# For ports of which Wireshark knows nothing, or something else.
HEURISTICS = ("-o", "tcp.try_heuristic_first:TRUE")
FIRST_PORT, SEGMENT_MAX = 20000, 16000


class Capture:
    """Connections over TCP from bytes; each has ports of its own, by which its packets are found again."""

    def __init__(self):
        self.packets, self.at_us, self.connections = [], 0, 0

    def connection(self, steps, segment=SEGMENT_MAX, start=True):
        """`steps` are ("dialler" or "acceptor", bytes). Without `start` the capture begins in mid-connection."""
        self.connections += 1
        port, numbers = FIRST_PORT + self.connections, {"dialler": 1, "acceptor": 1}
        if start:
            self.packet(port, "dialler", {"dialler": 0, "acceptor": 0}, b"", 0x02)
            self.packet(port, "acceptor", {"dialler": 1, "acceptor": 0}, b"", 0x12)
        for by, data in steps:
            for at in range(0, len(data), segment):
                piece = data[at : at + segment]
                self.packet(port, by, numbers, piece, 0x18)
                numbers[by] += len(piece)
        return port

    def packet(self, port, by, numbers, data, flags):
        other = {"dialler": "acceptor", "acceptor": "dialler"}[by]
        ports = (port, 9) if by == "dialler" else (9, port)
        tcp = struct.pack(">HHIIBBHHH", *ports, numbers[by], numbers[other] if flags & 0x10 else 0, 0x50, flags, 65535, 0, 0)
        hosts = {"dialler": b"\x0a\0\0\1", "acceptor": b"\x0a\0\0\2"}
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp) + len(data), 0, 0, 64, 6, 0) + hosts[by] + hosts[other]
        self.at_us += 100
        self.packets.append((self.at_us, b"\0" * 12 + b"\x08\0" + ip + tcp + data))

    def write(self, path):
        with open(path, "wb") as out:
            out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
            for at_us, data in self.packets:
                seconds, micros = divmod(1_700_000_000_000_000 + at_us, 1_000_000)
                out.write(struct.pack("<IIII", seconds, micros, len(data), len(data)) + data)


def field_names():
    """All fields and warnings that the dissector registers."""
    text = DISSECTOR.read_text(encoding="utf-8")
    fields = re.findall(r'^field\("\w+", "([\w.]+)"', text, re.M)
    warnings = ["expert." + name for name in re.findall(r'= expert\("(\w+)"', text)]
    return ["micronet." + name for name in fields + warnings]


def tshark(path, *arguments, scripts=()):
    """What tshark prints, with our dissector; a script that doesn't load fails here, which tshark itself says only in words."""
    command = ["tshark", "-r", str(path), *PREFERENCES, "-X", f"lua_script:{DISSECTOR}"]
    for script in scripts:
        command += ["-X", f"lua_script:{script}"]
    done = subprocess.run([*command, *arguments], capture_output=True, check=False)
    errors = [line for line in done.stderr.decode().splitlines() if "Running as user" not in line and line.strip()]
    if done.returncode or errors:
        raise AssertionError(f"tshark: {done.returncode} {errors}")
    output = done.stdout.decode("utf-8", "replace")
    if "Lua Error" in output:
        raise AssertionError("Lua Error: " + output[output.index("Lua Error") :][:400])
    return output


def packets(path, *arguments, scripts=()):
    """The fields of all packets, in two passes: a list of {name: [texts]}, names without `micronet.`."""
    wanted = ["frame.number", "tcp.srcport", "tcp.dstport", "_ws.expert.message", "_ws.malformed", "_ws.col.Info", *field_names()]
    listed = [part for name in wanted for part in ("-e", name)]
    tshark(path, "-T", "fields", "-e", "_ws.expert.message", *arguments, scripts=scripts)  # The first pass alone: of its errors nothing is said later.
    said = json.loads(tshark(path, "-2", "-T", "json", *listed, *arguments, scripts=scripts))
    return [{name.removeprefix("micronet."): texts for name, texts in one["_source"]["layers"].items()} for one in said]
