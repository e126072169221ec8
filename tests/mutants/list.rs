//! The mutants: each a mistake that the connection could have, as a patch of one place of its code.

/// One mistake.
pub(crate) struct Mutant {
    /// What is wrong.
    pub(crate) name: &'static str,
    /// The file, below wire/src.
    pub(crate) file: &'static str,
    /// What stands there exactly once.
    pub(crate) find: &'static str,
    /// What stands there instead; `MUTANT` is whether this mutant is chosen.
    pub(crate) replace: &'static str,
}

macro_rules! mutants {
    ($($name:literal, $file:literal: $find:literal => $replace:literal;)*) => {
        /// All mutants.
        pub(crate) const MUTANTS: &[Mutant] =
            &[$(Mutant { name: $name, file: $file, find: $find, replace: $replace }),*];
    };
}

mutants! {
    "a byte of credit too much is granted", "conn/credit.rs":
        "(bytes as u32).to_be_bytes()" => "(bytes as u32 + u32::from(MUTANT)).to_be_bytes()";
    "a small message takes no credit of its stream", "conn/outgoing.rs":
        "messages.sending.credit -= length;" => "if !MUTANT { messages.sending.credit -= length; }";
    "a long message takes no credit of the connection", "conn/outgoing.rs":
        "sending.credit -= length;\n            self.flow.credit -= length;\n            front.paid"
        => "sending.credit -= length;\n            if !MUTANT { self.flow.credit -= length; }\n            front.paid";
    "what was held for a stream is not given back at its end", "conn/credit.rs":
        "self.release(messages.received_bytes());" => "if !MUTANT { self.release(messages.received_bytes()); }";
    "what crosses the end of its call is not given back", "conn/incoming.rs":
        "self.flow.release(paid);" => "if !MUTANT { self.flow.release(paid); }";
    "what was consumed is not given back", "conn/credit.rs":
        "self.top_up_stream(stream);\n        self.top_up_connection();"
        => "if !MUTANT { self.top_up_stream(stream); }\n        if !MUTANT { self.top_up_connection(); }";
    "a reservation outlives its call", "conn/credit.rs":
        "self.reserved -= messages.receiving.reserved;" => "if !MUTANT { self.reserved -= messages.receiving.reserved; }";
    "what was reserved and not used is not counted", "conn/credit.rs":
        "messages.receiving.reserved += shortage;\n                }\n                self.top_up_connection();"
        => "messages.receiving.reserved += shortage;\n                }\n                \
            if MUTANT { self.grant(0, shortage); } else { self.top_up_connection(); }";
    "an announcement is forgotten", "conn/incoming.rs":
        "receiving.announced = u32::try_from(total).ok();\n        self.want(stream);"
        => "receiving.announced = u32::try_from(total).ok();\n        if !MUTANT { self.want(stream); }";
    "whoever waits for the connection's credit loses its turn", "conn/credit.rs":
        "waiting.append(turns);" => "if MUTANT { waiting.clear(); }\n        waiting.append(turns);";
    "others pass who waits for the connection's credit", "conn/outgoing.rs":
        "length > self.flow.credit || !self.flow.waiting.is_empty()"
        => "length > self.flow.credit || (!MUTANT && !self.flow.waiting.is_empty())";
    "nobody is told of room", "conn/outgoing.rs":
        "self.events.push_back(Event::Room { stream });" => "if !MUTANT { self.events.push_back(Event::Room { stream }); }";
    "the end of messages is not said with the last", "conn/outgoing.rs":
        "let end = if last { flags::END } else { 0 };" => "let end = if last && !MUTANT { flags::END } else { 0 };";
    "a CANCEL is lost", "conn/outbound.rs":
        "put(self.outbox.calls(), label, self.checksums, |_| {});"
        => "if !MUTANT { put(self.outbox.calls(), label, self.checksums, |_| {}); }";
    "pieces are sent after CANCEL", "conn/outbound.rs":
        "if let Some(method) = self.outbound.await_end(stream) {\n            self.forget_messages(stream);"
        => "if let Some(method) = self.outbound.await_end(stream) {\n            if !MUTANT { self.forget_messages(stream); }";
    "GOAWAY names one call less than were seen", "conn/mod.rs":
        "Goaway { last_stream: self.inbound.last_stream() }"
        => "Goaway { last_stream: self.inbound.last_stream().saturating_sub(u32::from(MUTANT)) }";
    "calls are started after GOAWAY", "conn/inbound.rs":
        "if self.draining {" => "if self.draining && !MUTANT {";
    "a call gets the token of none", "conn/inbound.rs":
        "token: head.token," => "token: head.token.filter(|_| !MUTANT),";
    "a message is handed to the stream beside it", "conn/incoming.rs":
        "self.events.push_back(Event::Message { stream, message });"
        => "self.events.push_back(Event::Message { stream: stream + u32::from(MUTANT), message });";
    "a reply is handed to the stream beside it", "conn/outbound.rs":
        "self.events.push_back(Event::Reply { stream, reply, ledger });"
        => "self.events.push_back(Event::Reply { stream: stream + u32::from(MUTANT), reply, ledger });";
    "a piece is appended twice", "conn/messages.rs":
        "self.bytes.extend_from_slice(piece);\n        if last"
        => "self.bytes.extend_from_slice(piece);\n        if MUTANT { self.bytes.extend_from_slice(piece); }\n        if last";
    "a message lacks its first byte", "conn/messages.rs":
        "Assembled::Whole(self.bytes.split().freeze())"
        => "Assembled::Whole(self.bytes.split().freeze().slice(usize::from(MUTANT)..))";
    "a piece is said again", "conn/outgoing.rs":
        "front.sent += piece.len();" => "front.sent += if MUTANT { piece.len() / 2 } else { piece.len() };";
    "an error is said twice", "conn/inbound.rs":
        "if !call.one_way {\n            self.put_error_frame(stream, call.method, error, &ledger);\n        }\n        self.bound_output();"
        => "if !call.one_way {\n            self.put_error_frame(stream, call.method, error, &ledger);\n            \
            if MUTANT { self.put_error_frame(stream, call.method, error, &ledger); }\n        }\n        self.bound_output();";
    "an answer to a one-way call is said", "conn/inbound.rs":
        "(takes_turn && !one_way)"
        => "(takes_turn && (MUTANT || !one_way))";
    "the acceptor keeps no deadline", "conn/inbound.rs":
        "for stream in self.inbound.calls.due(now) {" => "for stream in self.inbound.calls.due(if MUTANT { 0 } else { now }) {";
    "the dialler keeps no deadline", "conn/outbound.rs":
        "for stream in self.outbound.calls.due(now) {" => "for stream in self.outbound.calls.due(if MUTANT { 0 } else { now }) {";
    "a stream of messages keeps the deadline of its first one", "conn/inbound.rs":
        "call.deadline_ns = (now + STREAM_IDLE_MS_MAX * 1_000_000).min(call.ends_ns);"
        => "if !MUTANT { call.deadline_ns = (now + STREAM_IDLE_MS_MAX * 1_000_000).min(call.ends_ns); }";
    "control frames wait behind long messages", "conn/outgoing.rs":
        "self.outbox.refill();"
        => "if MUTANT && !self.flow.turns.is_empty() { self.put_piece(); }\n        \
            if !self.outbox.batch().is_empty() { return; }\n        self.outbox.refill();";
    "a batch has many pieces", "conn/outgoing.rs":
        "self.put_piece();\n            self.finish_if_drained();"
        => "for _ in 0..if MUTANT { 8 } else { 1 } { self.put_piece(); }\n            self.finish_if_drained();";
    "a PONG settles no PING", "conn/keepalive.rs":
        "self.unanswered.drain(..=at);" => "if !MUTANT { self.unanswered.drain(..=at); }";
    "silence is not noticed", "conn/keepalive.rs":
        "if self.silent_intervals > HEARTBEATS_MISSED_MAX {" => "if self.silent_intervals > HEARTBEATS_MISSED_MAX && !MUTANT {";
}
