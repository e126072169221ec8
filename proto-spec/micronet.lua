-- Wireshark's dissector of the micronet protocol, version 1 (SPEC.md beside this file).
--
--   tshark -X lua_script:micronet.lua -r FILE        or `micronet dissector install`, and Wireshark finds it by itself
--
-- It finds the protocol on any TCP port and in TLS, also in a capture that begins in mid-connection. WIRESHARK.md shows what one
-- sees; the names of fields, `micronet.*`, stay as they are. Clauses are quoted as `SPEC 2.3`.
--
-- What is known of a connection is learnt while packets are seen for the first time, in their order, and kept for each frame
-- (`Records`). Packets that are looked at again, in any order, are shown from their bytes and from that.

-- ---- 1. Numbers (registry.toml) ---------------------------------------------------------------------------------------

-- Lua 5.2 has bit32, Wireshark's own has `bit`, and Lua 5.3 an operator, which the others can't even read.
local bxor = (bit32 or bit or {}).bxor
    or load("return function(one, ...) for _, other in ipairs({ ... }) do one = one ~ other end return one end")()
local floor, format, byte = math.floor, string.format, string.byte

local PREFACE = "\137MNP\r\n\26\1" -- SPEC 1.2
local HEADER_BYTES, PIECE_MAX, MESSAGE_MAX = 24, 16320, 16777216
local PAYLOAD_HARD_MAX, PAYLOAD_USUAL_MAX, HELLO_MAX, CREDIT_MAX = 16777216, 65536, 4096, 1073741824
local DEADLINE_US_MAX, SCHEMA_MAX, SCHEMA_PIECE_MAX = 3600000000, 1048576, 4096

-- SPEC 2.2
local KINDS = {
    [1] = "HELLO", [2] = "PROOF", [3] = "ANNOUNCE", [4] = "PING", [5] = "PONG", [6] = "GOAWAY", [7] = "CLOSE", [8] = "BEACON",
    [16] = "REQUEST", [17] = "REPLY", [18] = "ERROR", [19] = "CANCEL", [20] = "DATA", [21] = "CREDIT", [22] = "NOTICE",
}
local SENT_BY = {
    PROOF = "dialler", REQUEST = "dialler", CANCEL = "dialler", NOTICE = "dialler", REPLY = "acceptor", ERROR = "acceptor",
    BEACON = "acceptor",
}

-- SPEC 2.7: flags, and the sets of them that a kind bears besides CHECKSUM
local END, CHECKSUM, MORE, CONTINUED = 1, 2, 4, 8
local FLAGS_OF = {
    REQUEST = { [0] = true, [END] = true, [MORE] = true },
    REPLY = { [END] = true, [END + CONTINUED] = true },
    ERROR = { [END] = true }, CANCEL = { [END] = true }, NOTICE = { [END] = true },
    DATA = {
        [0] = true, [END] = true, [MORE] = true, [CONTINUED] = true, [END + CONTINUED] = true, [MORE + CONTINUED] = true,
    },
}
local NO_FLAGS = { [0] = true }

local CREDENTIALS = { [1] = "CLUSTER", [2] = "OPERATOR" }
local PRINCIPALS = { [0] = "ANONYMOUS", [1] = "OPERATOR", [2] = "SERVICE", [3] = "USER" }
local CLASSES = { [1] = "BULK" }
local HEALTH = { [1] = "SERVING", [2] = "DRAINING" }
local FAULTS = { [1] = "caller", [2] = "callee", [3] = "network" }
local RETRIES = { [0] = "never", [1] = "never_started", [2] = "maybe_executed" }

-- SPEC 8.2
local CODES = {
    [0] = "OK", [1] = "APPLICATION", [16] = "PROTOCOL_ERROR", [17] = "CHECKSUM_MISMATCH", [18] = "FRAME_TOO_LARGE",
    [19] = "VERSION_UNSUPPORTED", [20] = "WRONG_CLUSTER", [21] = "CAPABILITY_UNSUPPORTED", [22] = "BAD_PROOF",
    [23] = "PEER_SILENT", [24] = "CREDIT_EXCEEDED", [25] = "TLS_REQUIRED", [26] = "WRONG_IDENTITY",
    [32] = "UNKNOWN_METHOD", [33] = "UNKNOWN_ENCODING", [34] = "BAD_REQUEST", [35] = "INVALID_INPUT",
    [36] = "MESSAGE_TOO_LARGE", [37] = "SCHEMA_MISMATCH", [48] = "UNAUTHENTICATED", [49] = "INSUFFICIENT_PERMISSIONS",
    [50] = "TOKEN_REUSED", [51] = "TOKEN_MISSING", [52] = "INVALID_CREDENTIALS", [53] = "TOKEN_WITHDRAWN",
    [54] = "TOKEN_EXPIRED", [64] = "DEADLINE_EXCEEDED", [65] = "CANCELLED", [66] = "OVERLOADED", [67] = "DRAINING",
    [68] = "SERVICE_UNAVAILABLE", [69] = "CONNECTION_LOST", [70] = "RATE_LIMIT_EXCEEDED", [80] = "DATABASE_ERROR",
    [81] = "INTERNAL", [82] = "EXTERNAL_SERVICE_ERROR",
}
local APPLICATION, INVALID_INPUT = 1, 35

local function code_name(code) return CODES[code] or format("code %d", code) end

-- ---- 2. The protocol, its fields, what it warns of, and its preferences -------------------------------------------------

local micronet = Proto("micronet", "micronet")
local fields, by_name = {}, {}

