//! Bytes from hexadecimal text: plain, with spaces, colons or commas between, or as xxd, `hexdump -C`, and tshark write it.

/// Reads all lines of a text.
pub(super) fn read(text: &str) -> Result<Vec<u8>, String> {
    let is_canonical = text.lines().any(|line| line.trim_end().ends_with('|') && offset(line).is_some());
    let mut bytes = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let digits = match offset(line) {
            // `hexdump -C` ends with the length alone.
            _ if is_canonical && !line.contains('|') => continue,
            Some(rest) => rest,
            None => line,
        };
        push(digits, &mut bytes).map_err(|why| format!("line {number}: {why}"))?;
    }
    if bytes.is_empty() { Err("there are no bytes in it".into()) } else { Ok(bytes) }
}

/// What stands between the offset and the characters of a line that has an offset.
fn offset(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let digits = line.bytes().take_while(u8::is_ascii_hexdigit).count();
    let (offset, rest) = line.split_at(digits);
    if !(4..=16).contains(&offset.len()) {
        return None;
    }
    let rest = rest.strip_prefix(": ").or_else(|| rest.strip_prefix("  "))?;
    match rest.find('|') {
        Some(end) => Some(&rest[..end]),
        None => Some(rest.split("  ").next().unwrap_or(rest)),
    }
}

fn push(digits: &str, bytes: &mut Vec<u8>) -> Result<(), String> {
    for word in digits.split(|c: char| c.is_whitespace() || matches!(c, ':' | ',' | '-')) {
        let word = word.strip_prefix("0x").or_else(|| word.strip_prefix("\\x")).unwrap_or(word);
        let word = word.replace("\\x", "");
        if !word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("{word:?} is not hexadecimal"));
        }
        if word.len() % 2 != 0 {
            return Err(format!("{word:?} ends within a byte"));
        }
        for pair in word.as_bytes().chunks(2) {
            let pair = std::str::from_utf8(pair).map_err(|error| error.to_string())?;
            bytes.push(u8::from_str_radix(pair, 16).map_err(|error| error.to_string())?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_in_every_form() {
        let preface = [0x89, 0x4d, 0x4e, 0x50, 0x0d, 0x0a, 0x1a, 0x01];
        let forms = [
            "894d4e500d0a1a01",
            "89 4D 4E 50 0D 0A 1A 01",
            "89:4d:4e:50:0d:0a:1a:01\n",
            "0x89, 0x4d, 0x4e, 0x50, 0x0d, 0x0a, 0x1a, 0x01",
            r"\x89\x4d\x4e\x50\x0d\x0a\x1a\x01",
            "00000000: 894d 4e50 0d0a 1a01                      .MNP....\n",
            "00000000  89 4d 4e 50 0d 0a 1a 01                           |.MNP....|\n00000008\n",
            "0000  89 4d 4e 50 0d 0a 1a 01   .MNP....\n",
            "894d4e50\n0d0a1a01\n",
        ];
        for form in forms {
            assert_eq!(read(form).as_deref(), Ok(&preface[..]), "{form}");
        }
        let long =
            "00000000  89 4d 4e 50 0d 0a 1a 01  89 4d 4e 50 0d 0a 1a 01  |.MNP.....MNP....|\n00000010\n";
        assert_eq!(read(long), Ok([preface, preface].concat()));
        for wrong in ["", "  \n", "89 4", "hello", "894d4e5"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
