//! Times, shares and rates as people write them.

/// Reads a time, as `250us`, `5ms` or `1s`, in microseconds.
pub(super) fn time_us(text: &str) -> Result<u64, String> {
    read(text, &[("us", 1), ("ms", 1_000), ("s", 1_000_000)])
        .filter(|us| *us <= 60_000_000)
        .ok_or_else(|| format!("{text:?} is no time: write 250us, 5ms or 1.5s, up to 60s"))
}

/// Reads a share, as `0.5%`, in thousandths.
pub(super) fn permille(text: &str) -> Result<u32, String> {
    read(text, &[("%", 10)])
        .and_then(|permille| u32::try_from(permille).ok())
        .filter(|permille| *permille < 1_000)
        .ok_or_else(|| format!("{text:?} is no share: write 0.5% or 10%, in tenths of a percent, below 100%"))
}

/// Reads a rate, as `10MB/s` or `100Mbit/s`, in bytes a second.
pub(super) fn bytes_per_s(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 8] = [
        ("kbit/s", 125),
        ("Mbit/s", 125_000),
        ("Gbit/s", 125_000_000),
        ("kB/s", 1_000),
        ("KB/s", 1_000),
        ("MB/s", 1_000_000),
        ("GB/s", 1_000_000_000),
        ("B/s", 1),
    ];
    read(text, &UNITS)
        .filter(|rate| (1_000..=100_000_000_000).contains(rate))
        .ok_or_else(|| format!("{text:?} is no rate: write 500kB/s, 10MB/s or 100Mbit/s, from 1kB/s"))
}

/// A decimal number times the value of its unit, where that is whole.
fn read(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) =
        units.iter().find_map(|(unit, value)| Some((text.strip_suffix(unit)?.trim(), *value)))?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || decimals.len() > 6 || !is_number(whole) || !is_number(decimals) {
        return None;
    }
    let scale = 10_u64.pow(u32::try_from(decimals.len()).ok()?);
    let decimals: u64 = if decimals.is_empty() { 0 } else { decimals.parse().ok()? };
    let scaled = whole.parse::<u64>().ok()?.checked_mul(scale)?.checked_add(decimals)?.checked_mul(unit)?;
    (scaled % scale == 0).then_some(scaled / scale)
}

/// A time, as short as it can be written.
pub(super) fn time(us: u64) -> String {
    match us {
        0 => "0".to_owned(),
        _ if us.is_multiple_of(1_000_000) => format!("{}s", us / 1_000_000),
        _ if us.is_multiple_of(1_000) => format!("{}ms", us / 1_000),
        _ if us > 1_000 => format!("{}.{:03}ms", us / 1_000, us % 1_000),
        _ => format!("{us}us"),
    }
}

/// A share in percent.
pub(super) fn percent(permille: u32) -> String {
    if permille.is_multiple_of(10) {
        format!("{}%", permille / 10)
    } else {
        format!("{}.{}%", permille / 10, permille % 10)
    }
}

/// A rate, as short as it can be written.
pub(super) fn rate(bytes_per_s: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB/s", 1_000_000_000), ("MB/s", 1_000_000), ("kB/s", 1_000)];
    let unit =
        UNITS.into_iter().find(|(_, value)| bytes_per_s >= *value && bytes_per_s.is_multiple_of(value / 100));
    match unit {
        Some((unit, value)) => {
            let text = format!("{}.{:02}", bytes_per_s / value, bytes_per_s % value / (value / 100));
            format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
        }
        None => format!("{bytes_per_s}B/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read_and_written_again() {
        for (text, us) in [("5ms", 5_000), ("1.5ms", 1_500), ("250us", 250), ("2 s", 2_000_000), ("0ms", 0)] {
            assert_eq!(time_us(text), Ok(us), "{text}");
        }
        for text in
            ["5", "ms", "-1ms", "1.0005us", "1e3ms", "61s", ".5ms", "99999999999999999999s", "5 minutes", ""]
        {
            assert!(time_us(text).is_err(), "{text}");
        }
        for (text, share) in [("0.5%", 5), ("10%", 100), ("0%", 0), ("99.9%", 999)] {
            assert_eq!(permille(text), Ok(share), "{text}");
        }
        for text in ["0.05%", "100%", "5", "50 %%", "-1%"] {
            assert!(permille(text).is_err(), "{text}");
        }
        for (text, rate) in
            [("10MB/s", 10_000_000), ("100Mbit/s", 12_500_000), ("1.5kB/s", 1_500), ("1000B/s", 1_000)]
        {
            assert_eq!(bytes_per_s(text), Ok(rate), "{text}");
        }
        for text in ["10MB", "999B/s", "0MB/s", "101GB/s", "fast"] {
            assert!(bytes_per_s(text).is_err(), "{text}");
        }
        assert_eq!([0, 250, 1_500, 5_000, 2_000_000].map(time), ["0", "250us", "1.500ms", "5ms", "2s"]);
        assert_eq!([5, 10, 999].map(percent), ["0.5%", "1%", "99.9%"]);
        let rates = [1_500, 12_500_000, 10_000_000, 1_234_567, 100_000].map(rate);
        assert_eq!(rates, ["1.5kB/s", "12.5MB/s", "10MB/s", "1234567B/s", "100kB/s"]);
    }
}
