//! Making other inputs of good ones.

use micronet_tests::random::Random;

/// Inputs grow no longer than this, in bytes.
const BYTES_MAX: usize = 8 << 10;

/// Numbers at which something changes, as they stand in binary formats.
pub(crate) const NUMBERS: &[&[u8]] = &[
    &[0, 0],
    &[0xFF, 0xFF],
    &[0, 0, 0, 0],
    &[0xFF, 0xFF, 0xFF, 0xFF],
    &[0xFF, 0xFF, 0xFF, 0xFE],
    &[0x7F, 0xFF, 0xFF, 0xFF],
    &[0x80, 0, 0, 0],
    &[0, 0x20, 0, 0],
    &[0, 0x20, 0, 1],
    &[0x80, 0x0A],
    &[0xFA],
    &[0xFB, 0xFB, 0],
    &[0xFC, 0, 0, 1, 0],
    &[0xFD, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
    &[0xFD, 0, 0, 0, 0, 0, 0, 0, 0x80],
    &[0xFE],
];

/// Bytes at which something changes.
const BYTES: &[u8] = &[0, 1, 2, 3, 4, 7, 8, 15, 16, 22, 0x20, 0x7F, 0x80, 0x81, 250, 251, 254, 255];

/// Another input, from one or two of the corpus.
pub(crate) fn mutated(corpus: &[Vec<u8>], words: &[&[u8]], random: &mut Random) -> Vec<u8> {
    // What was found last leads on more often.
    let from = if random.percent(30) { corpus.len() - corpus.len().div_ceil(8) } else { 0 };
    let mut input = random.pick(&corpus[from..]).clone();
    if random.percent(15) {
        let other: &Vec<u8> = random.pick(corpus);
        splice(&mut input, other, random);
    }
    for _ in 0..1 << random.below(4) {
        change(&mut input, words, random);
    }
    input.truncate(BYTES_MAX);
    input
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// A place in the input, also its end.
fn place(input: &[u8], random: &mut Random) -> usize {
    size(random.below(input.len() as u64 + 1))
}

fn word<'a>(words: &[&'a [u8]], random: &mut Random) -> &'a [u8] {
    let chosen: &&[u8] = random.pick(words);
    chosen
}

/// The beginning of one, the end of the other.
fn splice(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let (at, from) = (place(input, random), place(other, random));
    input.truncate(at);
    input.extend_from_slice(&other[from..]);
}

fn change(input: &mut Vec<u8>, words: &[&[u8]], random: &mut Random) {
    let at = place(input, random);
    let length = size(random.below(16)).min(input.len() - at);
    match random.below(12) {
        0 | 1 => put(input, at, &[*random.pick(BYTES)]),
        2 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        3 => {
            if let Some(byte) = input.get_mut(at) {
                let step = random.between(1, 4).to_le_bytes()[0];
                *byte = if random.percent(50) { byte.wrapping_add(step) } else { byte.wrapping_sub(step) };
            }
        }
        4 => put(input, at, word(words, random)),
        5 => insert(input, at, word(words, random)),
        6 => {
            input.drain(at..at + length);
        }
        7 => {
            let copied = input[at..at + length].to_vec();
            let to = place(input, random);
            insert(input, to, &copied.repeat(size(random.between(1, 3))));
        }
        8 => {
            let bytes = random.bits().to_le_bytes();
            insert(input, at, &bytes[..size(random.between(1, 8))]);
        }
        9 if random.percent(20) => input.truncate(at),
        10 => say_again(input, at),
        // Digits are what changes the meaning of text.
        _ => {
            if let Some(digit) = input[at..].iter_mut().find(|byte| byte.is_ascii_digit()) {
                *digit = *random.pick(b"0123456789");
            }
        }
    }
}

/// Repeats what stands between two separators of a text: a header, a field, an entry.
fn say_again(input: &mut Vec<u8>, at: usize) {
    let separates = |byte: &u8| b"\n,;&{[]}".contains(byte);
    let start = input[..at].iter().rposition(separates).unwrap_or(0);
    let Some(length) = input[start..].iter().skip(1).position(separates) else { return };
    let end = start + 1 + length;
    let mut part = input[start..end].to_vec();
    if let Some(opening @ (b'{' | b'[')) = part.first_mut() {
        *opening = b',';
    }
    insert(input, end, &part);
}

/// Writes over what is there.
fn put(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = (at + bytes.len()).min(input.len());
    input.splice(at..end, bytes.iter().copied());
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    input.splice(at..at, bytes.iter().copied());
}
