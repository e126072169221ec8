//! Copies of frames without what is secret in them: fields that the schema calls so (SPEC.md 10.9), proofs, and credentials in metadata.
//! What nobody here can look into, since its schema isn't known or it is a piece of a longer message, is masked whole where it may
//! hold secrets.

use bytes::Bytes;
use micronet_wire::encoding::ENCODING_ID;
use micronet_wire::error::Code;
use micronet_wire::header::{Header, Kind, flags};
use micronet_wire::ledger::Ledger;
use micronet_wire::limits::HEADER_BYTES;
use micronet_wire::request::RequestHead;
use micronet_wire::schema::{EncodedSchema, Method, TypeRef};
use micronet_wire::transcode;

/// Words in the keys of metadata whose values are credentials.
const CREDENTIALS: [&str; 6] = ["authorization", "cookie", "token", "secret", "password", "key"];

/// Where the words of an error begin: after its ledger, code, fault, advice and delay (SPEC.md 8.1).
const ERROR_WORDS: usize = Ledger::BYTES + 8;

/// A frame without its secrets, as long as before, with the checksums of what is left. `schema` is that of its method, where it is known.
pub(super) fn masked(
    header: &Header,
    frame: &[u8],
    schema: Option<&EncodedSchema>,
    method: Option<&Method>,
    by_dialler: bool,
) -> Vec<u8> {
    let mut copy = frame.to_vec();
    let (head, payload) = copy.split_at_mut(HEADER_BYTES);
    let known = schema.zip(method).filter(|_| header.encoding == ENCODING_ID);
    let said = known.map(|(schema, method)| (schema, if by_dialler { method.request } else { method.reply }));
    match header.kind {
        Kind::Proof => payload.iter_mut().skip(1).for_each(|byte| *byte = 0),
        Kind::Request | Kind::Notice => mask_request(header, payload, said),
        Kind::Reply => mask_message(header, payload.get_mut(Ledger::BYTES..), said),
        Kind::Data => mask_data(header, payload, said),
        Kind::Error => mask_error(payload, known),
        _ => {}
    }
    head.copy_from_slice(&header.of_payload(payload).encode());
    copy
}

/// A message's type in its schema.
type Of<'a> = Option<(&'a EncodedSchema, TypeRef)>;

/// A whole message, or the last piece of one.
fn mask_message(header: &Header, message: Option<&mut [u8]>, of: Of<'_>) {
    let Some(message) = message else { return };
    match of {
        Some((schema, of)) if header.flags & flags::CONTINUED == 0 => {
            if !message.is_empty() {
                transcode::mask(schema, of, message);
            }
        }
        of => mask_piece(message, of),
    }
}

fn mask_piece(piece: &mut [u8], of: Of<'_>) {
    if of.is_none_or(|(schema, of)| schema.has_secrets(of)) {
        piece.fill(0);
    }
}

fn mask_data(header: &Header, payload: &mut [u8], of: Of<'_>) {
    match header.flags & (flags::MORE | flags::CONTINUED) {
        0 => mask_message(header, Some(payload), of),
        // SPEC 4.3: the length of the message stands before its first piece.
        flags::MORE => mask_piece(payload.get_mut(4..).unwrap_or_default(), of),
        _ => mask_piece(payload, of),
    }
}

fn mask_request(header: &Header, payload: &mut [u8], of: Of<'_>) {
    let Ok((head, message)) = RequestHead::decode(Bytes::copy_from_slice(payload)) else {
        return payload.fill(0);
    };
    let (said, body) = payload.split_at_mut(payload.len() - message.len());
    let is_credential = |key: &str| CREDENTIALS.iter().any(|word| key.contains(word));
    for (key, value) in head.metadata.iter().filter(|(key, value)| is_credential(key) && !value.is_empty()) {
        // A value has no control characters (SPEC 6.6): so it is stars, and not zeros.
        let pair =
            [key.as_bytes(), &u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes(), value.as_bytes()]
                .concat();
        if let Some(at) = said.windows(pair.len()).position(|window| window == pair) {
            said[at + key.len() + 2..at + pair.len()].fill(b'*');
        }
    }
    // SPEC 4.2: without END there is no message here, but the length of one at most.
    if header.flags & flags::END != 0 {
        mask_message(header, Some(body), of);
    }
}

/// SPEC 8.1: a service's own error is a message; the details of others say what was wrong with a request.
fn mask_error(payload: &mut [u8], known: Option<(&EncodedSchema, &Method)>) {
    let number = |at: usize| payload.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]));
    let (Some(code), Some(words)) = (number(Ledger::BYTES), number(ERROR_WORDS)) else {
        return payload.fill(0);
    };
    if code != Code::Application as u16 {
        return;
    }
    let Some(detail) = payload.get_mut(ERROR_WORDS + 2 + usize::from(words)..) else { return };
    match known.and_then(|(schema, method)| Some((schema, method.error?))) {
        _ if detail.is_empty() => {}
        Some((schema, of)) => transcode::mask(schema, of, detail),
        None => detail.fill(0),
    }
}
