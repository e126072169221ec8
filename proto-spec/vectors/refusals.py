"""The cases of transcript.json in which somebody breaks a rule: each row of SPEC 16.4 and 16.5 that needs a connection."""
from build import *
from steps import *
from transcripts import ABANDONED, LOST, PROVED

OPEN = of_call(REQUEST, 1, METHOD, head(15_000_000), flags=CHECKSUM)  # a stream of requests


def said(payload, flags=0, method=METHOD, encoding=1):
    return data(1, method, payload, flags, encoding)


def begins(length, count):
    return said(u32(length) + b"a" * count, MORE)


def by_dialler(clause, name, *frames, code="PROTOCOL_ERROR", number=16, opened=OPEN, before=(), own=None, **limits):
    """What breaks the rules on a stream of requests, or on a stream that is opened otherwise."""
    own = [["request", 1, METHOD, ""], *before, ABANDONED] if own is None else own
    return broken(clause, name, code, number, "dialler", opened + b"".join(frames), own=own, **limits)


def by_acceptor(clause, name, *frames, replies="one", code="PROTOCOL_ERROR", number=16, own=(), **limits):
    """What breaks the rules in the answer to a call."""
    asks = step("dialler", ["open", METHOD, TUX.hex(), replies, {"deadline_us": 15_000_000}], request(1),
                [["request", 1, METHOD, TUX.hex()]])
    return broken(clause, name, code, number, "acceptor", b"".join(frames), [asks], [*own, LOST], [ABANDONED], **limits)


def asked(stream, rest, flags, head_bytes=head(15_000_000), encoding=1):
    return of_call(REQUEST, stream, METHOD, head_bytes + rest, encoding, flags | CHECKSUM)


