//! Medians and what lies around them.

use std::time::Duration;

use serde::Serialize;

/// The middle and the ends of some measurements.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// The middle one; the mean of the two middle ones when their number is even.
    pub(crate) median: f64,
    /// The least.
    pub(crate) min: f64,
    /// The greatest.
    pub(crate) max: f64,
}

impl Spread {
    /// Of at least one measurement.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Some(Self { median, min, max })
    }

    /// `median (min–max)` with so many decimals; the median alone when the ends read the same.
    pub(crate) fn show(&self, decimals: usize) -> String {
        let [median, min, max] =
            [self.median, self.min, self.max].map(|value| number(value, decimals));
        if min == max { median } else { format!("{median} ({min}–{max})") }
    }
}

/// With so many decimals, thousands apart: `12 345.6`.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && digit.is_ascii_digit() && (whole.len() - place).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    if fraction.is_empty() { grouped } else { format!("{grouped}.{fraction}") }
}

/// The value below which `per_cent` of the sorted values lie, in milliseconds; 0 without values.
pub(crate) fn percentile_ms(sorted: &[Duration], per_cent: usize) -> f64 {
    let rank = (sorted.len() * per_cent).div_ceil(100).max(1) - 1;
    sorted.get(rank).map_or(0.0, |value| value.as_secs_f64() * 1000.0)
}

/// The longest time without any event, from `from` on: the last event before it opens the first
/// gap. `events` is sorted.
pub(crate) fn longest_gap(events: &[Duration], from: Duration) -> Duration {
    let first = events.partition_point(|event| *event < from).saturating_sub(1);
    events[first..].windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(values: &[u64]) -> Vec<Duration> {
        values.iter().map(|value| Duration::from_millis(*value)).collect()
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_middles() {
        let odd = Spread { median: 2.0, min: 1.0, max: 9.0 };
        assert_eq!(Spread::of(&[9.0, 1.0, 2.0]), Some(odd));
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 9.0]).unwrap().median, 3.0);
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(odd.show(1), "2.0 (1.0–9.0)");
        assert_eq!(Spread::of(&[2.0]).unwrap().show(0), "2");
    }

    #[test]
    fn thousands_stand_apart() {
        for (value, decimals, text) in
            [(0.5, 2, "0.50"), (999.0, 0, "999"), (1234.5, 1, "1 234.5"), (1e6, 0, "1 000 000")]
        {
            assert_eq!(number(value, decimals), text);
        }
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let sorted = ms(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(percentile_ms(&sorted, 50), 5.0);
        assert_eq!(percentile_ms(&sorted, 99), 10.0);
        assert_eq!(percentile_ms(&[], 99), 0.0);
    }

    #[test]
    fn a_gap_counts_from_the_last_event_before_the_kill() {
        let at = Duration::from_millis(100);
        assert_eq!(longest_gap(&ms(&[0, 80, 95, 103, 600, 610]), at), Duration::from_millis(497));
        assert_eq!(longest_gap(&ms(&[95, 600, 610]), at), Duration::from_millis(505));
        assert_eq!(longest_gap(&[], at), Duration::ZERO);
    }
}
