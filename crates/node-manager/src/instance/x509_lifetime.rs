//! From when until when a certificate is valid.

use std::time::Duration;

use quorate_model::Timestamp;
use x509_parser::pem::parse_x509_pem;

/// The time in which a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetime {
    from: Timestamp,
    until: Timestamp,
}

impl Lifetime {
    /// Reads the first certificate of a PEM text; `None` when there is none.
    pub(crate) fn of_pem(pem: &str) -> Option<Self> {
        let (_, pem) = parse_x509_pem(pem.as_bytes()).ok()?;
        let certificate = pem.parse_x509().ok()?;
        let moment = |seconds: i64| {
            Timestamp(u64::try_from(seconds).unwrap_or_default().saturating_mul(1000))
        };
        let validity = certificate.validity();
        Some(Self {
            from: moment(validity.not_before.timestamp()),
            until: moment(validity.not_after.timestamp()),
        })
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        now >= self.until
    }

    /// Whether others take the certificate now. It has ended, or has not begun: it was signed under
    /// a clock that was far ahead and has been set right since.
    pub(crate) fn is_valid(&self, now: Timestamp) -> bool {
        self.from <= now && !self.is_over(now)
    }

    /// Whether it is not valid, or less than this part (1 over `part`) of the whole remains.
    pub(crate) fn has_less_left_than(&self, part: u32, now: Timestamp) -> bool {
        let (whole, left): (Duration, Duration) =
            (self.until.since(self.from), self.until.since(now));
        !self.is_valid(now) || left * part < whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_compared_with_the_whole() {
        let lifetime = Lifetime { from: Timestamp(1000), until: Timestamp(10_000) };
        assert!(!lifetime.has_less_left_than(3, Timestamp(7000)));
        assert!(lifetime.has_less_left_than(3, Timestamp(7001)));
        assert!(!lifetime.has_less_left_than(2, Timestamp(5500)));
        assert!(lifetime.has_less_left_than(2, Timestamp(5501)));
    }

    #[test]
    fn a_certificate_is_valid_from_its_beginning_until_its_end() {
        let lifetime = Lifetime { from: Timestamp(1000), until: Timestamp(10_000) };
        let valid = [999, 1000, 9999, 10_000].map(|now| lifetime.is_valid(Timestamp(now)));
        assert_eq!(valid, [false, true, true, false]);
        assert!(lifetime.has_less_left_than(2, Timestamp(999)), "it is renewed, too");
        assert!(!lifetime.has_less_left_than(2, Timestamp(1000)));
    }

    #[test]
    fn what_is_no_certificate_has_no_lifetime() {
        assert_eq!(Lifetime::of_pem(""), None);
        assert_eq!(
            Lifetime::of_pem("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----"),
            None
        );
    }
}