-- A field: its type as ProtoField names it, its name after `micronet.`, how it is shown.
local function field(kind, name, label, ...)
    local made = ProtoField[kind]("micronet." .. name, label, ...)
    fields[#fields + 1] = made
    by_name[name] = made
    return made
end

field("bytes", "preface", "Preface")
-- Header (SPEC 2.1)
field("uint32", "length", "Length", base.DEC)
field("uint8", "kind", "Kind", base.DEC, KINDS)
field("uint8", "flags", "Flags", base.HEX)
field("bool", "flags.end", "END", 8, nil, END)
field("bool", "flags.checksum", "CHECKSUM", 8, nil, CHECKSUM)
field("bool", "flags.more", "MORE", 8, nil, MORE)
field("bool", "flags.continued", "CONTINUED", 8, nil, CONTINUED)
field("uint8", "encoding", "Encoding", base.DEC)
field("uint8", "reserved", "Reserved", base.HEX)
field("uint32", "stream", "Stream", base.DEC)
field("uint32", "method", "Method", base.HEX)
field("string", "method.name", "Method's name")
field("uint32", "payload_checksum", "Payload checksum", base.HEX)
field("uint32", "header_checksum", "Header checksum", base.HEX)
local CHECKED = { [0] = "Bad", [1] = "Good", [2] = "Unverified" }
field("uint8", "payload_checksum.status", "Payload checksum's status", base.DEC, CHECKED)
field("uint8", "header_checksum.status", "Header checksum's status", base.DEC, CHECKED)
field("bytes", "payload", "Payload")
-- HELLO and ANNOUNCE (SPEC 3.2, 3.10)
field("uint8", "hello.version_min", "Lowest version", base.DEC)
field("uint8", "hello.version_max", "Highest version", base.DEC)
field("uint16", "entry.key", "Key", base.HEX)
field("string", "hello.cluster", "Cluster")
field("string", "hello.node", "Node")
field("string", "hello.instance", "Instance")
field("bytes", "hello.nonce", "Nonce")
field("uint32", "hello.frame_payload_max", "Longest payload accepted (bytes)", base.DEC)
field("uint32", "hello.calls_in_flight_max", "Calls accepted at once", base.DEC)
field("uint32", "hello.heartbeat_interval_ms", "Heartbeat interval (ms)", base.DEC)
field("bytes", "hello.schema", "Schema's fingerprint")
field("uint8", "hello.checksums", "Wants checksums of payloads", base.DEC, { [0] = "no", [1] = "yes" })
field("string", "hello.software", "Software")
field("uint32", "hello.stream_credit", "Credit of each stream at first (bytes)", base.DEC)
field("uint32", "hello.connection_credit", "Credit of the connection at first (bytes)", base.DEC)
field("uint8", "announce.health", "Health", base.DEC, HEALTH)
-- PROOF (SPEC 3.7)
field("uint8", "proof.credential", "Credential", base.DEC, CREDENTIALS)
field("bytes", "proof.hmac", "HMAC-SHA-256")
-- PING and PONG (SPEC 7.2)
field("bytes", "ping.opaque", "Opaque")
field("uint64", "pong.bytes_received", "Bytes received", base.DEC)
field("uint32", "pong.calls_in_flight", "Calls in flight on this connection", base.DEC)
field("uint32", "pong.instance_calls_in_flight", "Calls in flight at this instance", base.DEC)
field("uint32", "pong.queue_delay_us", "Queue delay (us)", base.DEC)
field("uint32", "pong.scheduler_lag_us", "Scheduler lag (us)", base.DEC)
field("uint8", "pong.health", "Health", base.DEC, HEALTH)
field("uint16", "pong.load_permille", "Load (permille)", base.DEC)
-- GOAWAY, CLOSE, CREDIT (SPEC 5.6, 5.7, 4.6)
field("uint32", "goaway.last_stream", "Last stream", base.DEC)
field("uint16", "close.code", "Code", base.DEC, CODES)
field("string", "close.message", "Words")
field("uint32", "credit.bytes", "Credit (bytes)", base.DEC)
-- BEACON (SPEC 4.10)
field("uint8", "beacon.version", "Version", base.DEC)
field("bytes", "beacon.schema", "Schema's fingerprint")
field("uint32", "beacon.length", "Length of the encoded schema", base.DEC)
field("uint32", "beacon.offset", "Where the piece begins", base.DEC)
field("bytes", "beacon.piece", "Piece of the schema")
-- Request heads (SPEC 6)
field("uint16", "head.length", "Head's length", base.DEC)
field("uint32", "head.deadline_us", "Deadline (us)", base.DEC)
field("uint8", "head.tag", "Tag", base.HEX)
field("bytes", "trace.id", "Trace id")
field("bytes", "trace.span", "Span id")
field("uint8", "trace.flags", "Trace flags", base.HEX)
field("string", "request_id", "Request id")
field("string", "token", "Idempotency token")
field("uint8", "principal.kind", "Principal", base.DEC, PRINCIPALS)
field("string", "principal.service", "Service")
field("string", "principal.user", "User")
field("string", "principal.organization", "Organization")
field("string", "principal.session", "Session")
field("string", "principal.permission", "Permission")
field("string", "metadata", "Metadata")
field("uint8", "class", "Class", base.DEC, CLASSES)
-- Ledger and errors (SPEC 7.5, 8.1)
field("uint32", "ledger.receive_queue_us", "Receive queue (us)", base.DEC)
field("uint32", "ledger.handler_us", "Handler (us)", base.DEC)
field("uint32", "ledger.credit_wait_us", "Credit wait (us)", base.DEC)
field("uint32", "ledger.write_queue_us", "Write queue (us)", base.DEC)
field("uint16", "error.code", "Code", base.DEC, CODES)
field("string", "error.name", "Error")
field("uint8", "error.fault", "Fault", base.DEC, FAULTS)
field("uint8", "error.retry", "Retry", base.DEC, RETRIES)
field("uint32", "error.retry_after_ms", "Retry after (ms)", base.DEC)
field("string", "error.message", "Words")
field("bytes", "error.detail", "Detail")
-- Messages (SPEC 4.3, 9)
field("uint32", "message.length", "Length of the whole message", base.DEC)
field("bytes", "message.piece", "Piece of the message")
field("bytes", "message.bytes", "Message")
field("string", "message", "Message as JSON")
field("string", "field", "Field")
field("uint32", "message.index", "Message of its stream", base.DEC)
-- What is known from other frames
field("framenum", "request_in", "Request in", base.NONE, frametype.REQUEST)
field("framenum", "response_in", "Response in", base.NONE, frametype.RESPONSE)
field("framenum", "cancel_in", "Cancelled in", base.NONE)
field("relative_time", "time", "Response time")
field("uint32", "requests", "Requests on this stream", base.DEC)
field("uint32", "replies", "Replies on this stream", base.DEC)
field("framenum", "ping_in", "PING in", base.NONE, frametype.REQUEST)
field("framenum", "pong_in", "PONG in", base.NONE, frametype.RESPONSE)
field("relative_time", "rtt", "Round trip of this PING")
field("framenum", "continued_in", "Message goes on in", base.NONE)
field("string", "service", "Service")
field("string", "from", "Sent by")
field("bytes", "skipped", "Bytes that are no frame")
field("string", "violation", "Violation")
field("string", "violation.clause", "Clause of SPEC.md")
-- The text tongue on the same port
field("string", "text.line", "Line")
field("string", "text.command", "Command")
field("string", "text.answer", "Answer")
field("string", "text.code", "Error")
micronet.fields = fields

local function expert(name, words, group, severity)
    return ProtoExpert.new("micronet.expert." .. name, words, group, severity)
end
local experts = {
    violation = expert("violation", "The protocol is violated", PI_PROTOCOL, PI_ERROR),
    checksum = expert("checksum", "A checksum doesn't match", PI_CHECKSUM, PI_ERROR),
    malformed = expert("malformed", "A message is malformed", PI_MALFORMED, PI_ERROR),
    bad_call = expert("bad_call", "This call can't be answered but with an error", PI_PROTOCOL, PI_ERROR),
    heartbeat = expert("heartbeat", "A heartbeat was missed", PI_SEQUENCE, PI_WARN),
    goaway = expert("goaway", "The sender drains", PI_SEQUENCE, PI_NOTE),
    close = expert("close", "The connection ends with an error", PI_RESPONSE_CODE, PI_WARN),
    error = expert("error", "The call failed", PI_RESPONSE_CODE, PI_NOTE),
    slow = expert("slow", "The call was slow", PI_SEQUENCE, PI_WARN),
    unanswered = expert("unanswered", "No answer in this capture", PI_SEQUENCE, PI_NOTE),
    resync = expert("resync", "The next frame was searched for", PI_SEQUENCE, PI_NOTE),
    cut = expert("cut", "Not all of it is shown", PI_UNDECODED, PI_NOTE),
}
do
    local list = {}
    for _, one in pairs(experts) do list[#list + 1] = one end
    micronet.experts = list
end

micronet.prefs.checksums = Pref.bool("Verify checksums of payloads", true, "The headers' are always verified")
micronet.prefs.slow_ms = Pref.uint("Slow calls (ms)", 1000, "A call that takes longer is marked; 0 marks none")
micronet.prefs.values_max = Pref.uint("Values shown of a message", 5000, "What is more than that is left out")
micronet.prefs.secrets = Pref.bool("Show secrets", false, "Fields of the format `password` by their values, and not as ***")
micronet.prefs.schemas = Pref.string("Schemas", "", "Files of `micronet schema export --lua`, divided by commas")
micronet.prefs.statistics = Pref.bool("Statistics at the end", false, "tshark prints calls by method, and how long they took")

-- ---- 3. Refusals, and bytes that are read from the front ----------------------------------------------------------------

-- What breaks a rule is raised as a table, and shown; anything else that is raised is a mistake of this file.
local function refuse(code, clause, words) error({ code = code, clause = clause, words = words }, 0) end

-- Where bytes stand in the packet: called with an offset and a length it is that range, which may be empty.
local Place = {}
Place.__index = Place
Place.__call = function(place, from, count) return place.tvb(place.base + from, count) end

local function place_of(tvb, base) return setmetatable({ tvb = tvb, base = base }, Place) end

local Reader = {}
Reader.__index = Reader

-- `raw` are the bytes at `range`, a place; `code` and `clause` name the refusal when they run out.
local function reader(raw, range, code, clause)
    return setmetatable({ raw = raw, range = range, at = 0, code = code, clause = clause }, Reader)
end

function Reader:left() return #self.raw - self.at end

function Reader:refuse(words) refuse(self.code, self.clause, words) end

-- The next bytes, as a string and as a range.
function Reader:take(count)
    if count > self:left() then self:refuse(format("%d bytes wanted, %d left", count, self:left())) end
    local from = self.at
    self.at = from + count
    return self.raw:sub(from + 1, from + count), self.range(from, count)
end

local function number_of(text)
    local a, b, c, d = byte(text, 1, 4)
    if #text == 4 then return a * 0x1000000 + b * 0x10000 + c * 0x100 + d end
    local sum = 0
    for at = 1, #text do sum = sum * 256 + byte(text, at) end
    return sum
end

function Reader:uint(size)
    local text, range = self:take(size)
    return number_of(text), range
end

-- The next bytes, as a string and as the place where they are.
function Reader:part(count)
    local place = place_of(self.range.tvb, self.range.base + self.at)
    return self:take(count), place
end

-- A number that becomes an item of the tree.
function Reader:show(tree, name, size)
    local value, range = self:uint(size)
    return value, tree:add(by_name[name], range)
end

local function hex(text)
    return (text:gsub(".", function(one) return format("%02x", byte(one)) end))
end

-- Whether bytes are UTF-8 (RFC 3629).
local function is_utf8(text)
    if not text:find("[\128-\255]") then return true end
    local at, size = 1, #text
    while at <= size do
        local first = byte(text, at)
        local more, least
        if first < 0x80 then more = 0
        elseif first >= 0xC2 and first < 0xE0 then more, least = 1, 0x80
        elseif first >= 0xE0 and first < 0xF0 then more, least = 2, 0x800
        elseif first >= 0xF0 and first < 0xF5 then more, least = 3, 0x10000
        else return false end
        if more > 0 then
            local value = first % (2 ^ (6 - more))
            for next_at = at + 1, at + more do
                local next_byte = byte(text, next_at)
                if not next_byte or next_byte < 0x80 or next_byte > 0xBF then return false end
                value = value * 64 + next_byte % 64
            end
            if value < least or value > 0x10FFFF or (value >= 0xD800 and value <= 0xDFFF) then return false end
        end
        at = at + 1 + more
    end
    return true
end

-- ---- 4. CRC32C (SPEC 2.3), four bytes at a time (slicing; Kounavis and Berry 2005) -----------------------------------------

local CRC = { {}, {}, {}, {} }
for at = 0, 255 do
    local crc = at
    for _ = 1, 8 do
        local odd = crc % 2
        crc = (crc - odd) / 2
        if odd == 1 then crc = bxor(crc, 0x82F63B78) % 0x100000000 end
    end
    CRC[1][at] = crc
end
for at = 0, 255 do
    local crc = CRC[1][at]
    for slice = 2, 4 do
        crc = bxor(CRC[1][crc % 256], floor(crc / 256)) % 0x100000000
        CRC[slice][at] = crc
    end
end

local function crc32c(text)
    local one, two, three, four = CRC[1], CRC[2], CRC[3], CRC[4]
    local crc, size = 0xFFFFFFFF, #text
    local whole = size - size % 4
    for at = 1, whole, 4 do
        local a, b, c, d = byte(text, at, at + 3)
        local word = bxor(crc, a + b * 0x100 + c * 0x10000 + d * 0x1000000) % 0x100000000
        local low = word % 0x10000
        local high = (word - low) / 0x10000
        local first, third = low % 256, high % 256
        crc = bxor(four[first], three[(low - first) / 256], two[third], one[(high - third) / 256])
    end
    crc = crc % 0x100000000
    for at = whole + 1, size do
        crc = bxor(one[bxor(crc, byte(text, at)) % 256], floor(crc / 256)) % 0x100000000
    end
    return bxor(crc, 0xFFFFFFFF) % 0x100000000
end
assert(crc32c("123456789") == 0xE3069283, "SPEC 2.3")

-- ---- 5. Messages (SPEC 9) -------------------------------------------------------------------------------------------------

-- A schema here and in files that were exported: { name =, types = { [0] = { "String" }, { "List", 0 }, { "Struct", NAME, FIELDS },
-- { "Enum", NAME, { { VARIANT, FIELDS }, … } } … }, methods = { [ID] = { name =, request =, reply =, error =, shape = } } }, where
-- FIELDS are { { NAME, TYPE, secret = }, … }, and types are named by their index.

local BITS = { U16 = 16, U32 = 32, U64 = 64, I16 = 16, I32 = 32, I64 = 64 }
local DEPTH_MAX = 66 -- SPEC 10.2: what a schema may nest, and a little
local JSON_SHOWN_MAX = 65536
local CUT = {} -- Raised when a message has more values than are to be shown.

local Message = {}
Message.__index = Message

local function malformed(words) refuse("BAD_REQUEST", "9.3", words) end

function Message:byte()
    local value = byte(self.raw, self.at)
    if not value then malformed("the message ends too early") end
    self.at = self.at + 1
    return value
end

-- An unsigned integer as its high and low 32 bits (SPEC 9.1).
function Message:varint(width)
    local first = self:byte()
    if first <= 250 then return 0, first end
    local size = first == 251 and 2 or first == 252 and 4 or first == 253 and 8
    if not size or size * 8 > width then refuse("BAD_REQUEST", "9.1", format("marker %02X for %d bits", first, width)) end
    if self.at + size - 1 > #self.raw then malformed("the message ends too early") end
    local low, high = 0, 0
    for at = self.at + math.min(size, 4) - 1, self.at, -1 do low = low * 256 + byte(self.raw, at) end
    for at = self.at + size - 1, self.at + 4, -1 do high = high * 256 + byte(self.raw, at) end
    self.at = self.at + size
    return high, low
end

-- A length or count, which is never more than what is left.
function Message:count()
    local high, low = self:varint(64)
    if high > 0 or low > #self.raw - self.at + 1 then malformed("a length beyond the end") end
    return low
end

function Message:bytes()
    local size = self:count()
    self.at = self.at + size
    return self.raw:sub(self.at - size, self.at - 1)
end

-- Beyond 2^53 - 1 a number is a string in JSON (SPEC 9.4).
local function is_exact(high) return high < 0x200000 end

local function unsigned_text(high, low)
    return is_exact(high) and format("%.0f", high * 0x100000000 + low) or tostring(UInt64.new(low, high))
end

-- Zigzag: whether it is negative, and its magnitude.
local function zigzag(high, low)
    local half_low, half_high = floor(low / 2) + high % 2 * 0x80000000, floor(high / 2)
    if low % 2 == 0 then return false, half_high, half_low end
    half_low = half_low + 1
    if half_low == 0x100000000 then half_low, half_high = 0, half_high + 1 end
    return true, half_high, half_low
end

-- Eight bytes that compare as numbers do.
local function order_of(negative, high, low)
    if negative then
        high, low = 0x80000000 - high, -low
        if low < 0 then high, low = high - 1, low + 0x100000000 end
    else
        high = high + 0x80000000
    end
    local function four(word)
        return string.char(floor(word / 0x1000000) % 256, floor(word / 0x10000) % 256, floor(word / 0x100) % 256, word % 256)
    end
    return four(high) .. four(low)
end

-- Whether a text comes before another by its bytes; `<` asks the locale.
local function is_before(one, other)
    for at = 1, math.min(#one, #other) do
        local a, b = byte(one, at), byte(other, at)
        if a ~= b then return a < b end
    end
    return #one < #other
end

local SHORT_ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quoted(text)
    local escaped = text:gsub('[\0-\31"\\]', function(one) return SHORT_ESCAPES[one] or format("\\u%04x", byte(one)) end)
    return '"' .. escaped .. '"'
end

local BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(text)
    local out = {}
    for at = 1, #text, 3 do
        local a, b, c = byte(text, at, at + 2)
        local word = a * 0x10000 + (b or 0) * 0x100 + (c or 0)
        local letters = {}
        for place = 3, 0, -1 do
            local index = floor(word / 64 ^ place) % 64
            letters[#letters + 1] = BASE64:sub(index + 1, index + 1)
        end
        if not b then letters[3] = "=" end
        if not c then letters[4] = "=" end
        out[#out + 1] = table.concat(letters)
    end
    return table.concat(out)
end

-- RFC 3339 of microseconds since 1970; the civil calendar by days, as Howard Hinnant's `civil_from_days`.
local function timestamp(negative, high, low)
    local magnitude, million = UInt64.new(low, high), UInt64.new(1000000, 0)
    local seconds, micros = tonumber(tostring(magnitude / million)), tonumber(tostring(magnitude % million))
    if negative then
        seconds = -seconds
        if micros > 0 then seconds, micros = seconds - 1, 1000000 - micros end
    end
    local days = floor(seconds / 86400)
    local rest = seconds - days * 86400
    days = days + 719468
    local era = floor(days / 146097)
    local day_of_era = days - era * 146097
    local year_of_era = floor(
        (day_of_era - floor(day_of_era / 1460) + floor(day_of_era / 36524) - floor(day_of_era / 146096)) / 365)
    local day_of_year = day_of_era - (365 * year_of_era + floor(year_of_era / 4) - floor(year_of_era / 100))
    local shifted = floor((5 * day_of_year + 2) / 153)
    local day = day_of_year - floor((153 * shifted + 2) / 5) + 1
    local month = shifted < 10 and shifted + 3 or shifted - 9
    local year = year_of_era + era * 400 + (month <= 2 and 1 or 0)
    if year < 0 or year > 9999 then return nil end
    return format("%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
        year, month, day, floor(rest / 3600), floor(rest / 60) % 60, rest % 60, micros)
end

local function decimal(negative, digits, scale)
    if scale > 0 then
        digits = string.rep("0", scale + 1 - #digits) .. digits
        digits = digits:sub(1, -scale - 1) .. "." .. digits:sub(-scale)
    end
    return (negative and "-" or "") .. digits
end

-- Leaves: each returns its JSON, how it is shown without quotes, and, for keys of maps, what it is ordered by.
local LEAVES = {
    Unit = function() return "null", "null" end,
    Bool = function(message)
        local value = message:byte()
        if value > 1 then refuse("BAD_REQUEST", "9.2", "neither 0 nor 1") end
        local text = value == 1 and "true" or "false"
        return text, text, order_of(false, 0, value)
    end,
    U8 = function(message)
        local value = message:byte()
        return format("%d", value), format("%d", value), order_of(false, 0, value)
    end,
    I8 = function(message)
        local value = message:byte()
        if value > 127 then value = value - 256 end
        return format("%d", value), format("%d", value), order_of(value < 0, 0, math.abs(value))
    end,
    String = function(message)
        local text = message:bytes()
        if not is_utf8(text) then refuse("BAD_REQUEST", "9.2", "a string that is not UTF-8") end
        return quoted(text), text, text
    end,
    Bytes = function(message)
        local text = base64(message:bytes())
        return '"' .. text .. '"', text
    end,
    Timestamp = function(message)
        local high, low = message:varint(64)
        local negative, magnitude_high, magnitude_low = zigzag(high, low)
        local text = timestamp(negative, magnitude_high, magnitude_low)
        if text then return '"' .. text .. '"', text end
        text = (negative and "-" or "") .. unsigned_text(magnitude_high, magnitude_low) .. " us"
        return '"' .. text .. '"', text
    end,
    Decimal = function(message, kind)
        local negative, high, low = zigzag(message:varint(64))
        local text = decimal(negative, unsigned_text(high, low), kind[2])
        return text, text
    end,
}
for name, width in pairs(BITS) do
    local signed = name:sub(1, 1) == "I"
    LEAVES[name] = function(message)
        local negative, high, low = false, message:varint(width)
        if signed then negative, high, low = zigzag(high, low) end
        local text = (negative and "-" or "") .. unsigned_text(high, low)
        return is_exact(high) and text or '"' .. text .. '"', text, order_of(negative, high, low)
    end
end

function Message:say(text)
    self.out[#self.out + 1] = text
end

-- Shows a value that has none inside, from `from` on. `label` is its name, `path` where it stands, as `items[3].price`.
function Message:leaf(tree, from, label, path, json, plain)
    self:say(json)
    if not tree then return end
    local shown = #plain > 200 and plain:sub(1, 200) .. "…" or plain
    local said = path == "" and plain or path .. "=" .. plain
    tree:add(by_name.field, self.range(from - 1, self.at - from), said, label .. ": " .. (#json > 200 and shown or json))
end

function Message:group(tree, from, label, words)
    if not tree then return nil, nil end
    local item = tree:add(self.range(from - 1, 0), label == "" and words or label .. ": " .. words)
    return item, function() item:set_len(self.at - from) end
end

local function joined(path, name) return path == "" and name or path .. "." .. name end

-- A secret (SPEC 10.9) is read, so that what follows is found, and not shown.
function Message:masked(member, path, tree, depth)
    local from, said = self.at, #self.out
    self:value(member[2], member[1], path, nil, depth + 1)
    if self.out[#self.out] == "null" then return end
    for at = #self.out, said + 1, -1 do self.out[at] = nil end
    self:leaf(tree, from, member[1], path, '"***"', "***")
end

-- The fields of a struct or a variant.
function Message:members(members, path, tree, depth)
    self:say("{")
    for at, member in ipairs(members) do
        self:say((at > 1 and "," or "") .. '"' .. member[1] .. '":')
        if member.secret and not micronet.prefs.secrets then
            self:masked(member, joined(path, member[1]), tree, depth)
        else
            self:value(member[2], member[1], joined(path, member[1]), tree, depth + 1)
        end
    end
    self:say("}")
end

-- One value of the type at an index, into the tree and as JSON into `out`.
function Message:value(index, label, path, tree, depth)
    local kind, from = self.types[index], self.at
    if not kind or depth > DEPTH_MAX then malformed("its schema has no such type") end
    self.values = self.values + 1
    if self.values > self.values_max then error(CUT, 0) end
    local leaf = LEAVES[kind[1]]
    if leaf then
        local json, plain = leaf(self, kind)
        return self:leaf(tree, from, label, path, json, plain)
    end
    return self[kind[1]](self, kind, from, label, path, tree, depth)
end

function Message:Option(kind, from, label, path, tree, depth)
    local there = self:byte()
    if there > 1 then refuse("BAD_REQUEST", "9.2", "neither nothing nor a value") end
    if there == 0 then return self:leaf(tree, from, label, path, "null", "null") end
    return self:value(kind[2], label, path, tree, depth + 1)
end

function Message:List(kind, from, label, path, tree, depth)
    local count = self:count()
    local item, done = self:group(tree, from, label, format("List of %d", count))
    self:say("[")
    for at = 0, count - 1 do
        if at > 0 then self:say(",") end
        self:value(kind[2], format("[%d]", at), format("%s[%d]", path, at), item, depth + 1)
    end
    self:say("]")
    if done then done() end
end

function Message:Map(kind, from, label, path, tree, depth)
    local count, before = self:count(), nil
    local item, done = self:group(tree, from, label, format("Map of %d", count))
    local key_kind = self.types[kind[2]]
    local leaf = key_kind and LEAVES[key_kind[1]]
    if not leaf then malformed("its schema has no such key") end
    self:say("{")
    for at = 1, count do
        local _, plain, order = leaf(self, key_kind)
        if not order then malformed("its schema has no such key") end
        if before and not is_before(before, order) then refuse("BAD_REQUEST", "9.2", "the keys of a map don't ascend") end
        before = order
        local key = quoted(plain)
        self:say((at > 1 and "," or "") .. key .. ":")
        self:value(kind[3], plain, path .. "[" .. key .. "]", item, depth + 1)
    end
    self:say("}")
    if done then done() end
end

function Message:Struct(kind, from, label, path, tree, depth)
    local item, done = self:group(tree, from, label, kind[2])
    self:members(kind[3], path, item, depth)
    if done then done() end
end

function Message:Enum(kind, from, label, path, tree, depth)
    local _, index = self:varint(32)
    local variant = kind[3][index + 1]
    if not variant then refuse("BAD_REQUEST", "9.2", format("no variant %d", index)) end
    if #variant[2] == 0 then return self:leaf(tree, from, label, path, '"' .. variant[1] .. '"', variant[1]) end
    local item, done = self:group(tree, from, label, kind[2] .. "." .. variant[1])
    self:say('{"' .. variant[1] .. '":')
    self:members(variant[2], joined(path, variant[1]), item, depth)
    self:say("}")
    if done then done() end
end

-- Decodes a whole message. Returns its JSON, as far as it could be read, and why no further: a refusal, or that it was cut.
local function decode_message(schema, index, raw, range, tree)
    local message = setmetatable({
        types = schema.types, raw = raw, range = range, at = 1, out = {}, values = 0,
        values_max = micronet.prefs.values_max,
    }, Message)
    local fine, why = pcall(function()
        message:value(index, "", "", tree, 0)
        if message.at <= #raw then malformed(format("%d bytes are left over", #raw - message.at + 1)) end
    end)
    local json = table.concat(message.out)
    if fine then return json end
    if why ~= CUT and type(why) ~= "table" then error(why, 0) end
    return json, why
end

-- ---- 6. Schemas (SPEC 10) -------------------------------------------------------------------------------------------------

local PLAIN_TYPES = {
    [0] = "Unit", "Bool", "U8", "U16", "U32", "U64", "I8", "I16", "I32", "I64", "String", "Bytes", "Timestamp",
}
local KEY_TYPES = {
    Bool = true, String = true, U8 = true, U16 = true, U32 = true, U64 = true, I8 = true, I16 = true, I32 = true, I64 = true,
}
local SHAPES = { [0] = "Unary", "ServerStream", "ClientStream", "Bidirectional", "OneWay" }
local SHAPE_REQUESTS = { Unary = "one", ServerStream = "one", ClientStream = "many", Bidirectional = "many", OneWay = "one" }
local SHAPE_REPLIES = { Unary = "one", ServerStream = "many", ClientStream = "one", Bidirectional = "many", OneWay = "none" }

-- The built-in service (SPEC 10.8), and the list of faults (8.6), which are in no schema.
local BUILT_IN = {
    name = "micronet",
    types = {
        [0] = { "Unit" }, { "Bytes" }, { "String" }, { "Timestamp" }, { "U32" }, { "Option", 2 }, { "U16" },
        { "Struct", "Schema", { { "fingerprint", 1 }, { "schema", 1 } } },
        { "Struct", "Instance", { { "service", 2 }, { "instance", 2 }, { "version", 2 }, { "started", 3 } } },
        { "Struct", "Asked", { { "method", 4 }, { "token", 2 }, { "principal", 5 } } },
        { "Enum", "Outcome", {
            { "NeverStarted", {} }, { "Running", {} }, { "Done", { { "reply", 1 } } },
            { "Failed", { { "code", 6 }, { "message", 2 }, { "detail", 1 } } },
        } },
        { "Struct", "Fault", { { "field", 2 }, { "code", 2 }, { "message", 2 } } }, { "List", 11 },
    },
    methods = {
        [0xB2DB646B] = { name = "schema", request = 0, reply = 7, shape = "Unary" },
        [0x9191E20B] = { name = "instance", request = 0, reply = 8, shape = "Unary" },
        [0xA63C61D4] = { name = "outcome", request = 9, reply = 10, shape = "Unary" },
    },
}
local FAULTS_TYPE, SCHEMA_METHOD = 12, 0xB2DB646B

local function method_id(name)
    local hash = 0x811C9DC5
    for at = 1, #name do
        hash = bxor(hash, byte(name, at)) % 0x100000000
        -- Times 01000193, which is 2^24 + 403.
        hash = (hash % 256 * 0x1000000 + hash * 403) % 0x100000000
    end
    return hash
end
assert(method_id("product.query") == 0xA45FA70A, "SPEC 10.5")

local function rule(kept, words)
    if not kept then refuse("BAD_REQUEST", "10.2", "schema: " .. words) end
end

local SchemaReader = setmetatable({}, { __index = Message })
SchemaReader.__index = SchemaReader

function SchemaReader:small(width)
    local _, low = self:varint(width)
    return low
end

function SchemaReader:list(read)
    local list = {}
    for at = 1, self:count() do list[at] = read(self) end
    return list
end

function SchemaReader:text()
    local text = self:bytes()
    rule(is_utf8(text), "a string that is not UTF-8")
    return text
end

function SchemaReader:flag()
    local value = self:byte()
    rule(value <= 1, "neither 0 nor 1")
    return value == 1
end

function SchemaReader:name()
    local name = self:text()
    rule(#name <= 64 and name:find("^[A-Za-z_][A-Za-z0-9_]*$"), "a name that is none")
    return name
end

local function unique(list)
    local seen = {}
    for _, one in ipairs(list) do
        rule(not seen[one[1]], "a name stands twice")
        seen[one[1]] = true
    end
    return list
end

function SchemaReader:field()
    local name, _, index = self:name(), self:text(), self:small(32)
    local limits = {}
    for _ = 1, 2 do
        if self:flag() then limits[#limits + 1] = order_of(zigzag(self:varint(64))) end
    end
    local form = self:text()
    self:text()
    return { name, index, limits = limits, format = form, secret = form == "password" }
end

function SchemaReader:fields()
    local list = unique(self:list(self.field))
    rule(#list <= 256, "too many fields")
    return list
end

function SchemaReader:variant()
    local name, _, members, status = self:name(), self:text(), self:fields(), self:small(16)
    return { name, members, status }
end

function SchemaReader:type()
    local index = self:small(32)
    if PLAIN_TYPES[index] then return { PLAIN_TYPES[index] } end
    if index == 13 then return { "Decimal", self:byte() } end
    if index == 14 then return { "Option", self:small(32) } end
    if index == 15 then return { "List", self:small(32) } end
    if index == 16 then return { "Map", self:small(32), self:small(32) } end
    rule(index == 17 or index == 18, "a type that is none")
    local name = self:name()
    self:text()
    if index == 17 then return { "Struct", name, self:fields() } end
    local variants = unique(self:list(self.variant))
    rule(#variants >= 1 and #variants <= 256, "too many variants, or none")
    return { "Enum", name, variants }
end

function SchemaReader:method()
    local id, name, _, request, reply = self:small(32), self:name(), self:text(), self:small(32), self:small(32)
    local failure = self:flag() and self:small(32) or nil
    local shape = SHAPES[self:small(32)]
    rule(shape, "a shape that is none")
    local idempotency = self:small(32)
    rule(idempotency <= 2, "an idempotency that is none")
    -- Who may call it, and where HTTP reaches it, is nothing to somebody who looks on (SPEC 10.2), but is what makes it a schema.
    local access, callers = self:small(32), {}
    rule(access <= 4, "an access that is none")
    if access == 1 then self:text() elseif access == 3 then callers = self:list(self.text) end
    self:text()
    local bindings = self:list(function(data) return { data:text(), data:text() } end)
    local status, media = self:small(16), self:small(32)
    rule(media <= 3, "media that are none")
    return {
        name, id = id, name = name, request = request, reply = reply, error = failure, shape = shape, idempotent = idempotency > 0,
        access = access, callers = callers, bindings = bindings, status = status, media = media, cache = self:text(),
        errors = self:list(self.text),
    }
end

-- SPEC 10.9: the least and the greatest limit of a type, and whether a field of it keeps its constraints.
local function limits_of(kind)
    local bits = tonumber(kind:match("^[UI](%d+)$") or 0)
    local top = order_of(false, 0x7FFFFFFF, 0xFFFFFFFF)
    if kind == "String" or kind == "Bytes" or kind == "List" or kind == "Map" or kind == "U64" then return order_of(false, 0, 0), top end
    if kind == "I64" or kind == "Decimal" then return order_of(true, 0x80000000, 0), top end
    if bits == 0 then return nil end
    if kind:sub(1, 1) == "U" then return order_of(false, 0, 0), order_of(false, 0, 2 ^ bits - 1) end
    return order_of(true, 0, 2 ^ (bits - 1)), order_of(false, 0, 2 ^ (bits - 1) - 1)
end

local FORMATS = { [""] = true, email = true, password = true, line = true, name = true, slug = true }

local function is_format(text)
    if FORMATS[text] then return true end
    local words, seen = text:match("^choice( .+)$"), {}
    if not words then return false end
    for word in (words .. " "):gmatch(" ?([^ ]*) ") do
        if not word:find("^[\33-\126]+$") or seen[word] then return false end
        seen[word] = true
    end
    return not words:find("  ", 1, true) and words:sub(-1) ~= " "
end

local function check_constraints(member, types)
    local of = types[member[2] + 1]
    local kind = (of[1] == "Option" and types[of[2] + 1] or of)[1]
    local least, greatest = limits_of(kind)
    for _, limit in ipairs(member.limits) do
        rule(least and not is_before(limit, least) and not is_before(greatest, limit), "a limit that its type can't have")
    end
    rule(#member.limits < 2 or not is_before(member.limits[2], member.limits[1]), "a field that takes nothing")
    rule(is_format(member.format) and (member.format == "" or kind == "String" or (kind == "Bytes" and member.secret)),
        "a format that is none")
end

local function takes_no_byte(kind) return kind[1] == "Unit" or (kind[1] == "Struct" and #kind[3] == 0) end

-- SPEC 10.2: types refer to those before them, and nest so deep.
local function check_types(types)
    rule(#types <= 1024, "too many types")
    local depths, names = {}, {}
    for index, kind in ipairs(types) do
        local function depth(at, held)
            rule(at < index - 1, "a type refers to one that doesn't stand before it")
            rule(not held or not takes_no_byte(types[at + 1]), "a value without bytes")
            return depths[at + 1]
        end
        local function depth_of(members)
            local deepest = 0
            for _, member in ipairs(members) do
                deepest = math.max(deepest, depth(member[2], true))
                check_constraints(member, types)
            end
            return deepest
        end
        local below = 0
        if kind[1] == "Decimal" then rule(kind[2] <= 18, "a scale above 18")
        elseif kind[1] == "Option" then
            below = depth(kind[2])
            local item = types[kind[2] + 1][1]
            rule(item ~= "Option" and item ~= "Unit", "an option of an option or of nothing")
        elseif kind[1] == "List" then below = depth(kind[2], true)
        elseif kind[1] == "Map" then
            below = math.max(depth(kind[2]), depth(kind[3], true))
            rule(KEY_TYPES[types[kind[2] + 1][1]], "a map with such keys")
        elseif kind[1] == "Struct" then below = depth_of(kind[3])
        elseif kind[1] == "Enum" then
            for _, variant in ipairs(kind[3]) do below = math.max(below, depth_of(variant[2])) end
            below = below + 1
        end
        if kind[1] == "Struct" or kind[1] == "Enum" then names[#names + 1] = { kind[2] } end
        rule(below < 64, "types that nest too deep")
        depths[index] = below + 1
    end
    unique(names)
end

local HTTP_OF_CALLS = { GET = true, POST = true, PUT = true, PATCH = true, DELETE = true, WS = true }
local NOT_IN_PATHS = { Unit = true, Bytes = true, Option = true, List = true, Map = true, Struct = true }

-- SPEC 10.6
local function carries(binding, shape)
    if shape == "ServerStream" then return binding == "GET" or binding == "WS" end
    return (binding == "WS") == (shape == "ClientStream" or shape == "Bidirectional")
end

local function check_binding(one, binding, types)
    local verb, path = binding[1], binding[2]
    rule(HTTP_OF_CALLS[verb] and path:sub(1, 1) == "/", "a binding that is none")
    rule(verb ~= "GET" or one.idempotent, "a GET that isn't idempotent")
    rule(one.shape ~= "OneWay" and carries(verb, one.shape), "a binding that can't carry its method")
    local in_paths, named = {}, {}
    for _, member in ipairs(types[one.request + 1][3] or {}) do
        local of = types[member[2] + 1]
        local plain = not NOT_IN_PATHS[of[1]]
        for _, variant in ipairs(of[1] == "Enum" and of[3] or {}) do plain = plain and #variant[2] == 0 end
        in_paths[member[1]] = plain
    end
    for segment in (path:sub(2) .. "/"):gmatch("([^/]*)/") do
        local name = segment:match("^{(.*)}$")
        if name then
            rule(in_paths[name] and not named[name], "a path with a field that it can't have")
            named[name] = true
        else
            rule(not segment:find("[^A-Za-z0-9._~-]"), "a path with other characters")
        end
    end
end

-- SPEC 10.4, 10.7: what HTTP and access want of a method.
local function check_edges(one, types, methods)
    local reply = types[one.reply + 1]
    for _, caller in ipairs(one.callers) do rule(#caller >= 1 and #caller <= 64 and not caller:find("[^A-Za-z0-9._-]"), "a caller without name") end
    rule(one.access ~= 3 or (#one.callers >= 1 and #one.callers <= 256), "no callers, or too many")
    local function each_once(list)
        local seen = {}
        for _, name in ipairs(list) do
            rule(not seen[name], "a name that stands twice")
            seen[name] = true
        end
    end
    each_once(one.callers)
    each_once(one.errors)
    local variants = {}
    for _, variant in ipairs(one.error and types[one.error + 1][3] or {}) do variants[variant[1]] = true end
    for _, name in ipairs(one.errors) do rule(variants[name], "an error that its type doesn't have") end
    rule(one.status >= 200 and one.status <= 299, "a success of another status")
    rule(one.media ~= 1 or reply[1] == "String", "text that is no string")
    if one.media == 2 then
        local parts = reply[1] == "Struct" and reply[3] or {}
        local function is(part, name, kind) return part and part[1] == name and types[part[2] + 1][1] == kind end
        rule(#parts == 2 and is(parts[1], "items", "List") and is(parts[2], "pagination", "Struct"), "a page of another shape")
    end
    if one.cache ~= "" then
        local told_by
        for _, other in ipairs(methods) do if other.name == one.cache then told_by = other end end
        rule(one.shape == "Unary" and one.idempotent and one.access == 0, "a reply that nobody may keep")
        rule(told_by and told_by.shape == "ServerStream", "what ends a kept reply is no stream")
        for _, member in ipairs(types[told_by.request + 1][3] or {}) do
            rule(types[member[2] + 1][1] == "Option", "a stream that asks for more")
        end
    end
    for _, binding in ipairs(one.bindings) do check_binding(one, binding, types) end
end

local function check_method(one, service, types)
    rule(one.request < #types and one.reply < #types and (one.error or 0) < #types, "a method of types that aren't there")
    local request, reply = types[one.request + 1], types[one.reply + 1]
    rule(request[1] == "Struct" or request[1] == "Unit", "a request that is no struct")
    rule(not one.error or types[one.error + 1][1] == "Enum", "an error type that is no enum")
    rule(one.id ~= 0 and one.id == method_id(service .. "." .. one.name), "a method's id that isn't its name's")
    rule(not BUILT_IN.methods[one.id], "the id of a built-in method")
    rule(SHAPE_REQUESTS[one.shape] ~= "many" or not takes_no_byte(request), "a stream of messages without bytes")
    rule(SHAPE_REPLIES[one.shape] ~= "many" or not takes_no_byte(reply), "a stream of messages without bytes")
    rule(one.shape ~= "OneWay" or (reply[1] == "Unit" and not one.error), "a one-way method that answers")
end

-- Reads an encoded schema (SPEC 10.4); raises a refusal when it is none.
local function decode_schema(raw)
    local data = setmetatable({ raw = raw, at = 1 }, SchemaReader)
    local service = data:name()
    data:text()
    local types, list = data:list(data.type), unique(data:list(data.method))
    if data.at <= #raw then malformed("bytes are left over") end
    check_types(types)
    rule(#list <= 1024, "too many methods")
    local methods = {}
    for _, one in ipairs(list) do
        check_method(one, service, types)
        check_edges(one, types, list)
        rule(not methods[one.id], "an id that stands twice")
        methods[one.id] = one
    end
    local from_zero = {}
    for index, kind in ipairs(types) do from_zero[index - 1] = kind end
    return { name = service, types = from_zero, methods = methods }
end

-- All schemas that are known, by fingerprint in hexadecimal, and which of them have a method, by its id.
local Schemas = { known = {}, by_method = {}, wrong = {}, beacons = {} }

function Schemas:clear()
    self.known, self.by_method, self.wrong, self.beacons = {}, {}, {}, {}
end

function Schemas:add(fingerprint, schema)
    if self.known[fingerprint] then return end
    schema.fingerprint = fingerprint
    self.known[fingerprint] = schema
    for id in pairs(schema.methods) do self.by_method[id] = self.by_method[id] or schema end
end

-- Learns an encoded schema from the capture. Returns it, or the refusal.
function Schemas:learn(fingerprint, raw)
    if self.known[fingerprint] then return self.known[fingerprint] end
    if self.wrong[fingerprint] then return nil, self.wrong[fingerprint] end
    local fine, schema = pcall(decode_schema, raw)
    if not fine then
        if type(schema) ~= "table" then error(schema, 0) end
        self.wrong[fingerprint] = schema
        return nil, schema
    end
    self:add(fingerprint, schema)
    return schema
end

-- A piece of a schema (SPEC 4.10): those of one fingerprint and length go together, wherever they come from. What is kept of
-- them is never more than such a schema, and pieces come in order but for those that the capture missed.
function Schemas:piece(said)
    if self.known[said.fingerprint] or self.wrong[said.fingerprint] then return end
    local key = said.fingerprint .. format(" %d", said.length)
    local beacon = self.beacons[key] or { pieces = {} }
    self.beacons[key] = beacon
    beacon.pieces[said.offset] = said.piece
    local at, whole = 0, {}
    while at < said.length do
        local piece = beacon.pieces[at]
        if not piece then return end
        whole[#whole + 1], at = piece, at + #piece
    end
    self.beacons[key] = nil
    self:learn(said.fingerprint, table.concat(whole))
end

-- Files that were exported stand in the preference, or were loaded as scripts, and left their tables in `_G.micronet_schemas`.
function Schemas:load()
    local problems = {}
    local function take(tables)
        if type(tables) ~= "table" then return end
        for fingerprint, schema in pairs(tables) do
            if type(schema) == "table" and schema.types and schema.methods then self:add(fingerprint, schema) end
        end
    end
    for path in tostring(micronet.prefs.schemas):gmatch("[^,]+") do
        local environment = { _G = {} }
        local script, why = loadfile(path, "t", environment)
        local fine, failure = false, why
        if script then fine, failure = pcall(script) end
        if fine then take(environment._G.micronet_schemas)
        else problems[#problems + 1] = tostring(failure) end
    end
    take(rawget(_G, "micronet_schemas"))
    for _, problem in ipairs(problems) do io.stderr:write("micronet: a schema can't be read: " .. problem .. "\n") end
end

-- The schema and the method of an id, by the fingerprint that the acceptor has announced; without it, or if that schema isn't
-- known, any that has the method.
function Schemas:method(fingerprint, id)
    local schema = BUILT_IN.methods[id] and BUILT_IN or self.known[fingerprint]
    if not schema or not schema.methods[id] then schema = self.by_method[id] end
    if not schema then return nil, nil end
    return schema, schema.methods[id]
end

-- ---- 7. Connections, calls and messages, as they are learnt -----------------------------------------------------------------

local Connections, Records = {}, {}
local Statistics = { methods = {} }

local OTHER = { dialler = "acceptor", acceptor = "dialler" }

local function new_connection(number)
    return {
        first = number, sides = {}, calls = {}, last_stream = 0, dialler = nil,
        -- What was said before is not known, because the capture began later or has gaps: rules that need it aren't held.
        lenient = false,
        broken = false,
    }
end

local function side_of(connection, endpoint)
    local side = connection.sides[endpoint]
    if not side then
        side = { endpoint = endpoint, frames_after_hello = 0, pings = {} }
        connection.sides[endpoint] = side
    end
    return side
end

local function peer_of(connection, side)
    for _, other in pairs(connection.sides) do
        if other ~= side then return other end
    end
end

-- Who a side is: the dialler speaks first (SPEC 1.3), and only it asks.
local function role_of(connection, side)
    if not connection.dialler then return nil end
    return connection.dialler == side.endpoint and "dialler" or "acceptor"
end

local function with_role(connection, role)
    for _, side in pairs(connection.sides) do
        if role_of(connection, side) == role then return side end
    end
end

local function protocol(clause, words) refuse("PROTOCOL_ERROR", clause, words) end

-- Credit (SPEC 4.5, 4.6); what isn't known isn't counted.
local function spend(purse, count, whose)
    if not purse or not purse.count then return end
    if count > purse.count then
        refuse("CREDIT_EXCEEDED", "4.5", format("%d bytes on the %s, of which %d may come", count, whose, purse.count))
    end
    purse.count = purse.count - count
end

local function fill(purse, count)
    if not purse or not purse.count then return end
    purse.count = purse.count + count
    if purse.count > CREDIT_MAX then refuse("CREDIT_EXCEEDED", "4.6", format("%.0f bytes in one hand", purse.count)) end
end

-- One side's messages on one stream (SPEC 4.3, 4.4).
local Voice = {}
Voice.__index = Voice

local function new_voice(credit, connection_purse, lenient)
    return setmetatable({ stream = { count = credit }, connection = connection_purse, messages = 0, lenient = lenient }, Voice)
end

-- What a DATA frame takes of credit: all of its message with the first piece, nothing with later ones and announcements.
local function first_piece(header, said)
    if header.continued or #said.piece == 0 then return 0 end
    return header.more and said.length or #said.piece
end

-- A message is whole: `pieces` of it came before.
function Voice:whole(message, is_end)
    if self.one_request and not is_end then protocol("4.3", "more than one request") end
    if self.replies == "one" then protocol("4.3", "a message in DATA where one reply is due") end
    self.messages = self.messages + 1
    self.ended = is_end
    return message
end

-- Returns the message that this frame makes whole, if it does; and whether one is announced that is too long.
function Voice:data(header, said, record)
    local piece, clause = said.piece, "4.3"
    if self.acceptors and header.fin then protocol(clause, "the acceptor's DATA with END") end
    if self.ended then protocol(clause, "DATA after END") end
    if header.continued then return self:go_on(piece, header.more, header.fin, record) end
    if self.total then
        local announces = header.more and #piece == 0
        protocol(announces and "4.4" or clause, "a message, an announcement or END in the middle of a message")
    end
    if header.more and #piece == 0 then
        if self.announced or said.length == 0 then protocol("4.4", "an announcement of nothing, or another one") end
        self.announced = said.length
        record.announces = said.length
        return nil, said.length > MESSAGE_MAX
    end
    if #piece == 0 then
        if not header.fin or self.announced then protocol(clause, "a message without bytes, or the end instead of what was announced") end
        self.ended = true
        return nil
    end
    local length = header.more and said.length or #piece
    if length > MESSAGE_MAX then protocol("4.4", format("%d bytes of a message", length)) end
    if header.more and #piece >= length then protocol(clause, format("%d bytes of a message of %d", #piece, length)) end
    if self.announced and self.announced ~= length then
        protocol("4.4", format("%d bytes instead of the announced %d", length, self.announced))
    end
    self.announced = nil
    spend(self.stream, length, "stream")
    spend(self.connection, length, "connection")
    if not header.more then return self:whole(piece, header.fin) end
    self.total, self.pieces, self.got, self.records = length, { piece }, #piece, { record }
end

function Voice:go_on(piece, more, is_end, record)
    if not self.total then
        if self.lenient then record.begun_before = true return nil end
        protocol("4.3", "a piece of no message")
    end
    self:take_piece(piece, record)
    if #piece == 0 or (more and self.got >= self.total) or (not more and self.got ~= self.total) then
        protocol("4.3", format("%d bytes of %d", self.got, self.total))
    end
    if not more then return self:whole(self:together(record), is_end) end
end

function Voice:take_piece(piece, record)
    self.pieces[#self.pieces + 1], self.got = piece, self.got + #piece
    self.records[#self.records + 1] = record
end

function Voice:together(record)
    local message = table.concat(self.pieces)
    for _, one in ipairs(self.records) do
        if one ~= record then one.continued_in = record.number end
    end
    self.total, self.pieces, self.records = nil, nil, nil
    return message
end

-- The one reply; after a stream of them it is empty (SPEC 4.3, 5.3).
function Voice:reply(header, said, record)
    local piece = said.message
    if header.continued then
        if not self.total then
            if self.lenient then record.begun_before = true return nil end
            protocol("5.3", "a REPLY that goes on with no message")
        end
        self:take_piece(piece, record)
        if #piece == 0 or self.got ~= self.total then protocol("5.3", "a REPLY with another piece than the last one") end
        piece = self:together(record)
        record.together = piece
    elseif self.total or self.announced then
        protocol("5.3", "a REPLY in the middle of a message, or instead of the announced one")
    end
    if (self.replies == "many" or self.messages > 0) and #piece > 0 then
        protocol("5.3", "a REPLY with a message after a stream of them")
    end
    return piece
end

-- A call, from the frame that opens it, or from the first one of it in the capture.
local function new_call(connection, header)
    local dialler, acceptor = with_role(connection, "dialler"), with_role(connection, "acceptor")
    local hellos = { dialler = dialler and dialler.hello or {}, acceptor = acceptor and acceptor.hello or {} }
    local call = {
        stream = header.stream, method = header.method, encoding = header.encoding, requests = 0, replies = 0,
        connection = connection,
    }
    local _, method = Schemas:method(connection.schema, header.method)
    local asking = new_voice(hellos.acceptor.stream_credit, dialler and dialler.purse, connection.lenient)
    local answering = new_voice(hellos.dialler.stream_credit, acceptor and acceptor.purse, connection.lenient)
    answering.acceptors, answering.replies = true, method and SHAPE_REPLIES[method.shape]
    call.voices = { dialler = asking, acceptor = answering }
    connection.calls[header.stream] = call
    return call
end

-- The rules of SPEC sections 3 to 8 that look at more than one frame; what a frame is in its call is noted in its record.
local Rules = {}

function Rules.HELLO(connection, side, header, said)
    if side.hello then protocol("3.1", "a second HELLO") end
    if not header.checksum then protocol("3.1", "HELLO without checksum") end
    side.hello = said
    if role_of(connection, side) == "acceptor" and said.schema then connection.schema = said.schema end
    local peer = peer_of(connection, side)
    if not peer or not peer.hello then return end
    side.purse, peer.purse = { count = peer.hello.connection_credit }, { count = said.connection_credit }
    local own, others = said.versions, peer.hello.versions
    if math.max(own[1], others[1]) > math.min(own[2], others[2]) then
        refuse("VERSION_UNSUPPORTED", "3.5", format("versions %d to %d, and %d to %d", own[1], own[2], others[1], others[2]))
    end
    if said.cluster and peer.hello.cluster and said.cluster ~= peer.hello.cluster then
        refuse("WRONG_CLUSTER", "3.6", said.cluster .. " and " .. peer.hello.cluster)
    end
end

function Rules.BEACON(connection, _, _, said)
    connection.schema = said.fingerprint
    Schemas:piece(said)
end

function Rules.PROOF(_, side)
    if side.frames_after_hello ~= 1 then protocol("3.7", "a PROOF that isn't the first frame after HELLO") end
end

function Rules.PING(_, side, _, said, record)
    local waiting = side.pings[#side.pings]
    if waiting and not waiting.pong then record.missed = #side.pings end
    record.ping = { number = record.number, at = record.at, opaque = said.opaque }
    side.pings[#side.pings + 1] = record.ping
end

function Rules.PONG(connection, side, _, said, record)
    local peer = peer_of(connection, side)
    for at, ping in ipairs(peer and peer.pings or {}) do
        if ping.opaque == said.opaque then
            table.remove(peer.pings, at)
            ping.pong, ping.took = record.number, record.at - ping.at
            record.ping = ping
            return
        end
    end
    protocol("7.2", "a PONG without PING")
end

function Rules.GOAWAY(connection, side, _, said)
    local left = side.left
    side.left = true
    if left then protocol("5.6", "a second GOAWAY") end
    if role_of(connection, side) == "dialler" and said.last_stream ~= 0 then protocol("5.6", "a dialler's GOAWAY with an id") end
end

function Rules.CLOSE(connection, side, _, _, record)
    side.closed = true
    local open = 0
    for _, call in pairs(connection.calls) do
        if call.request_in and not call.ending and not call.one_way then open = open + 1 end
    end
    record.open_calls = open
end

-- SPEC 5.1, 5.6
local function check_opened(connection, header)
    local dialler = with_role(connection, "dialler")
    if dialler and dialler.left then protocol("5.6", "a call after GOAWAY") end
    if header.stream == 0xFFFFFFFF or header.stream <= connection.last_stream then protocol("5.1", "a stream id that isn't greater") end
    connection.last_stream = header.stream
end

local function open_call(connection, header, record)
    check_opened(connection, header)
    local call = new_call(connection, header)
    call.request_in, call.at = record.number, record.at
    record.call, record.part = call, "request"
    Statistics:began(call)
    return call
end

function Rules.REQUEST(connection, _, header, said, record)
    local call = open_call(connection, header, record)
    local rest, voice = said.message or "", call.voices.dialler
    voice.ended = header.fin
    if said.refused then call.refused = said.refused.code return end
    local code, words
    if header.more then
        if #rest ~= 4 or number_of(rest) <= PIECE_MAX then code, words = "BAD_REQUEST", "an announcement of another form"
        elseif number_of(rest) > MESSAGE_MAX then code, words = "MESSAGE_TOO_LARGE", "an announcement of too long a message"
        else
            voice.announced, voice.one_request = number_of(rest), true
            record.announces = voice.announced
        end
    elseif not header.fin and #rest > 0 then code, words = "BAD_REQUEST", "a message where a stream of them begins"
    elseif #rest > PIECE_MAX then code, words = "MESSAGE_TOO_LARGE", "a request that is too long for its frame"
    end
    if code then
        call.refused = code
        refuse(code, "4.2", words)
    end
    if header.fin then
        call.requests, record.has_message = 1, true
    end
    local agreed = with_role(connection, "acceptor")
    if header.encoding ~= 1 then
        call.refused = "UNKNOWN_ENCODING"
        refuse("UNKNOWN_ENCODING", "5.2", format("encoding %d", header.encoding))
    end
    connection.in_flight = (connection.in_flight or 0) + 1
    local most = agreed and agreed.hello and agreed.hello.calls_in_flight_max
    if most and connection.in_flight > most then refuse("OVERLOADED", "5.5", format("%d calls in flight", connection.in_flight)) end
end

function Rules.NOTICE(connection, _, header, said, record)
    local call = open_call(connection, header, record)
    call.one_way, call.requests = true, 1
    record.has_message = not said.refused
    if #(said.message or "") > PIECE_MAX then refuse("MESSAGE_TOO_LARGE", "4.2", "a request that is too long for its frame") end
end

-- The call of a frame. Without one it is a violation, or began before the capture did.
local function call_of(connection, header, clause, words, record)
    local call = connection.calls[header.stream]
    if not call then
        if not connection.lenient then protocol(clause, words) end
        call = new_call(connection, header)
    end
    record.call = call
    return call
end

local function check_method_of(call, header)
    if call.method ~= header.method then protocol("2.5", "another method than its call's") end
end

-- Whose message a DATA frame has. In mid-connection the method's shape may tell, once its schema is known.
local function speaker_of(connection, side, header)
    local role = role_of(connection, side)
    if role then return role end
    local _, method = Schemas:method(connection.schema, header.method)
    if not method then return nil end
    local asks, answers = SHAPE_REQUESTS[method.shape] == "many", SHAPE_REPLIES[method.shape] == "many"
    if asks == answers then return nil end
    return asks and "dialler" or "acceptor"
end

local PARTS = { dialler = "request", acceptor = "reply" }

function Rules.DATA(connection, side, header, said, record)
    local role = speaker_of(connection, side, header)
    if role and not connection.dialler then
        connection.dialler = role == "dialler" and side.endpoint or (peer_of(connection, side) or {}).endpoint
    end
    record.part, role = PARTS[role], role or "acceptor"
    local call = connection.calls[header.stream]
    if header.stream <= connection.last_stream and not call and role == "dialler" and not connection.lenient then
        return spend(side.purse, first_piece(header, said), "connection")
    end
    call = call_of(connection, header, "4.3", "DATA of a stream without call", record)
    if call.one_way then protocol("4.3", "DATA after a NOTICE") end
    if role == "acceptor" and call.ending then protocol("4.3", "DATA after the terminal frame") end
    if call.ending or call.cancelled or call.refused then
        return spend(side.purse, first_piece(header, said), "connection")
    end
    check_method_of(call, header)
    if call.encoding ~= header.encoding then protocol("5.2", "DATA in another encoding than its call's") end
    local message, too_long = call.voices[role]:data(header, said, record)
    if too_long then
        call.refused = "MESSAGE_TOO_LARGE"
        refuse("MESSAGE_TOO_LARGE", "4.4", "an announcement of too long a message")
    end
    if message then
        local counter = role == "dialler" and "requests" or "replies"
        call[counter] = call[counter] + 1
        record.has_message, record.index = true, call[counter]
        if header.continued then record.together = message end
    end
end

function Rules.CREDIT(connection, side, header, said, record)
    if header.stream == 0 then
        local peer = peer_of(connection, side)
        return fill(peer and peer.purse, said.bytes)
    end
    local call = connection.calls[header.stream]
    record.call = call
    if not call and header.stream > connection.last_stream and not connection.lenient then
        protocol("4.6", "CREDIT for a stream that was never opened")
    end
    if not call or call.ending or call.cancelled or call.refused or call.one_way then return end
    check_method_of(call, header)
    local role = role_of(connection, side)
    if role then fill(call.voices[OTHER[role]].stream, said.bytes) end
end

function Rules.CANCEL(connection, _, header, _, record)
    local call = connection.calls[header.stream]
    record.call = call
    if not call then
        if header.stream > connection.last_stream and not connection.lenient then protocol("5.4", "CANCEL of a stream never opened") end
        return
    end
    check_method_of(call, header)
    if call.cancelled then protocol("5.4", "CANCEL twice") end
    call.cancelled, call.cancel_in = true, record.number
end

local function end_call(connection, header, record, words)
    record.part = "reply"
    local call = call_of(connection, header, "5.3", words, record)
    if call.one_way then protocol("5.9", "an answer to a NOTICE") end
    if call.ending then protocol("5.3", "a second terminal frame") end
    check_method_of(call, header)
    return call
end

local function ended(connection, call, ending, record)
    call.ending, call.response_in = ending, record.number
    if call.at then
        call.took = record.at - call.at
        connection.in_flight = math.max(0, (connection.in_flight or 0) - 1)
    end
end

function Rules.REPLY(connection, _, header, said, record)
    local call = end_call(connection, header, record, "a REPLY without call")
    if call.encoding ~= header.encoding then protocol("5.2", "a REPLY in another encoding than its call's") end
    if call.refused and not call.cancelled then protocol("5.3", "a REPLY to what can't be executed") end
    local voice = call.voices.acceptor
    if not call.cancelled then
        local message = voice:reply(header, said, record)
        local _, method = Schemas:method(connection.schema, header.method)
        local many = voice.messages > 0 or (method and SHAPE_REPLIES[method.shape] == "many")
        if message and not many then
            call.replies, record.has_message = call.replies + 1, true
        end
    end
    ended(connection, call, "OK", record)
end

function Rules.ERROR(connection, _, header, said, record)
    local call = end_call(connection, header, record, "an ERROR without call")
    ended(connection, call, code_name(said.code), record)
end

-- Holds a frame against the rules, and notes in its record what it is. Raises a refusal.
local function hold(connection, side, header, said, record)
    local kind = header.kind_name
    local sender = SENT_BY[kind]
    -- Nobody goes on before he has heard the other side's HELLO (SPEC 3.1): if it isn't here, only one side was captured.
    local other = peer_of(connection, side)
    if side.hello and kind ~= "HELLO" and kind ~= "CLOSE" and not (other and other.greeted) then connection.lenient = true end
    if sender then
        local role = role_of(connection, side)
        if not role or (connection.lenient and role ~= sender) then
            connection.dialler = sender == "dialler" and side.endpoint or (peer_of(connection, side) or {}).endpoint or "?"
        elseif role ~= sender then protocol("2.2", format("%s from the %s", kind, role)) end
    end
    record.role = role_of(connection, side)
    if not connection.lenient then
        if side.closed then protocol("5.7", "a frame after CLOSE") end
        if not side.hello and kind ~= "HELLO" and kind ~= "CLOSE" then protocol("3.1", kind .. " before HELLO") end
        if side.hello and kind ~= "HELLO" then
            local peer = peer_of(connection, side)
            local agreed = not peer or not peer.hello or side.hello.checksums or peer.hello.checksums
            if agreed and not header.checksum then protocol("3.8", "a frame without the checksum that was agreed") end
            side.frames_after_hello = side.frames_after_hello + 1
        end
    end
    local rules = Rules[kind]
    if rules then rules(connection, side, header, said, record) end
end

-- ---- 8. Payloads (SPEC 3 to 8) ----------------------------------------------------------------------------------------------

-- Each reads a payload, adds what it says to the tree, and returns it. Raises a refusal where it is malformed.
local Payloads = {}

local function sized(data, size, words)
    if data:left() ~= size then data:refuse(format("%s of %d bytes", words, data:left())) end
end

-- SPEC 1.5
local function text_of(data, tree, name)
    local length = data:uint(2)
    if length > 1024 then data:refuse("a text of more than 1024 bytes") end
    local text, range = data:take(length)
    tree:add(by_name[name], range, text)
    if not is_utf8(text) then data:refuse("a text that is not UTF-8") end
    return text
end

local function name_of(value, data)
    if #value < 1 or #value > 64 or value:find("[^A-Za-z0-9._-]") then data:refuse("a name that is none") end
    return value
end

-- What is in an entry of so many bytes: a number, within its limits (SPEC 3.4).
local function entry_number(least, most)
    return function(value, data)
        if #value ~= 4 then data:refuse(format("%d bytes instead of 4", #value)) end
        local number = number_of(value)
        if number < least or number > most then refuse("PROTOCOL_ERROR", "3.4", format("%.0f makes no sense here", number)) end
        return number
    end
end

local function entry_bytes(size)
    return function(value, data)
        if #value ~= size then data:refuse(format("%d bytes instead of %d", #value, size)) end
        return value
    end
end

-- SPEC 3.2: what an entry is called, how it is shown, and how it is read.
local HELLO_ENTRIES = {
    [1] = { "cluster", name_of }, [2] = { "node", name_of }, [3] = { "instance", name_of },
    [4] = { "nonce", entry_bytes(16) }, [5] = { "frame_payload_max", entry_number(32768, 16777216) },
    [6] = { "calls_in_flight_max", entry_number(1, 0xFFFFFFFF) }, [7] = { "heartbeat_interval_ms", entry_number(50, 60000) },
    [8] = { "schema", function(value, data) return hex(entry_bytes(16)(value, data)) end },
    [9] = { "checksums", function(value, data)
        if value ~= "\0" and value ~= "\1" then data:refuse("neither 0 nor 1") end
        return value == "\1"
    end },
    [0x800A] = { "software", function(value, data)
        if #value > 1024 then data:refuse("software of more than 1024 bytes") end
        return value
    end },
    [11] = { "stream_credit", entry_number(16384, CREDIT_MAX) }, [12] = { "connection_credit", entry_number(65536, CREDIT_MAX) },
}
local ANNOUNCE_ENTRIES = {
    [6] = HELLO_ENTRIES[6], [7] = HELLO_ENTRIES[7],
    [0x8010] = { "health", function(value, data)
        if #value ~= 1 or not HEALTH[byte(value)] then data:refuse("a health that is none") end
        return HEALTH[byte(value)]
    end },
}

local function entries(data, tree, known, said, forbidden)
    local last = -1
    while data:left() > 0 do
        local key, key_range = data:uint(2)
        local value, range = data:take((data:uint(2)))
        if key % 0x8000 <= last or (forbidden and forbidden[key] and not known[key]) then
            data:refuse("entries out of order, or one that doesn't belong here")
        end
        last = key % 0x8000
        local entry = known[key]
        if entry then
            local name = entry == ANNOUNCE_ENTRIES[0x8010] and "announce.health" or "hello." .. entry[1]
            said[entry[1]] = entry[2](value, data)
            tree:add(by_name[name], range)
        else
            tree:add(by_name["entry.key"], key_range):append_text(format(" (unknown, %d bytes)", #value))
            if key < 0x8000 then refuse("CAPABILITY_UNSUPPORTED", "3.3", format("key %04X", key)) end
        end
    end
    return said
end

function Payloads.HELLO(data, tree)
    data.clause = "3.2"
    if data:left() > HELLO_MAX then data:refuse("HELLO is too long") end
    local low = data:show(tree, "hello.version_min", 1)
    local high = data:show(tree, "hello.version_max", 1)
    local said = entries(data, tree, HELLO_ENTRIES, {
        versions = { low, high }, checksums = true, frame_payload_max = 65536, calls_in_flight_max = 4096,
        heartbeat_interval_ms = 1000, stream_credit = 65536, connection_credit = 33554432,
    })
    if not said.nonce then data:refuse("HELLO without nonce") end
    if said.connection_credit < said.stream_credit then refuse("PROTOCOL_ERROR", "3.4", "less credit than a stream has") end
    return said
end

function Payloads.ANNOUNCE(data, tree)
    data.clause = "3.10"
    return entries(data, tree, ANNOUNCE_ENTRIES, {}, HELLO_ENTRIES)
end

function Payloads.PROOF(data, tree)
    data.clause = "3.7"
    sized(data, 33, "a PROOF")
    local credential = data:show(tree, "proof.credential", 1)
    data:show(tree, "proof.hmac", 32)
    if not CREDENTIALS[credential] then data:refuse("a credential that is none") end
    return {}
end

function Payloads.PING(data, tree)
    data.clause = "7.2"
    sized(data, 8, "a PING")
    local opaque, range = data:take(8)
    tree:add(by_name["ping.opaque"], range)
    return { opaque = opaque }
end

function Payloads.PONG(data, tree)
    data.clause = "7.2"
    sized(data, 35, "a PONG")
    local opaque, range = data:take(8)
    tree:add(by_name["ping.opaque"], range)
    local said = { opaque = opaque }
    data:show(tree, "pong.bytes_received", 8)
    for _, name in ipairs({ "calls_in_flight", "instance_calls_in_flight", "queue_delay_us", "scheduler_lag_us" }) do
        data:show(tree, "pong." .. name, 4)
    end
    local health = data:show(tree, "pong.health", 1)
    data:show(tree, "pong.load_permille", 2)
    if not HEALTH[health] then data:refuse("a health that is none") end
    return said
end

function Payloads.GOAWAY(data, tree)
    data.clause = "5.6"
    sized(data, 4, "a GOAWAY")
    return { last_stream = data:show(tree, "goaway.last_stream", 4) }
end

function Payloads.CLOSE(data, tree)
    data.clause = "5.7"
    local code = data:show(tree, "close.code", 2)
    local said = { code = code, words = text_of(data, tree, "close.message") }
    sized(data, 0, "a CLOSE with an end")
    return said
end

function Payloads.CREDIT(data, tree)
    data.clause = "4.6"
    sized(data, 4, "a CREDIT")
    local count = data:show(tree, "credit.bytes", 4)
    if count == 0 then data:refuse("CREDIT of nothing") end
    return { bytes = count }
end

function Payloads.BEACON(data, tree)
    data.clause = "4.10"
    local version = data:show(tree, "beacon.version", 1)
    local fingerprint, range = data:take(16)
    tree:add(by_name["beacon.schema"], range)
    local length = data:show(tree, "beacon.length", 4)
    local offset = data:show(tree, "beacon.offset", 4)
    local size = data:left()
    if version == 0 or size < 1 or size > SCHEMA_PIECE_MAX or offset + size > length or length > SCHEMA_MAX then
        data:refuse(format("a piece of %d bytes at %.0f of %.0f", size, offset, length))
    end
    local piece, piece_range = data:take(size)
    tree:add(by_name["beacon.piece"], piece_range)
    return { fingerprint = hex(fingerprint), length = length, offset = offset, piece = piece }
end

function Payloads.CANCEL(data)
    data.clause = "5.4"
    sized(data, 0, "a CANCEL")
    return {}
end

local function printable(value, data)
    if #value < 1 or #value > 64 or value:find("[^\33-\126]") then data:refuse("not 1 to 64 bytes of printable ASCII") end
    return value
end

-- SPEC 6.5
local NAMES_OF = { [0] = { 0, 0 }, [1] = { 0, 0 }, [2] = { 1, 1 }, [3] = { 3, 67 } }
local USER_FIELDS = { "principal.user", "principal.organization", "principal.session" }

local function principal(data, tree)
    data.clause = "6.5"
    local kind, count = data:show(tree, "principal.kind", 1), 0
    local names = { PRINCIPALS[kind] }
    while data:left() > 0 do
        local name, range = data:take((data:uint(1)))
        count = count + 1
        local shown = kind == 3 and (USER_FIELDS[count] or "principal.permission") or "principal.service"
        tree:add(by_name[shown], range, name)
        if not (kind == 3 and (count == 2 or count == 3) and name == "") then printable(name, data) end
        names[#names + 1] = name
    end
    local allowed = NAMES_OF[kind]
    if not allowed or count < allowed[1] or count > allowed[2] then
        data:refuse(format("a principal of kind %d with %d names", kind, count))
    end
    return names
end

-- SPEC 6.6
local function metadata(data, tree)
    data.clause = "6.6"
    if data:left() < 1 or data:left() > 2048 then data:refuse(format("%d bytes of metadata", data:left())) end
    local before, count = nil, 0
    while data:left() > 0 do
        local from = data.at
        local key = data:take((data:uint(1)))
        local value = data:take((data:uint(2)))
        tree:add(by_name.metadata, data.range(from, data.at - from), key .. "=" .. value)
        if #key < 1 or #key > 64 or key:find("[^a-z0-9._-]") or (before and not is_before(before, key)) then
            data:refuse("a key that is none, or out of order")
        end
        if not is_utf8(value) or value:find("[\0-\31\127]") or value:find("\194[\128-\159]") then
            data:refuse("a value with a control character, or not UTF-8")
        end
        before, count = key, count + 1
    end
    if count > 16 then data:refuse(format("%d pairs of metadata", count)) end
end

local HEAD_ENTRIES = {
    [1] = function(data, tree)
        if data:left() ~= 25 then data:refuse("a trace context of another length") end
        for _, part in ipairs({ { "trace.id", 16 }, { "trace.span", 8 }, { "trace.flags", 1 } }) do data:show(tree, part[1], part[2]) end
    end,
    [2] = function(data, tree)
        local value, range = data:take(data:left())
        tree:add(by_name.request_id, range, value)
        printable(value, data)
    end,
    [3] = function(data, tree)
        local value, range = data:take(data:left())
        tree:add(by_name.token, range, value)
        printable(value, data)
    end,
    [4] = principal,
    [5] = metadata,
    [6] = function(data, tree)
        data.clause = "6.7"
        if data:left() ~= 1 then data:refuse("a class of another length") end
        if data:show(tree, "class", 1) ~= 1 then data:refuse("another class than BULK") end
    end,
}

-- SPEC 6: the head, then the message.
function Payloads.REQUEST(data, tree)
    data.code, data.clause = "BAD_REQUEST", "6.1"
    local length, length_range = data:uint(2)
    local head_item = tree:add(data.range(0, math.min(length + 2, #data.raw)), "Request head")
    head_item:add(by_name["head.length"], length_range)
    if length < 4 or length > 8192 then data:refuse(format("a head of %d bytes", length)) end
    local entries_raw, entries_place = data:part(length)
    local head = reader(entries_raw, entries_place, "BAD_REQUEST", "6.1")
    local deadline, item = head:show(head_item, "head.deadline_us", 4)
    if deadline == 0 then head:refuse("a deadline of zero") end
    if deadline > DEADLINE_US_MAX then item:append_text(" (taken for 1 hour)") end
    local last = 0
    while head:left() > 0 do
        head.clause = "6.2"
        local tag, tag_range = head:uint(1)
        local value, range = head:part((head:uint(2)))
        if tag % 128 <= last then head:refuse("the head's entries are out of order") end
        last = tag % 128
        local read = HEAD_ENTRIES[tag]
        if read then
            read(reader(value, range, "BAD_REQUEST", "6.3"), head_item)
        else
            head_item:add(by_name["head.tag"], tag_range):append_text(" (unknown)")
            if tag < 128 then head:refuse(format("the entry %d is not known", tag)) end
        end
    end
    local message, range = data:part(data:left())
    return { message = message, message_range = range }
end
Payloads.NOTICE = Payloads.REQUEST

-- SPEC 7.5
local function ledger(data, tree)
    if data:left() < 16 then data:refuse("a ledger that ends too early") end
    local item = tree:add(data.range(data.at, 16), "Ledger")
    local sum = 0
    for _, part in ipairs({ "receive_queue_us", "handler_us", "credit_wait_us", "write_queue_us" }) do
        sum = sum + data:show(item, "ledger." .. part, 4)
    end
    item:append_text(format(": %.0f us in all", sum))
end

function Payloads.REPLY(data, tree)
    data.clause = "5.3"
    ledger(data, tree)
    if data:left() > PIECE_MAX then refuse("PROTOCOL_ERROR", "4.3", "a REPLY with too much of a message") end
    local message, range = data:part(data:left())
    return { message = message, message_range = range }
end

function Payloads.ERROR(data, tree)
    data.clause = "8.1"
    ledger(data, tree)
    local code = data:show(tree, "error.code", 2)
    local fault = data:show(tree, "error.fault", 1)
    local retry = data:show(tree, "error.retry", 1)
    data:show(tree, "error.retry_after_ms", 4)
    if not FAULTS[fault] or not RETRIES[retry] then data:refuse(format("fault %d, retry %d", fault, retry)) end
    local words = text_of(data, tree, "error.message")
    if data:left() > 16384 then data:refuse("a detail of more than 16384 bytes") end
    local detail, range = data:part(data:left())
    if #detail > 0 then tree:add(by_name["error.detail"], range(0, #detail)) end
    return { code = code, words = words, detail = detail, detail_range = range, retry = retry }
end

-- SPEC 4.3, 4.4
function Payloads.DATA(data, tree, header)
    data.clause = "4.3"
    local length
    if header.more and not header.continued then length = data:show(tree, "message.length", 4) end
    if data:left() > PIECE_MAX then data:refuse(format("a piece of %d bytes", data:left())) end
    local piece, range = data:part(data:left())
    return { length = length, piece = piece, message_range = range }
end

-- ---- 9. Frames (SPEC 2) -------------------------------------------------------------------------------------------------------

local function header_of(raw)
    local kind, flags, encoding, reserved = byte(raw, 5, 8)
    return {
        length = number_of(raw:sub(1, 4)), kind = kind, kind_name = KINDS[kind], flags = flags, encoding = encoding,
        reserved = reserved, stream = number_of(raw:sub(9, 12)), method = number_of(raw:sub(13, 16)),
        payload_checksum = number_of(raw:sub(17, 20)), header_checksum = number_of(raw:sub(21, 24)),
        fin = flags % 2 >= 1, checksum = flags % 4 >= 2, more = flags % 8 >= 4, continued = flags % 16 >= 8,
    }
end

local function is_header(raw)
    return #raw == HEADER_BYTES and crc32c(raw:sub(1, 20)) == number_of(raw:sub(21, 24))
end

-- Where the next header begins: what looks like one and has a right checksum. Bytes that aren't a header are that once in 2^32.
local LOOKS_LIKE_A_HEADER = "[\0\1]...[\1-\8\16-\22][\0-\15].\0"

local function find_header(raw, from)
    local at = from
    while true do
        at = raw:find(LOOKS_LIKE_A_HEADER, at)
        if not at or at + HEADER_BYTES - 1 > #raw then return nil end
        if is_header(raw:sub(at, at + HEADER_BYTES - 1)) then return at end
        at = at + 1
    end
end

-- SPEC 2.2 to 2.8, in the order of 2.9. Raises a refusal.
local function check_header(header, limit)
    local kind, number = header.kind_name, header.kind
    if not kind then protocol("2.2", format("kind %d", number)) end
    if header.reserved ~= 0 or header.flags > 15 or (header.payload_checksum ~= 0 and not header.checksum) then
        protocol("2.4", "what is reserved isn't zero")
    end
    local control = number < 16
    local of_connection = header.stream == 0 and header.method == 0
    if header.encoding ~= 0 and (control or kind == "CANCEL" or kind == "CREDIT") then protocol("2.5", kind .. " with an encoding") end
    local placed
    if control then placed = of_connection
    else placed = (header.stream ~= 0 and header.method ~= 0) or (kind == "CREDIT" and of_connection) end
    if not placed then protocol("2.5", format("%s on stream %.0f, method %08x", kind, header.stream, header.method)) end
    if not (FLAGS_OF[kind] or NO_FLAGS)[header.flags - (header.checksum and CHECKSUM or 0)] then
        protocol("2.7", format("%s with flags %02X", kind, header.flags))
    end
    if header.length > math.min(limit, PAYLOAD_HARD_MAX) then refuse("FRAME_TOO_LARGE", "2.8", format("%.0f bytes", header.length)) end
end

-- SPEC 2.8: how long a payload this side may send.
local function payload_limit(connection, side)
    if connection.lenient then return PAYLOAD_HARD_MAX end
    if not side.hello then return HELLO_MAX end
    local peer = peer_of(connection, side)
    return peer and peer.hello and peer.hello.frame_payload_max or PAYLOAD_USUAL_MAX
end

local EXPERT_OF = { CHECKSUM_MISMATCH = "checksum" }
-- SPEC 16.5: what costs a call and not the connection
local OF_THE_CALL = { BAD_REQUEST = true, MESSAGE_TOO_LARGE = true, UNKNOWN_ENCODING = true, OVERLOADED = true }

local function show_violation(tree, why)
    local kind = EXPERT_OF[why.code] or (OF_THE_CALL[why.code] and "bad_call") or "violation"
    local item = tree:add(by_name.violation, why.code):set_generated()
    item:add(by_name["violation.clause"], why.clause):set_generated()
    item:add_proto_expert_info(experts[kind], format("%s (SPEC %s): %s", why.code, why.clause, why.words))
end

local function generated(tree, name, value)
    return tree:add(by_name[name], value):set_generated()
end

local function nstime(seconds)
    local whole = floor(seconds)
    return NSTime.new(whole, floor((seconds - whole) * 1e9 + 0.5))
end

-- The name of a method, as people write it.
local function method_name(connection, id)
    local schema, method = Schemas:method(connection.schema, id)
    return method and schema.name .. "." .. method.name or format("0x%08x", id), schema, method
end

local function show_header(tree, range, header, connection)
    local item = tree:add(range, "Header")
    item:add(by_name.length, range(0, 4))
    item:add(by_name.kind, range(4, 1))
    local flags = item:add(by_name.flags, range(5, 1))
    local names = {}
    for _, flag in ipairs({ "end", "checksum", "more", "continued" }) do
        flags:add(by_name["flags." .. flag], range(5, 1))
        if header[flag == "end" and "fin" or flag] then names[#names + 1] = flag:upper() end
    end
    if #names > 0 then flags:append_text(" (" .. table.concat(names, " ") .. ")") end
    item:add(by_name.encoding, range(6, 1))
    item:add(by_name.reserved, range(7, 1))
    item:add(by_name.stream, range(8, 4))
    local method = item:add(by_name.method, range(12, 4))
    if header.method ~= 0 then
        local name, schema = method_name(connection, header.method)
        method:append_text(" (" .. name .. ")")
        generated(item, "method.name", name)
        if schema then generated(item, "service", schema.name) end
    end
    item:add(by_name.payload_checksum, range(16, 4))
    item:add(by_name.header_checksum, range(20, 4))
    return item
end

-- Shows a message, by the schema if there is one.
local function show_message(tree, connection, header, part, raw, range)
    if header.encoding ~= 1 then return end
    local name, schema, method = method_name(connection, header.method)
    if not method then
        if #raw > 0 then tree:add(by_name["message.bytes"], range(0, #raw)):append_text(" (its schema is not known)") end
        return
    end
    local item = tree:add(range(0, #raw), format("Message: %s, %s", name, part))
    local json, why = decode_message(schema, method[part], raw, range, item)
    local shown = #json > JSON_SHOWN_MAX and json:sub(1, JSON_SHOWN_MAX) .. "…" or json
    if why == CUT then
        shown = shown .. "…"
        item:add_proto_expert_info(experts.cut, "More values than are to be shown: see the preferences")
    end
    generated(item, "message", shown)
    if type(why) == "table" and why.code and connection.schema and connection.schema ~= schema.fingerprint and schema ~= BUILT_IN then
        item:add_proto_expert_info(experts.cut, "The acceptor's own schema isn't known, and this one doesn't fit")
    elseif type(why) == "table" and why.code then
        generated(item, "violation", why.code):add(by_name["violation.clause"], why.clause):set_generated()
        item:add_proto_expert_info(experts.malformed, format("The %s is malformed (SPEC %s): %s", part, why.clause, why.words))
    end
    return shown
end

-- The detail of an error: of the method's error type, or a list of faults. Returns the name of the error.
local function show_detail(tree, connection, header, said)
    if #said.detail == 0 then return nil end
    local _, schema, method = method_name(connection, header.method)
    local index
    if said.code == INVALID_INPUT then schema, index = BUILT_IN, FAULTS_TYPE
    elseif said.code == APPLICATION and method then index = method.error end
    if not index then return nil end
    local item = tree:add(said.detail_range(0, #said.detail), "Detail")
    local json, why = decode_message(schema, index, said.detail, said.detail_range, item)
    generated(item, "message", json)
    if type(why) == "table" and why.code then
        item:add_proto_expert_info(experts.malformed, format("The detail is malformed (SPEC %s): %s", why.clause, why.words))
    end
    return said.code == APPLICATION and json:match('^{?"([%w_]+)"') or nil
end

-- What other frames say about this one's call.
local function show_call(tree, pinfo, record)
    local call = record.call
    if not call then return end
    local number = pinfo.number
    if call.request_in and call.request_in ~= number then generated(tree, "request_in", call.request_in) end
    if call.response_in and call.response_in ~= number then generated(tree, "response_in", call.response_in) end
    if call.cancel_in and call.cancel_in ~= number then generated(tree, "cancel_in", call.cancel_in) end
    if record.index then generated(tree, "message.index", record.index) end
    if call.response_in == number then
        if call.took then generated(tree, "time", nstime(call.took)) end
        if call.requests > 0 then generated(tree, "requests", call.requests) end
        generated(tree, "replies", call.replies)
        local slow = micronet.prefs.slow_ms
        local _, method = Schemas:method(call.connection.schema, call.method)
        local lasts = method and method.shape ~= "Unary" -- A stream takes as long as its caller likes.
        if slow > 0 and not lasts and call.took and call.took * 1000 > slow then
            tree:add_proto_expert_info(experts.slow, format("The call took %.0f ms", call.took * 1000))
        end
    elseif call.request_in == number and pinfo.visited and not call.response_in and not call.one_way then
        tree:add_proto_expert_info(experts.unanswered)
    end
end

local function duration_text(seconds)
    if seconds < 0.001 then return format("%.0f us", seconds * 1e6) end
    if seconds < 1 then return format("%.2f ms", seconds * 1e3) end
    return format("%.3f s", seconds)
end

-- What Info says of a frame.
local function summary(connection, header, said, record, extra)
    local kind = header.kind_name or format("kind %d", header.kind)
    local words = { kind }
    if header.method ~= 0 then words[#words + 1] = (method_name(connection, header.method)) end
    if header.stream ~= 0 then words[#words + 1] = format("#%.0f", header.stream) end
    if kind == "HELLO" and said then words[#words + 1] = said.instance or said.node or "anonymous"
    elseif kind == "CLOSE" and said then words[#words + 1] = code_name(said.code)
    elseif kind == "ERROR" and said then words[#words + 1] = extra or code_name(said.code)
    elseif kind == "GOAWAY" and said then words[#words + 1] = format("after #%.0f", said.last_stream)
    elseif kind == "CREDIT" and said then words[#words + 1] = format("+%.0f", said.bytes)
    elseif kind == "DATA" and record then
        if record.announces then words[#words + 1] = format("announces %.0f bytes", record.announces)
        elseif record.index then words[#words + 1] = format("%s %d", record.part or "message", record.index)
        elseif header.more or header.continued then words[#words + 1] = "piece" end
    end
    local call = record and record.call
    if call and call.took and call.response_in == record.number then words[#words + 1] = "(" .. duration_text(call.took) .. ")" end
    if record and record.ping and record.ping.took and kind == "PONG" then words[#words + 1] = "(" .. duration_text(record.ping.took) .. ")" end
    if record and record.violations and record.violations[1] then words[#words + 1] = "[" .. record.violations[1].code .. "]" end
    return table.concat(words, " ")
end

-- What a payload says and how it stands to other frames; returns what was read of it.
local function show_payload(tree, header, payload, range)
    local kind, said = header.kind_name
    local data = reader(payload, range, "PROTOCOL_ERROR", "2.2")
    local fine, why = pcall(Payloads[kind], data, tree, header)
    if fine then said = why
    else
        if type(why) ~= "table" then error(why, 0) end
        show_violation(tree, why)
        if not OF_THE_CALL[why.code] then return nil, why end
        said = { refused = why, message = "" }
    end
    return said, not fine and why or nil
end

-- Notes that a rule is broken. A connection that is over, or isn't known from its start, is held to nothing more.
local function note(connection, record, why)
    if connection.broken then return end
    local costs_the_call = OF_THE_CALL[why.code]
    if connection.lenient and not record.intrinsic then return end
    record.violations = record.violations or {}
    table.insert(record.violations, why)
    if not costs_the_call then connection.broken = true end
end

-- Learns from a frame that is seen for the first time.
local function learn(connection, side, header, said, record, pinfo)
    record.at = pinfo.rel_ts
    local fine, why = pcall(hold, connection, side, header, said, record)
    if not fine then
        if type(why) ~= "table" then error(why, 0) end
        note(connection, record, why)
    end
end

-- SPEC 10.8: the reply of micronet.schema teaches the schema.
local function learn_schema(header, raw)
    if header.method ~= SCHEMA_METHOD or header.encoding ~= 1 then return end
    local message = setmetatable({ raw = raw, at = 1 }, Message)
    local fine, fingerprint, schema = pcall(function() return message:bytes(), message:bytes() end)
    if not fine or #fingerprint ~= 16 then return end
    local _, why = Schemas:learn(hex(fingerprint), schema)
    return why
end

-- What follows from a payload: its message by name, what it means for its call, and what is to be warned of. Returns the name of an
-- error of the service's own.
local Consequences = {}

local function message_of(record, said)
    if not record.together then return said.message or said.piece, said.message_range end
    return record.together, place_of(ByteArray.new(record.together, true):tvb("Message in pieces"), 0)
end

function Consequences.REQUEST(tree, _, connection, header, said, record)
    if said.refused then return end
    if record.announces then generated(tree, "message.length", record.announces)
    elseif header.fin then show_message(tree, connection, header, "request", said.message, said.message_range) end
end
Consequences.NOTICE = Consequences.REQUEST

function Consequences.REPLY(tree, _, connection, header, said, record)
    if not record.has_message then
        if #said.message > 0 then tree:add(by_name["message.piece"], said.message_range(0, #(said.piece or said.message))) end
        return
    end
    local raw, range = message_of(record, said)
    local why = learn_schema(header, raw)
    show_message(tree, connection, header, "reply", raw, range)
    if why then
        generated(tree, "violation", why.code):add(by_name["violation.clause"], why.clause):set_generated()
        tree:add_proto_expert_info(experts.malformed, format("The schema is malformed (SPEC %s): %s", why.clause, why.words))
    end
end

function Consequences.DATA(tree, _, connection, header, said, record)
    local part = record.part or PARTS[speaker_of(connection, record.side, header)]
    if record.has_message and part then
        local raw, range = message_of(record, said)
        show_message(tree, connection, header, part, raw, range)
        return
    end
    if #said.piece > 0 then tree:add(by_name["message.piece"], said.message_range(0, #(said.piece or said.message))) end
    if record.continued_in then generated(tree, "continued_in", record.continued_in) end
    if record.begun_before then tree:add_proto_expert_info(experts.cut, "The message began before the capture did") end
end

function Consequences.ERROR(tree, _, connection, header, said, record)
    local name = show_detail(tree, connection, header, said)
    if name then generated(tree, "error.name", name) end
    local words = (name or code_name(said.code)) .. (said.words ~= "" and ": " .. said.words or "")
    tree:add_proto_expert_info(experts.error, words)
    return name
end

function Consequences.GOAWAY(tree) tree:add_proto_expert_info(experts.goaway) end

function Consequences.CLOSE(tree, _, _, _, said, record)
    if said.code ~= 0 then
        tree:add_proto_expert_info(experts.close, code_name(said.code) .. (said.words ~= "" and ": " .. said.words or ""))
    end
    if (record.open_calls or 0) > 0 then
        tree:add_proto_expert_info(experts.unanswered, format("Calls that end without an answer: %d", record.open_calls))
    end
end

function Consequences.PING(tree, pinfo, _, _, _, record)
    local ping = record.ping
    if not ping then return end
    if record.missed then
        tree:add_proto_expert_info(experts.heartbeat, format("PINGs before this one without PONG: %d", record.missed))
    end
    if ping.pong then generated(tree, "pong_in", ping.pong)
    elseif pinfo.visited then tree:add_proto_expert_info(experts.unanswered) end
end

function Consequences.PONG(tree, _, _, _, _, record)
    if not record.ping then return end
    generated(tree, "ping_in", record.ping.number)
    generated(tree, "rtt", nstime(record.ping.took))
end

-- A whole frame, or as much of it as there is: its header is known to be one.
local function dissect_frame(tvb, offset, pinfo, root, connection, side, record)
    local header = header_of(tvb:raw(offset, HEADER_BYTES))
    local available = math.min(header.length, tvb:len() - offset - HEADER_BYTES)
    local range = tvb(offset, HEADER_BYTES + available)
    local tree = root:add(micronet, range, "micronet")
    local header_item = show_header(tree, range(0, HEADER_BYTES), header, connection)
    generated(header_item, "header_checksum.status", 1)
    if record.first_visit then
        record.header_wrong = nil
        local fine, why = pcall(check_header, header, payload_limit(connection, side))
        if not fine then
            if type(why) ~= "table" then error(why, 0) end
            record.header_wrong = why
            connection.broken = true
        end
    end
    if record.header_wrong then
        show_violation(tree, record.header_wrong)
        tree:append_text(": " .. summary(connection, header, nil, nil) .. " [" .. record.header_wrong.code .. "]")
        return header, summary(connection, header, nil, nil) .. " [" .. record.header_wrong.code .. "]"
    end
    local payload_range = tvb(offset + HEADER_BYTES, available)
    local payload = available > 0 and tvb:raw(offset + HEADER_BYTES, available) or ""
    if available < header.length then
        tree:add(by_name.payload, payload_range)
        tree:add_proto_expert_info(experts.cut, "The capture has only a part of this frame")
        return header, summary(connection, header, nil, nil) .. " (cut)"
    end
    local status = 2
    if header.checksum and micronet.prefs.checksums then status = crc32c(payload) == header.payload_checksum and 1 or 0 end
    generated(header_item, "payload_checksum.status", status)
    if status == 0 then
        show_violation(tree, { code = "CHECKSUM_MISMATCH", clause = "2.6", words = "the payload's checksum" })
        if available > 0 then tree:add(by_name.payload, payload_range) end
        connection.broken = true
        return header, summary(connection, header, nil, nil) .. " [CHECKSUM_MISMATCH]"
    end
    local item = available > 0 and tree:add(by_name.payload, payload_range) or tree
    local said, why = show_payload(item, header, payload, place_of(tvb, offset + HEADER_BYTES))
    if record.first_visit then
        if said then learn(connection, side, header, said, record, pinfo)
        elseif not connection.lenient then connection.broken = true end
    end
    if record.role then generated(tree, "from", record.role) end
    for _, violation in ipairs(record.violations or {}) do show_violation(tree, violation) end
    local extra
    local consequence = said and Consequences[header.kind_name]
    if consequence then extra = consequence(item, pinfo, connection, header, said, record) end
    show_call(tree, pinfo, record)
    local words = summary(connection, header, said, record, extra)
    if why then words = words .. " [" .. why.code .. "]" end
    tree:append_text(": " .. words)
    return header, words
end

-- ---- 10. What else speaks on the same port (SPEC 14, 15, 17) --------------------------------------------------------------------

local function hand_over(name, tvb, pinfo, root)
    local other = Dissector.get(name)
    return other and other:call(tvb, pinfo, root) or tvb:len()
end

local HTTP_METHODS = {
    GET = true, HEAD = true, POST = true, PUT = true, PATCH = true, DELETE = true, OPTIONS = true, CONNECT = true, TRACE = true,
}

local function is_http(raw)
    if raw:find("^HTTP/1%.%d ") then return true end
    local method = raw:match("^(%u+) [^ \r\n]+ HTTP/1%.")
    return method ~= nil and HTTP_METHODS[method] ~= nil
end

local TEXT_LINE_MAX = 8192
-- SPEC 17.3
local TEXT_COMMANDS = {
    HELP = true, METHODS = true, SCHEMA = true, CALL = true, STREAM = true, PING = true, HEALTH = true, STATS = true, WHO = true,
    LEDGER = true, DEADLINE = true, TOKEN = true, AUTH = true, TRACE = true, QUIT = true,
}

local function show_line(tree, range, line)
    local item = tree:add(by_name["text.line"], range, line)
    local answer, code = line:match("^([+-]%u+)"), line:match("^%-ERR ([%u%d_]+)")
    local command, rest = line:match("^(%a+)[ \t]*(.*)$")
    command = command and command:upper()
    if answer then
        generated(item, "text.answer", answer)
        if code then
            generated(item, "text.code", code)
            item:add_proto_expert_info(experts.error, line)
        end
    elseif command and TEXT_COMMANDS[command] then
        generated(item, "text.command", command)
        local method = (command == "CALL" or command == "STREAM") and rest:match("^[%w_.]+")
        if method then generated(item, "method.name", method) end
    end
end

-- SPEC 17.2, 17.4: lines both ways. One that isn't whole waits for its end.
local function dissect_text(tvb, pinfo, root)
    local raw = tvb:raw()
    local last = raw:match("^.*()\n") or 0
    if last < #raw and pinfo.can_desegment > 0 then
        pinfo.desegment_offset, pinfo.desegment_len = last, DESEGMENT_ONE_MORE_SEGMENT
        if last == 0 then return tvb:len() end
        raw = raw:sub(1, last)
    end
    pinfo.cols.protocol = "MICRONET"
    local tree = root:add(micronet, tvb(0, #raw), "micronet, text")
    local at, first = 1, nil
    while at <= #raw do
        local line_end = raw:find("\n", at, true) or #raw
        local line = raw:sub(at, line_end):gsub("[\r\n]+$", "")
        if line ~= "" then
            show_line(tree, tvb(at - 1, line_end - at + 1), line)
            first = first or line
        end
        at = line_end + 1
    end
    local shown = (first or ""):gsub("[^\32-\126]", "?"):sub(1, 120)
    pinfo.cols.info:set("text: " .. shown)
    tree:append_text(": " .. shown)
    return tvb:len()
end

-- ---- 11. Byte streams: where frames begin and end ----------------------------------------------------------------------------------

local function key_of(pinfo)
    local one, other = tostring(pinfo.src) .. ":" .. pinfo.src_port, tostring(pinfo.dst) .. ":" .. pinfo.dst_port
    return one < other and one .. "-" .. other or other .. "-" .. one, one, other
end

local function known_connection(pinfo)
    local key = key_of(pinfo)
    return Connections[key]
end

local function connection_of(pinfo)
    local key, from, to = key_of(pinfo)
    local connection = Connections[key]
    if not connection then
        connection = new_connection(pinfo.number)
        Connections[key] = connection
    end
    side_of(connection, to)
    return connection, side_of(connection, from), key
end

-- The record of the next unit of bytes in this packet: made when the packet is seen for the first time, found again later.
local function next_record(pinfo)
    local place = (tonumber(pinfo.private["micronet"] or "0") or 0) + 1
    local list = Records[pinfo.number]
    if pinfo.visited then return list and list[place], place end
    if not list then
        list = {}
        Records[pinfo.number] = list
    end
    return { number = pinfo.number, first_visit = true }, place, list
end

-- The unit was there whole: its record counts.
local function keep(pinfo, record, place, list)
    pinfo.private["micronet"] = tostring(place)
    if list then list[place] = record end
end

local INFO_MAX = 5

local function say(pinfo, words, place)
    pinfo.cols.protocol = "MICRONET"
    if place == 1 then pinfo.cols.info:set(words)
    elseif place <= INFO_MAX then pinfo.cols.info:append("; " .. words)
    elseif place == INFO_MAX + 1 then pinfo.cols.info:append("; …") end
end

-- Bytes that are no frame, up to where the next one begins or the end.
local function skip(tvb, offset, size, root, record)
    local range = tvb(offset, size)
    local tree = root:add(micronet, range, format("micronet: %d bytes that are no frame", size))
    tree:add(by_name.skipped, range)
    if record.wrong then show_violation(tree, record.wrong)
    else tree:add_proto_expert_info(experts.resync, "The capture begins or goes on in the middle of a frame") end
end

-- One unit from `offset` on. Returns how many bytes it has; or nothing, and how many more are wanted.
local function dissect_unit(tvb, offset, pinfo, root)
    local left = tvb:len() - offset
    local record, place, list = next_record(pinfo)
    local raw = tvb:raw(offset, math.min(left, HEADER_BYTES))
    local connection, side, key
    if record and record.first_visit then
        connection, side, key = connection_of(pinfo)
        record.connection, record.side = connection, side
    elseif record then connection, side = record.connection, record.side
    else return nil, DESEGMENT_ONE_MORE_SEGMENT end

    local function done(size, words)
        if record.first_visit then record.connection, record.side = connection, side end
        keep(pinfo, record, place, list)
        record.first_visit = nil
        say(pinfo, words, place)
        return size
    end

    -- The preface (SPEC 1.2) begins a connection, also where another one had the same addresses.
    if byte(raw) == 0x89 then
        if #raw < 8 and PREFACE:sub(1, #raw) == raw and pinfo.can_desegment > 0 then return nil, 8 - #raw end
        if record.first_visit then
            if side.greeted then
                Connections[key] = nil
                connection, side = connection_of(pinfo)
            end
            side.greeted, side.in_step = true, true
            connection.dialler = connection.dialler or side.endpoint
        end
        if raw:sub(1, 8) == PREFACE then
            root:add(micronet, tvb(offset, 8), "micronet: preface"):add(by_name.preface, tvb(offset, 8))
            return done(8, "preface")
        end
        if record.first_visit then connection.broken = true end
        local tree = root:add(micronet, tvb(offset, left), "micronet: no preface")
        show_violation(tree, { code = "PROTOCOL_ERROR", clause = "1.2", words = "something else than the preface" })
        return done(left, "no preface [PROTOCOL_ERROR]")
    end

    local want_more = pinfo.can_desegment > 0
    if #raw < HEADER_BYTES and side.in_step and want_more and record.first_visit then return nil, DESEGMENT_ONE_MORE_SEGMENT end
    if is_header(raw) and not record.skipped then
        local header = header_of(raw)
        local total = HEADER_BYTES + header.length
        if record.first_visit and not side.greeted then connection.lenient = true end
        if record.first_visit then
            -- What breaks the rules of headers ends the connection: its payload isn't waited for.
            if left < total and want_more and pcall(check_header, header, payload_limit(connection, side)) then
                return nil, total - left
            end
            side.in_step = true
        end
        local _, words = dissect_frame(tvb, offset, pinfo, root, connection, side, record)
        return done(math.min(left, total), words)
    end

    -- No frame begins here: the capture began later, has a gap, or something is broken.
    local rest = tvb:raw(offset, left)
    local found = find_header(rest, 2)
    local size = found and found - 1 or left
    if record.first_visit then
        record.skipped = true
        -- What has the outlines of a header is one that was changed; anything else follows on bytes that the capture lost.
        local outlined = raw:find("^[\0\1]......\0") or raw:find("^....[\1-\8\16-\22][\0-\15].\0")
        if side.greeted and side.in_step and not connection.broken and outlined then
            record.wrong = { code = "CHECKSUM_MISMATCH", clause = "2.3", words = "the header's checksum" }
        end
        connection.lenient, side.in_step = true, found ~= nil
    end
    skip(tvb, offset, size, root, record)
    return done(size, record.wrong and "no frame [CHECKSUM_MISMATCH]" or format("%d bytes that are no frame", size))
end

local function dissect_frames(tvb, pinfo, root)
    local offset, size = 0, tvb:len()
    while offset < size do
        local taken, wanted = dissect_unit(tvb, offset, pinfo, root)
        if not taken then
            if pinfo.can_desegment > 0 then
                pinfo.desegment_offset, pinfo.desegment_len = offset, wanted
            end
            return size
        end
        offset = offset + taken
    end
    return size
end

-- Whether a byte stream that isn't known yet is of this protocol: it begins with the preface, or has a whole header in it.
local function looks_like_frames(tvb)
    local raw = tvb:raw()
    if #raw >= 4 and raw:sub(1, math.min(#raw, 4)) == PREFACE:sub(1, 4) then return true end
    return #raw >= HEADER_BYTES and find_header(raw, 1) ~= nil
end

-- Other protocols have HELP, PING and QUIT too: what is a sign is a method that is named, or a verb that only this one has.
local function looks_like_text(raw)
    local command, rest = raw:match("^[\r\n]*(%a+)[ \t]*([^\r\n]*)")
    command = command and command:upper()
    if command == "METHODS" or command == "LEDGER" then return rest == "" end
    return (command == "CALL" or command == "STREAM" or command == "SCHEMA") and rest:find("^[%w_]+%.[%w_]+") ~= nil
end

local function dissect_tongue(tongue, raw, tvb, pinfo, root)
    if tongue == "text" and is_http(raw) then tongue = "http" end
    if tongue == "text" then return dissect_text(tvb, pinfo, root) end
    return hand_over(tongue, tvb, pinfo, root)
end

-- What a byte stream speaks besides frames, by its first bytes (SPEC 14.1, 15.2, 17.1); and whether more of them are wanted.
local function tongue_of(raw, size)
    if raw:find("^\22\3[\1-\4]") then return "tls" end
    if is_http(raw) then return "http" end
    if raw:find("^[\r\n]*%g[%g \t]*\r?\n") or looks_like_text(raw) then return "text" end
    return nil, size < TEXT_LINE_MAX and raw:find("^[%g \t\r\n]+$") ~= nil
end

-- Not called by way of `micronet.dissector`: that would be a dissector of its own, which may ask for less.
local function dissect(tvb, pinfo, root)
    if tvb:len() == 0 then return 0 end
    local known = known_connection(pinfo)
    local raw = tvb:raw(0, math.min(tvb:len(), 128))
    if known and known.tongue then return dissect_tongue(known.tongue, raw, tvb, pinfo, root) end
    if not known then
        local tongue, unsure = tongue_of(raw, tvb:len())
        if tongue then
            local connection = connection_of(pinfo)
            connection.tongue = tongue
            return dissect_tongue(tongue, raw, tvb, pinfo, root)
        elseif unsure and pinfo.can_desegment > 0 then
            pinfo.desegment_offset, pinfo.desegment_len = 0, DESEGMENT_ONE_MORE_SEGMENT
            return tvb:len()
        end
    end
    return dissect_frames(tvb, pinfo, root)
end

function micronet.dissector(tvb, pinfo, root) return dissect(tvb, pinfo, root) end

local function remember_tongue(pinfo, tongue)
    local connection = connection_of(pinfo)
    connection.tongue = tongue
end

-- On any TCP port.
local function heuristic_in_tcp(tvb, pinfo, root)
    if tvb:len() == 0 then return false end
    if not looks_like_frames(tvb) then
        local raw = tvb:raw(0, math.min(tvb:len(), 128))
        if is_http(raw) or not looks_like_text(raw) then return false end
        remember_tongue(pinfo, "text")
    end
    pinfo.conversation = micronet
    dissect(tvb, pinfo, root)
    return true
end

-- In TLS: its dissector asks for each of its records.
local function heuristic_in_tls(tvb, pinfo, root)
    if tvb:len() == 0 then return false end
    local key = "tls " .. key_of(pinfo)
    if not Connections[key] then
        local raw = tvb:raw(0, math.min(tvb:len(), 128))
        if looks_like_frames(tvb) then Connections[key] = dissect_frames
        elseif looks_like_text(raw) and not is_http(raw) then Connections[key] = dissect_text
        else return false end
    end
    Connections[key](tvb, pinfo, root)
    return true
end

micronet:register_heuristic("tcp", heuristic_in_tcp)
micronet:register_heuristic("tls", heuristic_in_tls)
DissectorTable.get("tcp.port"):add_for_decode_as(micronet)
DissectorTable.get("tls.port"):add_for_decode_as(micronet)

-- ---- 12. Statistics: calls by method, and how long they took -------------------------------------------------------------------

function Statistics:of(call)
    local name = method_name(call.connection, call.method)
    local row = self.methods[name]
    if not row then
        row = { name = name, calls = 0, answered = 0, errors = 0, sum = 0, least = math.huge, most = 0 }
        self.methods[name] = row
    end
    return row
end

function Statistics:began(call)
    self.open = self.open or {}
    self.open[#self.open + 1] = call
end


-- The rows of the table, by method.
function Statistics:rows()
    self.methods = {}
    for _, call in ipairs(self.open or {}) do
        local row = self:of(call)
        row.calls = row.calls + 1
        if call.ending then
            row.answered = row.answered + 1
            if call.ending ~= "OK" then row.errors = row.errors + 1 end
            row.sum, row.least, row.most = row.sum + call.took, math.min(row.least, call.took), math.max(row.most, call.took)
        end
    end
    local rows = {}
    for _, row in pairs(self.methods) do rows[#rows + 1] = row end
    table.sort(rows, function(one, other) return is_before(one.name, other.name) end)
    return rows
end

function Statistics:text()
    local line = "%-40s %9s %9s %9s %12s %12s %12s"
    local lines = { format(line, "Method", "Calls", "Answered", "Errors", "Min (ms)", "Mean (ms)", "Max (ms)") }
    for _, row in ipairs(self:rows()) do
        local function ms(value) return row.answered > 0 and format("%.3f", value * 1000) or "-" end
        lines[#lines + 1] = format(line, row.name, format("%d", row.calls), format("%d", row.answered), format("%d", row.errors),
            ms(row.least), ms(row.sum / math.max(row.answered, 1)), ms(row.most))
    end
    return table.concat(lines, "\n") .. "\n"
end

local tap

function micronet.init()
    Connections, Records = {}, {}
    Statistics.open = nil
    Schemas:clear()
    Schemas:load()
    if micronet.prefs.statistics and not tap and not gui_enabled() then
        tap = Listener.new("frame", "micronet")
        function tap.packet() end
        function tap.reset() end
        function tap.draw() print("\n== micronet: calls by method\n" .. Statistics:text()) end
    end
end

if gui_enabled() then
    register_menu("micronet/Calls by method", function()
        local window = TextWindow.new("micronet: calls by method")
        retap_packets()
        window:set(Statistics:text())
    end, MENU_STAT_UNSORTED)
end