EXCEEDED = {"code": "CREDIT_EXCEEDED", "number": 24}
NOTED = of_call(NOTICE, 1, METHOD, head(15_000_000) + TUX)
NOTED_OWN = [["notice", 1, METHOD, TUX.hex()]]
ASKED_OWN = [["request", 1, METHOD, TUX.hex()], ABANDONED]
TINY = {"stream_credit": 16384, "connection_credit": 65536}
ONE_CALL = {"calls_in_flight_max": 1}
REFUSALS = [
    greeting_refused("3.6", "another cluster", "WRONG_CLUSTER", 20, PREFACE + hello("dialler", cluster="bank")),
    greeting_refused("3.5", "only later versions", "VERSION_UNSUPPORTED", 19, PREFACE + hello("dialler", b"\x02\x05")),
    greeting_refused("3.3", "an unknown capability", "CAPABILITY_UNSUPPORTED", 21, PREFACE + hello("dialler", extra=entry(77, b""))),
    greeting_refused("1.2", "HTTP", "PROTOCOL_ERROR", 16, b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    greeting_refused("1.2", "a preface that a text file's conversion changed", "PROTOCOL_ERROR", 16, x("89 4D 4E 50 0A 1A 01")),
    greeting_refused("3.1", "a request before HELLO", "PROTOCOL_ERROR", 16, PREFACE + request(1)),
    greeting_refused("3.1", "HELLO without checksum", "PROTOCOL_ERROR", 16,
                     PREFACE + frame(HELLO, x("01 01") + entry(4, bytes(16)), 0)),
    greeting_refused("2.6", "HELLO with a wrong checksum", "CHECKSUM_MISMATCH", 17, PREFACE + hello("dialler")[:-1] + b"!"),
    greeting_refused("2.8", "a HELLO of 4097 bytes", "FRAME_TOO_LARGE", 18, PREFACE + frame(HELLO, bytes(4097))),
    broken("3.1", "a second HELLO", "PROTOCOL_ERROR", 16, "dialler", hello("dialler")),
    broken("2.2", "a BEACON of the dialler", "PROTOCOL_ERROR", 16, "dialler", beacon(b"schema")),
    broken("3.7", "a proof of nothing", "BAD_PROOF", 22, "dialler", frame(PROOF, PROVED)),
    broken("3.7", "a proof that comes too late", "PROTOCOL_ERROR", 16, "dialler", frame(GOAWAY, u32(0)) + frame(PROOF, PROVED)),
    broken("5.6", "a second GOAWAY", "PROTOCOL_ERROR", 16, "dialler", frame(GOAWAY, u32(0)) * 2),
    broken("5.6", "a GOAWAY of a dialler with an id", "PROTOCOL_ERROR", 16, "dialler", frame(GOAWAY, u32(5))),
    broken("5.6", "a REQUEST after GOAWAY", "PROTOCOL_ERROR", 16, "dialler", frame(GOAWAY, u32(0)) + request(1)),
    broken("5.6", "a NOTICE after GOAWAY", "PROTOCOL_ERROR", 16, "dialler",
           frame(GOAWAY, u32(0)) + of_call(NOTICE, 1, METHOD, head(1))),
    broken("5.1", "a stream id again", "PROTOCOL_ERROR", 16, "dialler", request(1), [call(1)], [ABANDONED], [LOST]),
    broken("5.1", "a stream id again, by NOTICE", "PROTOCOL_ERROR", 16, "dialler", of_call(NOTICE, 1, METHOD, head(1)), [call(1)],
           [ABANDONED], [LOST]),
    broken("2.2", "a NOTICE from the acceptor", "PROTOCOL_ERROR", 16, "acceptor", of_call(NOTICE, 1, METHOD, head(1))),
    broken("5.9", "a REPLY to a NOTICE", "PROTOCOL_ERROR", 16, "acceptor", of_call(REPLY, 1, METHOD, bytes(16)), [send(1)]),
    broken("5.9", "an ERROR to a NOTICE", "PROTOCOL_ERROR", 16, "acceptor", error(1, 66, 2, 1, "busy"), [send(1)]),
    broken("3.8", "a frame without the checksum that was agreed", "PROTOCOL_ERROR", 16, "dialler", frame(PING, bytes(8), 0)),
    broken("5.4", "a CANCEL of a stream never opened", "PROTOCOL_ERROR", 16, "dialler", of_call(CANCEL, 1, METHOD, b"", 0)),
    broken("2.5", "a CANCEL of another method", "PROTOCOL_ERROR", 16, "dialler", of_call(CANCEL, 1, METHOD + 1, b"", 0), [call(1)],
           [ABANDONED], [LOST]),
    broken("2.2", "a REPLY from the dialler", "PROTOCOL_ERROR", 16, "dialler", of_call(REPLY, 1, METHOD, bytes(16))),
    broken("2.2", "a REQUEST from the acceptor", "PROTOCOL_ERROR", 16, "acceptor", request(1)),
    broken("7.2", "a PONG without PING", "PROTOCOL_ERROR", 16, "acceptor", pong(1, 0)),
    broken("5.3", "a REPLY without call", "PROTOCOL_ERROR", 16, "acceptor", of_call(REPLY, 1, METHOD, bytes(16))),
    broken("2.5", "a REPLY of another method", "PROTOCOL_ERROR", 16, "acceptor", of_call(REPLY, 1, METHOD + 1, bytes(16)),
           [call(1)], [LOST], [ABANDONED]),
    broken("5.3", "a malformed REPLY", "PROTOCOL_ERROR", 16, "acceptor", of_call(REPLY, 1, METHOD, bytes(15)), [call(1)], [LOST],
           [ABANDONED]),
    broken("5.3", "a malformed ERROR", "PROTOCOL_ERROR", 16, "acceptor", of_call(ERROR, 1, METHOD, bytes(15)), [call(1)], [LOST],
           [ABANDONED]),
    broken("5.2", "a REPLY in another encoding", "PROTOCOL_ERROR", 16, "acceptor", of_call(REPLY, 1, METHOD, bytes(16), 2),
           [call(1)], [LOST], [ABANDONED]),
    broken("2.8", "a frame larger than agreed", "FRAME_TOO_LARGE", 18, "acceptor", header(65537, REPLY, END, 1, stream=1, method=1)),
    # ---- messages in DATA ----
    by_dialler("4.3", "DATA without a call", said(b"a"), opened=b"", own=[]),
    by_dialler("2.5", "DATA of another method", said(b"a", method=METHOD + 1)),
    by_dialler("5.2", "DATA in another encoding", said(b"a", encoding=2)),
    by_dialler("4.3", "a message without bytes", said(b"")),
    by_dialler("4.3", "a piece of no message", said(b"a", CONTINUED)),
    by_dialler("4.3", "a message in the middle of another", begins(9, 8), said(b"a")),
    by_dialler("4.3", "a first piece in the middle of another message", begins(9, 8), begins(9, 8)),
    by_dialler("4.3", "the end in the middle of a message", begins(9, 8), said(b"", END)),
    by_dialler("4.3", "a first piece that is the whole message", begins(8, 8)),
    by_dialler("4.3", "pieces that are too long together", begins(9, 8), said(b"aa", CONTINUED)),
    by_dialler("4.3", "pieces that are too short together", begins(10, 8), said(b"a", CONTINUED)),
    by_dialler("4.3", "a piece in the middle with all that is left", begins(9, 8), said(b"a", MORE | CONTINUED)),
    by_dialler("4.3", "a piece without bytes", begins(9, 8), said(b"", MORE | CONTINUED)),
    by_dialler("4.3", "DATA after END", said(b"a", END), said(b"a"), before=[["message", 1, "61"], ["end", 1]]),
    by_dialler("4.3", "DATA after END alone", said(b"", END), said(b"", END), before=[["end", 1]]),
    by_dialler("4.3", "DATA after a REQUEST with END", said(b"a"), opened=request(1), own=ASKED_OWN),
    by_dialler("4.3", "an announcement after a REQUEST with END", said(u32(20000), MORE), opened=request(1), own=ASKED_OWN),
    by_dialler("4.3", "DATA after a NOTICE", said(b"a"), opened=NOTED, own=NOTED_OWN),
    by_dialler("4.3", "a long request without END", begins(20000, 16320), said(b"a" * 3680, CONTINUED),
               opened=asked(1, u32(20000), MORE), own=[]),
    by_acceptor("4.3", "DATA with END from the acceptor", said(b"a", END), replies="many"),
    by_acceptor("4.3", "a message where one reply is due", said(b"a")),
    by_acceptor("4.3", "a reply that is whole before its REPLY", begins(9, 8), said(b"a", CONTINUED)),
    broken("4.3", "DATA from the acceptor without a call", "PROTOCOL_ERROR", 16, "acceptor", said(b"a")),
    # ---- announcements ----
    by_dialler("4.4", "an announcement of nothing", said(u32(0), MORE)),
    by_dialler("4.4", "an announcement twice", said(u32(9), MORE), said(u32(9), MORE)),
    by_dialler("4.4", "an announcement in the middle of a message", begins(9, 8), said(u32(9), MORE)),
    by_dialler("4.4", "another message than was announced", said(u32(9), MORE), said(b"a")),
    by_dialler("4.4", "a first piece of another message than was announced", said(u32(9), MORE), begins(10, 8)),
    by_dialler("4.4", "another request than was announced", said(b"a", END), opened=asked(1, u32(20000), MORE), own=[]),
    by_dialler("4.4", "a first piece of a message that is too long", begins(16777217, 8)),
    # ---- replies ----
    by_acceptor("5.3", "a REPLY that goes on with no message", of_call(REPLY, 1, METHOD, bytes(17), flags=END | CONTINUED | CHECKSUM)),
    by_acceptor("5.3", "a REPLY in the middle of a message", begins(9, 8), of_call(REPLY, 1, METHOD, bytes(16))),
    by_acceptor("5.3", "a REPLY instead of the message that was announced", said(u32(20_000), MORE),
                of_call(REPLY, 1, METHOD, bytes(17))),
    by_acceptor("5.3", "the end of the replies instead of the one that was announced", said(u32(20_000), MORE),
                of_call(REPLY, 1, METHOD, bytes(16)), replies="many"),
    by_acceptor("5.3", "a REPLY with too little of its message", begins(10, 8),
                of_call(REPLY, 1, METHOD, bytes(17), flags=END | CONTINUED | CHECKSUM)),
    by_acceptor("5.3", "a REPLY with none of its message", begins(9, 8),
                of_call(REPLY, 1, METHOD, bytes(16), flags=END | CONTINUED | CHECKSUM)),
    by_acceptor("5.3", "a REPLY with a message after a stream of them", said(b"a"), of_call(REPLY, 1, METHOD, bytes(17)),
                replies="many", own=[["message", 1, "61"]]),
    # ---- credit ----
    by_dialler("4.5", "more than the stream's credit", said(b"a" * 16320), said(b"a" * 65), acceptor=TINY,
               before=[["message", 1, "(61*16320)"]], **EXCEEDED),
    by_dialler("4.5", "a first piece of more than the stream's credit", begins(65537, 8), **EXCEEDED),
    by_dialler("4.5", "more than the connection's credit", *(
        of_call(REQUEST, stream, METHOD, head(15_000_000), flags=CHECKSUM) + data(stream, METHOD, b"a" * 16320)
        for stream in range(1, 6)), opened=b"", acceptor=TINY, own=[
            *(event for stream in range(1, 5) for event in (["request", stream, METHOD, ""], ["message", stream, "(61*16320)"])),
            ["request", 5, METHOD, ""], *(["abandoned", stream] for stream in range(1, 6))], **EXCEEDED),
    by_acceptor("4.5", "a piece of a reply without credit", begins(65537, 8), **EXCEEDED),
    by_dialler("4.6", "CREDIT of a stream beyond all limits", credit(1073741824, 1, METHOD), **EXCEEDED),
    by_acceptor("4.6", "CREDIT of the connection beyond all limits", credit(1073741824), **EXCEEDED),
    by_dialler("4.6", "CREDIT of a stream never opened", credit(1, 2, METHOD)),
    by_acceptor("4.6", "CREDIT of a stream never opened, from the acceptor", credit(1, 2, METHOD)),
    by_dialler("2.5", "CREDIT of another method", credit(1, 1, METHOD + 1)),
    by_dialler("5.1", "the id FFFFFFFF", of_call(REQUEST, 0xFFFFFFFF, METHOD, head(1)), opened=b"", own=[]),
    # ---- what costs a call ----
    answered("4.2", "a request that opens a stream, with a message", "BAD_REQUEST", 34, asked(1, TUX, 0)),
    answered("4.2", "an announcement that is more than a length", "BAD_REQUEST", 34, asked(1, u32(20000) + b"a", MORE)),
    answered("4.2", "an announcement that is less than a length", "BAD_REQUEST", 34, asked(1, b"aaa", MORE)),
    answered("4.2", "an announcement of a request that fits its frame", "BAD_REQUEST", 34, asked(1, u32(16320), MORE)),
    answered("4.2", "a request of 16321 bytes in its frame", "MESSAGE_TOO_LARGE", 36, asked(1, b"a" * 16321, END)),
    answered("4.2", "an announcement of a request that is too long", "MESSAGE_TOO_LARGE", 36, asked(1, u32(16777217), MORE)),
    answered("4.4", "an announcement of a message that is too long", "MESSAGE_TOO_LARGE", 36, OPEN + said(u32(16777217), MORE),
             [["request", 1, METHOD, ""], ABANDONED]),
    answered("5.2", "a request in another encoding, and its messages", "UNKNOWN_ENCODING", 33,
             asked(1, b"", 0, encoding=2) + said(b"a", encoding=2)),
    answered("5.5", "a call more than the acceptor takes", "OVERLOADED", 66, request(2), before=[call(1)], fault=2, retry=1,
             acceptor=ONE_CALL),
    answered("6.1", "a head without time", "BAD_REQUEST", 34, asked(1, TUX, END, head(0))),
    answered("6.2", "a head with an unknown entry", "BAD_REQUEST", 34, asked(1, TUX, END, head(1, head_entry(7, b"")))),
    case("a NOTICE of 16321 bytes is dropped", *GREETING,
         step("dialler", ["bytes"], of_call(NOTICE, 1, METHOD, head(1) + b"a" * 16321), [["dropped", 1, "MESSAGE_TOO_LARGE"]]),
         step("acceptor", ["answer"], b""), answers="MESSAGE_TOO_LARGE", clause="4.2"),
]
