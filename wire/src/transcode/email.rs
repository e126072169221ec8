//! What an e-mail address looks like: HTML's rule for `<input type="email">`
//! (<https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address>), and the lengths of RFC 5321 section 4.5.3.1.

/// The longest address, in bytes: a path of RFC 5321 has 256 with its angle brackets.
const ADDRESS_BYTES_MAX: usize = 254;
/// The longest part before the `@`, in bytes.
const LOCAL_BYTES_MAX: usize = 64;
/// The longest part of a domain between dots, in bytes (RFC 1034 section 3.5).
const LABEL_BYTES_MAX: usize = 63;

/// Whether a text looks like an e-mail address.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    text.len() <= ADDRESS_BYTES_MAX
        && (1..=LOCAL_BYTES_MAX).contains(&local.len())
        && local.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte))
        && domain.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_others() {
        let label = "a".repeat(LABEL_BYTES_MAX);
        let longest = format!("{}@{label}.{label}.{}", "b".repeat(LOCAL_BYTES_MAX), "c".repeat(61));
        assert_eq!(longest.len(), ADDRESS_BYTES_MAX);
        for good in ["a@b", "ann.o'neill+toys@example.co.uk", "!#$%&'*+/=?^_`{|}~-@1-2.x", longest.as_str()] {
            assert!(is_email(good), "{good}");
        }
        let bad = [
            "", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@b c", "a@-b", "a@b-", "a@b..c", "a@.b", "ä@b",
            "a@ö",
        ];
        for bad in bad {
            assert!(!is_email(bad), "{bad}");
        }
        assert!(!is_email(&format!("{longest}c")));
        assert!(!is_email(&format!("{}@b", "a".repeat(LOCAL_BYTES_MAX + 1))));
        assert!(!is_email(&format!("a@{label}a")));
    }
}
