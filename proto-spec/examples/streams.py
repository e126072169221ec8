"""What one side says on a stream, as the other counts it (SPEC.md section 4): messages, their pieces, and credit."""
from decode import CREDIT_MAX, MESSAGE_MAX, Refused, malformed


class Purse:
    """Credit (SPEC 4.5, 4.6): what its holder may still send."""

    def __init__(self, count):
        self.count = count

    def spend(self, count, whose):
        if count > self.count:
            raise Refused("CREDIT_EXCEEDED", f"{count} bytes on the {whose}, of which {self.count} may come")
        self.count -= count

    def fill(self, count):
        self.count += count
        if self.count > CREDIT_MAX:
            raise Refused("CREDIT_EXCEEDED", f"{self.count} bytes in one hand")


def first_piece(frame):
    """What a DATA frame takes of credit: all of its message with the first piece, nothing with later ones and announcements."""
    said = frame["payload"]
    if frame["continued"] or not said["bytes"]:
        return 0
    return said["length"] if frame["more"] else len(said["bytes"]) // 2


class Voice:
    """One side's messages on one stream."""

    def __init__(self, stream_credit, connection):
        self.stream, self.connection = Purse(stream_credit), connection
        self.announced = self.total = None
        self.begun, self.messages, self.ended = b"", [], False

    def data(self, frame):
        """SPEC 4.3, 4.4. True when this call ends for it: a message is announced that is longer than any."""
        said, more = frame["payload"], frame["more"]
        piece = bytes.fromhex(said["bytes"])
        if self.ended:
            malformed("DATA after END")
        if frame["continued"]:
            return self.go_on(piece, more, frame["end"])
        if self.total is not None:
            malformed("a message, an announcement or END in the middle of a message")
        if more and not piece:
            if self.announced is not None or not said["length"]:
                malformed("an announcement of nothing, or another one")
            self.announced = said["length"]
            return said["length"] > MESSAGE_MAX
        if not piece:
            if not frame["end"] or self.announced is not None:
                malformed("a message without bytes, or the end instead of what was announced")
            self.ended = True
            return False
        length = said["length"] if more else len(piece)
        if length > MESSAGE_MAX or (more and len(piece) >= length):
            malformed(f"{len(piece)} bytes of a message of {length}")
        if self.announced not in (None, length):
            malformed(f"{length} bytes instead of the announced {self.announced}")
        self.announced = None
        self.stream.spend(length, "stream")
        self.connection.spend(length, "connection")
        if more:
            self.total, self.begun = length, piece
        else:
            self.whole(piece, frame["end"])
        return False

    def go_on(self, piece, more, end):
        if self.total is None:
            malformed("a piece of no message")
        self.begun += piece
        if not piece or (len(self.begun) >= self.total if more else len(self.begun) != self.total):
            malformed(f"{len(self.begun)} bytes of {self.total}")
        if not more:
            self.total = None
            self.whole(self.begun, end)
        return False

    def whole(self, message, end):
        self.messages.append(message.hex())
        self.ended = end


class OneRequest(Voice):
    """A request that was announced by its REQUEST (SPEC 4.2)."""

    def __init__(self, stream_credit, connection, announced):
        super().__init__(stream_credit, connection)
        self.announced = announced

    def whole(self, message, end):
        if not end:
            malformed("more than one request")
        super().whole(message, end)


class Replies(Voice):
    """What the acceptor says before its terminal frame; `replies` is `one`, `many`, or None for who can't know."""

    def __init__(self, stream_credit, connection, replies):
        super().__init__(stream_credit, connection)
        self.replies = replies

    def data(self, frame):
        if frame["end"]:
            malformed("the acceptor's DATA with END")
        return super().data(frame)

    def whole(self, message, end):
        if self.replies == "one":
            malformed("a message in DATA where one reply is due")
        super().whole(message, end)

    def reply(self, frame):
        """SPEC 4.3, 5.3: the one reply; after a stream of them it is empty."""
        piece = bytes.fromhex(frame["payload"]["message"])
        if frame["continued"]:
            if self.total is None or not piece or len(self.begun) + len(piece) != self.total:
                malformed("a REPLY with another piece than the last one")
            piece = self.begun + piece
        elif self.total is not None:
            malformed("a REPLY in the middle of a message")
        many = self.replies == "many" or bool(self.messages)
        if many and piece:
            malformed("a REPLY with a message after a stream of them")
        return piece.hex()
