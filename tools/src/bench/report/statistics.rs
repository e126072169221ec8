//! What several repetitions come to: a median and a range, and how two of those compare.

/// The median of some numbers, and between which they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// Half of them are at most this; the mean of the middle two where there are two.
    pub(crate) median: f64,
    /// The least.
    pub(crate) min: f64,
    /// The greatest.
    pub(crate) max: f64,
    /// How many there are.
    pub(crate) count: usize,
}

impl Spread {
    /// Of these numbers; `None` of none.
    pub(crate) fn of(numbers: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let upper = sorted[count / 2];
        let median =
            if count.is_multiple_of(2) { f64::midpoint(sorted[count / 2 - 1], upper) } else { upper };
        Some(Self { median, min, max, count })
    }

    /// Whether a number may belong to both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.min <= other.max && other.min <= self.max
    }
}

/// How large some numbers are relative to others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ratio {
    /// The ratio, and its range.
    pub(crate) spread: Spread,
    /// Whether the ranges of the numbers overlap: then it may be chance that it isn't 1.
    pub(crate) overlap: bool,
}

impl Ratio {
    /// Of numbers that were measured in turns: the n-th of both at about the same time, so that each pair has a ratio of its own.
    pub(crate) fn of_pairs(first: &[f64], second: &[f64]) -> Option<Self> {
        let ratios = first.iter().zip(second).map(|(first, second)| divided(*second, *first));
        let spread = Spread::of(ratios.collect::<Option<Vec<_>>>()?)?;
        Some(Self { spread, overlap: Spread::of(first.to_vec())?.overlaps(&Spread::of(second.to_vec())?) })
    }

    /// Of numbers that were measured at different times: that of the medians, between those of the extremes.
    pub(crate) fn of_medians(first: &[f64], second: &[f64]) -> Option<Self> {
        let (first, second) = (Spread::of(first.to_vec())?, Spread::of(second.to_vec())?);
        let spread = Spread {
            median: divided(second.median, first.median)?,
            min: divided(second.min, first.max)?,
            max: divided(second.max, first.min)?,
            count: first.count.min(second.count),
        };
        Some(Self { spread, overlap: first.overlaps(&second) })
    }

    /// Whether there is a difference that is more than chance: nothing is known of that where there is one number on a side.
    pub(crate) fn is_clear(&self) -> bool {
        !self.overlap && self.spread.count > 1
    }
}

fn divided(dividend: f64, divisor: f64) -> Option<f64> {
    (divisor != 0.0).then(|| dividend / divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(median: f64, min: f64, max: f64, count: usize) -> Spread {
        Spread { median, min, max, count }
    }

    #[test]
    fn a_spread_is_the_middle_and_the_ends() {
        let check = |numbers: &[f64], wanted: Option<Spread>| {
            assert_eq!(Spread::of(numbers.iter().copied()), wanted, "{numbers:?}");
        };
        check(&[], None);
        check(&[3.0], Some(spread(3.0, 3.0, 3.0, 1)));
        check(&[4.0, 1.0], Some(spread(2.5, 1.0, 4.0, 2)));
        check(&[9.0, 1.0, 2.0], Some(spread(2.0, 1.0, 9.0, 3)));
        check(&[10.0, 1.0, 4.0, 2.0], Some(spread(3.0, 1.0, 10.0, 4)));
    }

    #[test]
    fn ranges_overlap_where_they_touch() {
        let of = |min, max| spread(min, min, max, 3);
        for (one, other, wanted) in [
            (of(1.0, 2.0), of(2.0, 3.0), true),
            (of(1.0, 2.0), of(2.1, 3.0), false),
            (of(1.0, 9.0), of(2.0, 3.0), true),
            (of(5.0, 9.0), of(2.0, 3.0), false),
        ] {
            assert_eq!((one.overlaps(&other), other.overlaps(&one)), (wanted, wanted), "{one:?} {other:?}");
        }
    }

    #[test]
    fn pairs_have_ratios_of_their_own() {
        // The machine was twice as slow in the second turn: each pair says 1.5 all the same, and yet the ranges overlap.
        let ratio = Ratio::of_pairs(&[10.0, 20.0, 10.0], &[15.0, 30.0, 15.0]).unwrap();
        assert_eq!(ratio, Ratio { spread: spread(1.5, 1.5, 1.5, 3), overlap: true });
        assert!(!ratio.is_clear());
        let ratio = Ratio::of_pairs(&[10.0, 20.0], &[30.0, 40.0]).unwrap();
        assert_eq!(ratio, Ratio { spread: spread(2.5, 2.0, 3.0, 2), overlap: false });
        assert!(ratio.is_clear());
        assert_eq!(Ratio::of_pairs(&[0.0], &[1.0]), None);
        assert_eq!(Ratio::of_pairs(&[], &[]), None);
    }

    #[test]
    fn medians_have_a_ratio_between_those_of_the_extremes() {
        let ratio = Ratio::of_medians(&[10.0, 8.0, 12.5], &[20.0, 25.0, 16.0]).unwrap();
        assert_eq!(ratio, Ratio { spread: spread(2.0, 16.0 / 12.5, 25.0 / 8.0, 3), overlap: false });
        // 1 is within the ratio's range where the ranges overlap, and only there.
        let ratio = Ratio::of_medians(&[10.0, 8.0], &[8.0, 9.0, 12.0]).unwrap();
        assert!(ratio.overlap && ratio.spread.min <= 1.0 && ratio.spread.max >= 1.0, "{ratio:?}");
    }

    #[test]
    fn one_number_on_a_side_is_no_clear_difference() {
        let ratio = Ratio::of_medians(&[10.0], &[20.0, 21.0]).unwrap();
        assert!(!ratio.overlap && !ratio.is_clear(), "{ratio:?}");
    }
}
