//! The Date header's value, from seconds that the caller hands in.

use std::cell::Cell;
use std::fmt;

/// A date in the form that HTTP wants, IMF-fixdate (RFC 9110 section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// It changes once a second: each thread formats it then, and copies it into each response.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HttpDate([u8; 29]);

/// 9999-12-31 23:59:59, the last second that four digits can say.
const UNIX_S_MAX: u64 = 253_402_300_799;

const SECONDS_A_DAY: u64 = 86_400;

impl HttpDate {
    /// The date of this many seconds since 1970-01-01 00:00:00 UTC; after the year 9999, its last second.
    #[must_use]
    pub fn from_unix_s(unix_s: u64) -> Self {
        thread_local! {
            static LAST: Cell<(u64, HttpDate)> = Cell::new((0, HttpDate::format(0)));
        }
        let (second, date) = LAST.get();
        if second == unix_s {
            return date;
        }
        let date = Self::format(unix_s);
        LAST.set((unix_s, date));
        date
    }

    fn format(unix_s: u64) -> Self {
        const WEEKDAYS: &[u8; 21] = b"ThuFriSatSunMonTueWed"; // 1970-01-01 was a Thursday
        const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
        let unix_s = unix_s.min(UNIX_S_MAX);
        let (days, second) = (unix_s / SECONDS_A_DAY, unix_s % SECONDS_A_DAY);
        let (year, month, day) = civil(days);
        let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
        text[..3].copy_from_slice(three(WEEKDAYS, days % 7));
        put_two(&mut text[5..7], day);
        text[8..11].copy_from_slice(three(MONTHS, month - 1));
        put_two(&mut text[12..14], year / 100);
        put_two(&mut text[14..16], year % 100);
        put_two(&mut text[17..19], second / 3600);
        put_two(&mut text[20..22], second / 60 % 60);
        put_two(&mut text[23..25], second % 60);
        HttpDate(text)
    }

    /// The date as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl AsRef<[u8]> for HttpDate {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpDate({self})")
    }
}

impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Year, month (1 to 12) and day (1 to 31) of a day counted from 1970-01-01.
///
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`, for days that are not negative.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since 0000-03-01, so that the leap day is a year's last
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The `index`-th name of three letters.
fn three(names: &'static [u8], index: u64) -> &'static [u8] {
    let start = usize::try_from(index).unwrap_or(0) * 3;
    &names[start..start + 3]
}

fn put_two(place: &mut [u8], number: u64) {
    let digits = u8::try_from(number % 100).unwrap_or(0);
    place[0] = b'0' + digits / 10;
    place[1] = b'0' + digits % 10;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_formatted_as_imf_fixdate() {
        // Each checked with `date -u -d @N`.
        for (unix_s, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
            (UNIX_S_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(HttpDate::from_unix_s(unix_s).as_str(), expected, "{unix_s}");
        }
    }
}
