//! Numbers as they are written: exact, and bounded whatever the exponent.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use std::str::FromStr as _;

/// Digits, and powers of ten between two numbers, up to which they are subtracted.
/// Further apart than this they differ by more than any tolerance that makes sense.
const REACH: i64 = 400;

/// A decimal in one spelling: no zeros around the digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    /// Empty for zero.
    digits: String,
    /// Power of ten of the last digit; 0 for zero.
    exponent: i64,
}

impl Decimal {
    /// Reads a JSON number. `None` only for an exponent beyond 60 bits.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, i64::from_str(exponent).ok()?),
            None => (text, 0),
        };
        if exponent.unsigned_abs() > 1 << 60 {
            return None;
        }
        let negative = mantissa.starts_with('-');
        let mantissa = mantissa.strip_prefix('-').unwrap_or(mantissa);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let kept = all.trim_end_matches('0');
        let dropped = i64::try_from(all.len() - kept.len()).ok()?;
        let exponent = exponent - i64::try_from(fraction.len()).ok()? + dropped;
        let digits = kept.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self { negative: false, digits, exponent: 0 });
        }
        Some(Self { negative, digits, exponent })
    }

    /// Reads a text that is a decimal without an exponent and without needless zeros in
    /// front: `12.50000`, and not `007` or `1e3`.
    pub(crate) fn read_plain(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = match bare.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (bare, None),
        };
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let fits = digits(whole)
            && fraction.is_none_or(digits)
            && (whole.len() == 1 || !whole.starts_with('0'))
            && text.len() <= 64;
        if fits { Self::read(text) } else { None }
    }

    pub(crate) fn is_negative(&self) -> bool {
        self.negative
    }

    /// Whether both are at most `tolerance` apart.
    pub(crate) fn near(&self, other: &Self, tolerance: &Self) -> bool {
        if self == other {
            return true;
        }
        if tolerance.digits.is_empty() {
            return false;
        }
        let (Some(a), Some(b), Some(most)) = (self.big(), other.big(), tolerance.big()) else {
            return false;
        };
        (a - b).abs() <= most
    }

    /// `None` beyond [`REACH`], where arithmetic would need memory without end.
    fn big(&self) -> Option<BigDecimal> {
        let long = i64::try_from(self.digits.len()).ok()? > REACH;
        if self.digits.is_empty() {
            return Some(BigDecimal::from(0));
        }
        if long || self.exponent.abs() > REACH {
            return None;
        }
        let digits = BigInt::from_str(&self.digits).ok()?;
        let value = BigDecimal::from_bigint(digits, -self.exponent);
        Some(if self.negative { -value } else { value })
    }
}

/// Digits behind the point.
pub(crate) fn fraction_digits(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, fraction)| fraction.len())
}
