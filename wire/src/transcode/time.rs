//! Timestamps as RFC 3339 text, in the years 0000 to 9999 of the proleptic Gregorian calendar.
//!
//! The conversions between days and dates are Howard Hinnant's (`days_from_civil`, `civil_from_days`;
//! <https://howardhinnant.github.io/date_algorithms.html>). Leap seconds don't exist in Unix time and are refused.

use bytes::BytesMut;

use super::scalar::Refusal;

const MICROSECONDS: i64 = 1_000_000;
const DAY_S: i64 = 86_400;
/// 0000-01-01T00:00:00Z, in seconds since 1970.
const FIRST_S: i64 = -62_167_219_200;
/// The second after 9999-12-31T23:59:59Z, in seconds since 1970.
const BEYOND_S: i64 = 253_402_300_800;

/// Microseconds since 1970 from `2026-11-21T03:31:18.000123Z`, with up to 6 digits of fraction, or an offset for the Z.
pub(super) fn parse(text: &str) -> Result<i64, Refusal> {
    let bytes = text.as_bytes();
    let (date_and_time, rest) = bytes.split_at_checked(19).ok_or(Refusal::Form)?;
    let template = b"0000-00-00T00:00:00";
    let fits = |(byte, wanted): (&u8, &u8)| match wanted {
        b'0' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b't'), // RFC 3339 section 5.6: case doesn't matter.
        _ => byte == wanted,
    };
    if !date_and_time.iter().zip(template).all(fits) {
        return Err(Refusal::Form);
    }
    let [year, month, day] = [0..4, 5..7, 8..10].map(|at| number(&date_and_time[at]));
    let [hour, minute, second] = [11..13, 14..16, 17..19].map(|at| number(&date_and_time[at]));
    let day_exists = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    if !day_exists || hour > 23 || minute > 59 || second > 59 {
        return Err(Refusal::Range);
    }
    let (fraction_us, zone) = fraction(rest)?;
    let offset_s = offset(zone)?;
    let since = days_from_date(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second - offset_s;
    if (FIRST_S..BEYOND_S).contains(&since) {
        Ok(since * MICROSECONDS + fraction_us)
    } else {
        Err(Refusal::Range)
    }
}

/// Appends a time as a JSON string, as [`to_json`](super::to_json) does: microseconds since 1970-01-01 UTC, within the years
/// 0000 to 9999; another time is `null`.
pub fn put_timestamp(out: &mut BytesMut, microseconds: i64) {
    let start = out.len();
    out.extend_from_slice(b"\"");
    if put(out, microseconds) {
        out.extend_from_slice(b"\"");
    } else {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// Appends the time in UTC with 6 digits of fraction; false when its year has no four digits.
pub(super) fn put(out: &mut BytesMut, microseconds: i64) -> bool {
    let (seconds, fraction) = (microseconds.div_euclid(MICROSECONDS), microseconds.rem_euclid(MICROSECONDS));
    if !(FIRST_S..BEYOND_S).contains(&seconds) {
        return false;
    }
    let (days, second) = (seconds.div_euclid(DAY_S), seconds.rem_euclid(DAY_S));
    let (year, month, day) = date_from_days(days);
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    put_two(&mut text, 0, year / 100);
    put_two(&mut text, 2, year);
    put_two(&mut text, 5, month);
    put_two(&mut text, 8, day);
    put_two(&mut text, 11, second / 3600);
    put_two(&mut text, 14, second / 60 % 60);
    put_two(&mut text, 17, second % 60);
    put_two(&mut text, 20, fraction / 10_000);
    put_two(&mut text, 22, fraction / 100);
    put_two(&mut text, 24, fraction);
    out.extend_from_slice(&text);
    true
}

/// Writes the last two digits of a number.
#[inline]
fn put_two(text: &mut [u8; 27], at: usize, number: i64) {
    let digits = u8::try_from(number % 100).unwrap_or_default();
    text[at] = b'0' + digits / 10;
    text[at + 1] = b'0' + digits % 10;
}

/// The fraction in microseconds, and what stands behind it.
fn fraction(rest: &[u8]) -> Result<(i64, &[u8]), Refusal> {
    let Some(digits_and_zone) = rest.strip_prefix(b".") else { return Ok((0, rest)) };
    let count = digits_and_zone.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=6).contains(&count) {
        return Err(Refusal::Form);
    }
    let (digits, zone) = digits_and_zone.split_at(count);
    Ok((
        digits.iter().chain(b"000000").take(6).fold(0, |all, digit| all * 10 + i64::from(digit - b'0')),
        zone,
    ))
}

/// The offset from UTC in seconds.
fn offset(zone: &[u8]) -> Result<i64, Refusal> {
    let [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = zone else {
        return if matches!(zone, b"Z" | b"z") { Ok(0) } else { Err(Refusal::Form) };
    };
    if ![h1, h2, m1, m2].into_iter().all(u8::is_ascii_digit) {
        return Err(Refusal::Form);
    }
    let (hours, minutes) = (number(&[*h1, *h2]), number(&[*m1, *m2]));
    if hours > 23 || minutes > 59 {
        return Err(Refusal::Range);
    }
    Ok((hours * 3600 + minutes * 60) * if *sign == b'-' { -1 } else { 1 })
}

fn number(digits: &[u8]) -> i64 {
    digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_from_date(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn date_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}
