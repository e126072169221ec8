#!/usr/bin/env python3
"""Follows a whole connection as its two sides' bytes are sent, and holds every frame against SPEC.md sections 3 and 5.

    session.py FILE…   a FILE is JSON: {"steps": [{"by": "dialler" or "acceptor", "hex": "…"}, …]} in the order of sending;
                       prints a line of JSON a file: the calls, or the refusal, and then the exit code is 1
"""
import hmac
import json
import sys

import decode
from decode import Refused, malformed

OTHER = {"dialler": "acceptor", "acceptor": "dialler"}


class Side:
    def __init__(self):
        self.unread, self.hello, self.closed, self.greeted = b"", None, False, False
        self.frames_after_hello, self.pings = 0, []


class Session:
    """What somebody who sees all bytes knows. `secret` is the acceptor's secret of the cluster, if it has one."""

    def __init__(self, secret=None):
        self.sides = {"dialler": Side(), "acceptor": Side()}
        self.secret, self.calls, self.last_stream, self.standing = secret, {}, 0, "ANONYMOUS"
        self.notices = {}

    def sent(self, by, data):
        """Takes what one side sends; returns its frames. Raises Refused as the other side would."""
        side, frames = self.sides[by], []
        side.unread += data
        if not side.greeted:
            seen = min(len(side.unread), 8)
            if side.unread[:seen] != decode.PREFACE[:seen]:
                malformed("no preface")  # SPEC 1.2
            if seen < 8:
                return frames
            side.greeted, side.unread = True, side.unread[8:]
        while True:
            # SPEC 2.8: as the receiver announced; 4096 before HELLO.
            announced = self.sides[OTHER[by]].hello
            limit = 4096 if side.hello is None else (announced or {"frame_payload_max": 2097152})["frame_payload_max"]
            taken = decode.frame(side.unread, limit)
            if taken is None:
                return frames
            frame, size = taken
            side.unread = side.unread[size:]
            self.check(by, side, frame)
            frames.append(frame)

    def check(self, by, side, frame):
        kind = frame["kind"]
        if side.closed:
            malformed("a frame after CLOSE")  # SPEC 5.7
        if decode.SENT_BY.get(kind, by) != by:
            malformed(f"{kind} from the {by}")
        if side.hello is None:
            return self.first(by, side, frame)
        if kind == "HELLO":
            malformed("a second HELLO")
        other = self.sides[OTHER[by]]
        if not frame["checksum"] and (other.hello is None or side.hello["checksums"] or other.hello["checksums"]):
            malformed("no checksum")  # SPEC 3.8
        side.frames_after_hello += 1
        rules = {
            "PROOF": self.proof, "REQUEST": self.request, "CANCEL": self.cancel, "REPLY": self.terminal,
            "ERROR": self.terminal, "NOTICE": self.notice,
        }
        if kind in rules:
            rules[kind](side, frame)
        elif kind == "PING":
            side.pings.append(frame["payload"]["opaque"])
        elif kind == "PONG":
            if frame["payload"]["opaque"] not in other.pings:
                malformed("a PONG without PING")  # SPEC 7.2
            other.pings.remove(frame["payload"]["opaque"])
        elif kind == "CLOSE":
            side.closed = True

    def first(self, by, side, frame):
        """SPEC 3.1."""
        if frame["kind"] == "CLOSE":
            side.closed = True
            return
        if frame["kind"] != "HELLO" or not frame["checksum"]:
            malformed(f"{frame['kind']} before HELLO, or HELLO without checksum")
        side.hello = frame["payload"]
        if self.sides[OTHER[by]].hello:
            decode.check_hello(self.sides[OTHER[by]].hello, side.hello)

    def proof(self, side, frame):
        """SPEC 3.7."""
        if side.frames_after_hello != 1:
            malformed("a late PROOF")
        said = frame["payload"]
        number = {name: number for number, name in decode.CREDENTIALS.items()}[said["credential"]]
        if self.secret is None:
            raise Refused("BAD_PROOF", "no such secret")
        expected = decode.proof_hmac(self.secret, number, side.hello, self.sides["acceptor"].hello)
        if not hmac.compare_digest(expected, bytes.fromhex(said["hmac"])):
            raise Refused("BAD_PROOF", "another secret")
        self.standing = said["credential"]

    def opened(self, frame):
        """SPEC 5.1."""
        if frame["stream"] <= self.last_stream:
            malformed("a stream id again")
        self.last_stream = frame["stream"]

    def notice(self, side, frame):
        """SPEC 5.9: that nothing comes back is checked where terminal frames look for their call."""
        self.opened(frame)
        self.notices[frame["stream"]] = {"method": frame["method"], "message": frame["payload"]["message"]}

    def request(self, side, frame):
        self.opened(frame)
        self.calls[frame["stream"]] = {
            "method": frame["method"], "encoding": frame["encoding"], "message": frame["payload"]["message"],
            "cancelled": False, "end": None, "reply": None,
        }

    def cancel(self, side, frame):
        """SPEC 5.4."""
        if frame["stream"] > self.last_stream:
            malformed("CANCEL of a stream never opened")
        call = self.calls.get(frame["stream"])
        if call:
            if call["method"] != frame["method"]:
                malformed("CANCEL of another method")
            if call["cancelled"]:
                malformed("CANCEL twice")
            call["cancelled"] = True

    def terminal(self, side, frame):
        """SPEC 5.2, 5.3."""
        call = self.calls.get(frame["stream"])
        if call is None or call["end"] is not None:
            malformed("a terminal frame of no call in flight")
        if call["method"] != frame["method"]:
            malformed("a terminal frame of another method")
        if frame["kind"] == "REPLY":
            if call["encoding"] != frame["encoding"]:
                malformed("a REPLY in another encoding")
            call["end"], call["reply"] = "REPLY", frame["payload"]["message"]
        else:
            call["end"] = frame["payload"]["code"]


def follow(path):
    """What a file says, and whether it keeps the rules."""
    with open(path, encoding="utf-8") as file:
        said = json.load(file)
    secret = bytes.fromhex(said["secret"]) if said.get("secret") else None
    session, frames = Session(secret), 0
    try:
        for step in said["steps"]:
            frames += len(session.sent(step["by"], bytes.fromhex(step["hex"])))
    except Refused as refused:
        return {"refused": refused.code, "words": str(refused)}, False
    closed = {name: side.closed for name, side in session.sides.items()}
    unread = {name: len(side.unread) for name, side in session.sides.items()}
    return {
        "frames": frames, "closed": closed, "unread": unread, "standing": session.standing, "calls": session.calls,
        "notices": session.notices,
    }, True


def main(paths):
    kept = True
    for path in paths:
        said, right = follow(path)
        kept = kept and right
        print(json.dumps(said))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) if len(sys.argv) > 1 else __doc__)
