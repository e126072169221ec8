#!/usr/bin/env python3
"""Follows a whole connection as its two sides' bytes are sent, and holds every frame against SPEC.md sections 2 to 8.

    session.py FILE…   a FILE is JSON: {"steps": [{"by": "dialler" or "acceptor", "hex": "…"}, …]} in the order of sending;
                       prints a line of JSON a file: the calls, or the refusal, and then the exit code is 1
"""
import hmac
import json
import sys

import decode
from decode import MESSAGE_MAX, PIECE_MAX, Refused, malformed
from streams import OneRequest, Purse, Replies, Voice, first_piece

OTHER = {"dialler": "acceptor", "acceptor": "dialler"}


class Side:
    def __init__(self):
        self.unread, self.hello, self.closed, self.greeted = b"", None, False, False
        self.frames_after_hello, self.pings = 0, []
        self.credit = None  # What it may send on the connection, once the peer's HELLO is known.


class Session:
    """What somebody who sees all bytes knows. `secret` is the acceptor's secret of the cluster, if it has one."""

    def __init__(self, secret=None):
        self.sides = {"dialler": Side(), "acceptor": Side()}
        self.secret, self.calls, self.last_stream, self.standing = secret, {}, 0, "ANONYMOUS"
        self.notices, self.voices = {}, {}
        # How many replies the next REQUEST gets: `one`, `many`, or None if that is not known.
        self.replies = None

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
            limit = 4096 if side.hello is None else (announced or {"frame_payload_max": 65536})["frame_payload_max"]
            taken = decode.raw_frame(side.unread, limit)
            if taken is None:
                return frames
            head, payload, size = taken
            side.unread = side.unread[size:]
            if side.closed:
                malformed("a frame after CLOSE")  # SPEC 5.7
            if decode.SENT_BY.get(head["kind"], by) != by:
                malformed(f"{head['kind']} from the {by}")
            try:
                said = decode.payload_of(head, payload)
            except Refused as refused:
                if refused.code != "BAD_REQUEST":
                    raise
                said = {"refused": refused.code}  # SPEC 6.3: the call's fault, not the connection's
            frame = head | {"payload": said}
            self.check(by, side, frame)
            frames.append(frame)

    def check(self, by, side, frame):
        kind = frame["kind"]
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
            "ERROR": self.terminal, "NOTICE": self.notice, "DATA": self.data, "CREDIT": self.credit,
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
            for name, one in self.sides.items():
                one.credit = Purse(self.sides[OTHER[name]].hello["connection_credit"])  # SPEC 4.5

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
        if frame["stream"] <= self.last_stream or frame["stream"] == 0xFFFFFFFF:
            malformed("a stream id again")
        self.last_stream = frame["stream"]

    def notice(self, side, frame):
        """SPEC 5.9: that nothing comes back is checked where terminal frames look for their call."""
        self.opened(frame)
        self.notices[frame["stream"]] = {"method": frame["method"], "message": frame["payload"].get("message")}

    def request(self, side, frame):
        """SPEC 4.2, and what the acceptor has to answer with an error (16.5)."""
        self.opened(frame)
        rest, refused = bytes.fromhex(frame["payload"].get("message", "")), frame["payload"].get("refused")
        announced = int.from_bytes(rest, "big") if frame["more"] and len(rest) == 4 else None
        if frame["more"]:
            refused = refused or (None if (announced or 0) > PIECE_MAX else "BAD_REQUEST")
        elif not frame["end"] and rest:
            refused = refused or "BAD_REQUEST"
        if len(rest) > PIECE_MAX or (announced or 0) > MESSAGE_MAX:
            refused = refused or "MESSAGE_TOO_LARGE"
        stream, hellos = frame["stream"], {name: one.hello for name, one in self.sides.items()}
        self.calls[stream] = {
            "method": frame["method"], "encoding": frame["encoding"], "message": rest.hex() if frame["end"] else None,
            "cancelled": False, "end": None, "reply": None, "refused": refused, "requests": None, "replies": [],
        }
        credit, purse = hellos["acceptor"]["stream_credit"], self.sides["dialler"].credit
        asking = Voice(credit, purse) if announced is None else OneRequest(credit, purse, announced)
        asking.ended = frame["end"]
        answering = Replies(hellos["dialler"]["stream_credit"], self.sides["acceptor"].credit, self.replies)
        self.voices[stream] = {"dialler": asking, "acceptor": answering}

    def data(self, side, frame):
        """SPEC 4.3, 4.7: messages of a call in flight, or such as have crossed its end, and are only counted."""
        by = "dialler" if side is self.sides["dialler"] else "acceptor"
        stream, call = frame["stream"], self.calls.get(frame["stream"])
        if stream > self.last_stream or stream in self.notices or (by == "acceptor" and (call is None or call["end"] is not None)):
            malformed("DATA without call")
        if call is None or call["end"] is not None or call["cancelled"] or call["refused"]:
            return side.credit.spend(first_piece(frame), "connection")
        if call["method"] != frame["method"] or call["encoding"] != frame["encoding"]:
            malformed("DATA of another method, or in another encoding")
        voice = self.voices[stream][by]
        if voice.data(frame):
            call["refused"] = "MESSAGE_TOO_LARGE"
        if by == "acceptor":
            call["replies"] = voice.messages
        elif isinstance(voice, OneRequest):
            call["message"] = "".join(voice.messages) or None
        else:
            call["requests"] = voice.messages

    def credit(self, side, frame):
        """SPEC 4.6."""
        other = "acceptor" if side is self.sides["dialler"] else "dialler"
        stream, count = frame["stream"], frame["payload"]["bytes"]
        if stream > self.last_stream:
            malformed("CREDIT for a stream that was never opened")
        if stream == 0:
            return self.sides[other].credit.fill(count)
        call = self.calls.get(stream)
        if call is None or call["end"] is not None or call["cancelled"] or call["refused"]:
            return None
        if call["method"] != frame["method"]:
            malformed("CREDIT of another method")
        return self.voices[stream][other].stream.fill(count)

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
            if call["refused"] and not call["cancelled"]:
                malformed("a REPLY to what can't be executed")
            reply = None if call["cancelled"] else self.voices[frame["stream"]]["acceptor"].reply(frame)
            call["end"], call["reply"] = "REPLY", reply
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
