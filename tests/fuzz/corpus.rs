//! What the targets start from: the vectors of proto-spec, and what was written here by hand.

use bytes::{Buf, BytesMut};
use micronet_tests::random::Random;
use micronet_tests::spec::{self, unhex};
use micronet_wire::frame::Frame;
use micronet_wire::header::PREFACE;
use micronet_wire::limits::FRAME_PAYLOAD_BYTES_MAX;
use micronet_wire::transcode::to_binary;
use serde_json::Value;

use crate::connection::{METHOD, RECORD_BYTES, WORDS, choice, deed};
use crate::sample;

/// Vectors longer than this are left out: they test a limit, and would only be slow here.
const VECTOR_BYTES_MAX: usize = 4 << 10;

fn cases(file: &str) -> Vec<Value> {
    match spec::vectors(file)["cases"].take() {
        Value::Array(cases) => cases,
        other => panic!("{file}.json has the cases {other}"),
    }
}

fn hex_of(value: &Value) -> Vec<u8> {
    unhex(value["hex"].as_str().unwrap())
}

/// The bytes of all cases of a file.
fn vectors(file: &str) -> Vec<Vec<u8>> {
    let all = cases(file).iter().map(hex_of).collect::<Vec<_>>();
    all.into_iter().filter(|bytes| bytes.len() <= VECTOR_BYTES_MAX).collect()
}

/// The same inputs, each with these bytes before it.
fn after(choices: &[u8], inputs: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    inputs.into_iter().map(|input| [choices, &input].concat()).collect()
}

pub(crate) fn headers() -> Vec<Vec<u8>> {
    vectors("header")
}

pub(crate) fn frames() -> Vec<Vec<u8>> {
    let all = vectors("frames");
    let together = all[..14].concat();
    after(&[4], [all, vec![together]].concat())
}

pub(crate) fn hellos() -> Vec<Vec<u8>> {
    vectors("hello")
}

pub(crate) fn request_heads() -> Vec<Vec<u8>> {
    vectors("request")
}

/// The payloads of frames, and those of errors.
pub(crate) fn payloads() -> Vec<Vec<u8>> {
    let of_frames = vectors("frames").into_iter().map(|frame| frame[24..].to_vec()).collect();
    [vectors("error"), of_frames].concat()
}

pub(crate) fn schemas() -> Vec<Vec<u8>> {
    [vectors("schema"), sample::encoded()].concat()
}

/// Both directions of all transcripts, as they are and as records.
pub(crate) fn connections() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for case in cases("transcript") {
        for (by, role) in [("dialler", 0), ("acceptor", choice::DIALLER)] {
            let steps = case["steps"].as_array().unwrap().iter().filter(|step| step["by"] == by);
            let bytes = steps.map(hex_of).collect::<Vec<_>>().concat();
            if bytes.is_empty() || bytes.len() > VECTOR_BYTES_MAX {
                continue;
            }
            seeds.push([&[role | choice::REPAIRED, 3], &bytes[..]].concat());
            seeds.push([&[role | choice::GREETED | choice::RECORDS, 3], &records(&bytes)[..]].concat());
        }
    }
    // More calls than are taken.
    for kind in [16, 22] {
        let calls = (1..8).flat_map(|stream| [kind, 3, stream, 1, 6, 0, 4, 0, 0, 0xFF, 0]);
        seeds.push([choice::GREETED | choice::RECORDS, 3].into_iter().chain(calls).collect());
    }
    // What both applications do, and peers that answer.
    let deeds = [
        &WORDS[0..2],
        &WORDS[7..14],
        &[WORDS[7], WORDS[2], WORDS[7], WORDS[8]],
        &[WORDS[0], WORDS[9], WORDS[1], WORDS[9], WORDS[4]],
        &[WORDS[0], WORDS[1], WORDS[12], WORDS[12]],
        &[WORDS[0], WORDS[1], WORDS[13], WORDS[9], WORDS[9]],
        &[WORDS[7], WORDS[5], WORDS[2], WORDS[6]],
        &[WORDS[1]; 6],
    ];
    for words in deeds {
        for choices in
            [choice::GREETED | choice::RECORDS, choice::GREETED | choice::RECORDS | choice::DIALLER]
        {
            seeds.push([&[choices, 1], &words.concat()[..]].concat());
            seeds.push([&[choices | choice::NO_CHECKSUMS, 1], &words.concat()[..]].concat());
        }
    }
    seeds
}

/// Frames as records, as far as they can be.
fn records(bytes: &[u8]) -> Vec<u8> {
    let mut input = BytesMut::from(bytes);
    if input.starts_with(&PREFACE) {
        input.advance(PREFACE.len());
    }
    let mut out = Vec::new();
    while let Ok(Some(Frame { header, payload })) = Frame::take(&mut input, FRAME_PAYLOAD_BYTES_MAX) {
        let (Ok(stream), Ok(length)) = (u8::try_from(header.stream), u8::try_from(payload.len())) else {
            continue;
        };
        if header.kind as u8 == 1 {
            continue; // The connection is greeted.
        }
        let method = u8::from(header.method == METHOD) + 2 * u8::from(![0, METHOD].contains(&header.method));
        out.extend([header.kind as u8, header.flags, stream, method, length]);
        out.extend(payload);
        // Something happens between frames.
        let between: [u8; RECORD_BYTES] = [deed::ALL[out.len() % deed::ALL.len()], 30, 0, 0, 0];
        out.extend(between);
    }
    out
}

/// Values of every type of every schema as JSON, after the bytes that choose the type.
pub(crate) fn json() -> Vec<Vec<u8>> {
    let mut random = Random::new(0);
    let mut seeds = Vec::new();
    for (which, schema) in (0_u8..).zip(sample::schemas()) {
        for (of, _) in (0_u8..=254).zip(&schema.schema().types) {
            let text = sample::json(schema.schema(), of.into(), &mut random);
            seeds.push([&[which, of], text.as_bytes()].concat());
        }
    }
    seeds
}

/// The same as messages.
pub(crate) fn messages() -> Vec<Vec<u8>> {
    let packed = |seed: &Vec<u8>| {
        let mut out = BytesMut::new();
        // Messages may break constraints; and a few samples are of the right type but not in its range.
        let schema = sample::unconstrained(sample::schemas()[usize::from(seed[0])].schema());
        to_binary(&schema, seed[1].into(), &seed[2..], &[], &mut out).ok()?;
        Some([&seed[..2], &out].concat())
    };
    let seeds: Vec<_> = json().iter().filter_map(packed).collect();
    assert!(seeds.len() > 100, "most samples are messages");
    seeds
}

pub(crate) fn http_requests() -> Vec<Vec<u8>> {
    let requests = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a%20b?c=d&e HTTP/1.1\r\nHost: a:80\r\nX: y\r\nConnection: close\r\n\r\n",
        "POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: b\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n0\r\nT: u\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
        "HEAD http://a.b/c HTTP/1.1\r\nHost: a.b\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\nCookie: a=b; c=\"d\"\r\nAccept: */*\r\n\r\n",
    ];
    after(&[6], requests.map(|request| request.as_bytes().to_vec()).to_vec())
}

pub(crate) fn http_responses() -> Vec<Vec<u8>> {
    let responses = [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nto the end",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n",
    ];
    [0b0001, 0b0011, 0b0101, 0b1011]
        .iter()
        .flat_map(|requests| after(&[5, *requests], responses.map(|text| text.as_bytes().to_vec()).to_vec()))
        .collect()
}
