//! `/proc/PID/stat` (proc(5)): what Linux tells of a process in one line.

use std::time::Duration;

/// User and system time of all threads, also of those that have ended: fields 14 and 15.
pub(crate) fn times(stat: &str, ticks_per_s: u64) -> Option<(Duration, Duration)> {
    let time = |field| Some(Duration::from_secs_f64(number(stat, field)? as f64 / ticks_per_s.max(1) as f64));
    Some((time(14)?, time(15)?))
}

/// The pages that are in RAM: field 24.
pub(crate) fn resident_pages(stat: &str) -> Option<u64> {
    number(stat, 24)
}

/// A field by its number in proc(5), counted behind the name, which may hold anything: the third is the first behind it.
fn number(stat: &str, field: usize) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(field.checked_sub(3)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_shows_is_read() {
        let stat =
            "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 1 0 1 1000 77 18446744073709551615 1";
        assert_eq!(times(stat, 100), Some((Duration::from_millis(2_500), Duration::from_millis(500))));
        assert_eq!(resident_pages(stat), Some(77));
        for short in ["7 (a) S 1", ""] {
            assert_eq!((times(short, 100), resident_pages(short)), (None, None));
        }
    }
}
