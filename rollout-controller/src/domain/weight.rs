//! The share of requests sent to the new side.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Share of requests sent to the new side, in tenths of a percent, 0 to 1000.
///
/// The old side gets the remainder, so the two can never disagree. Written to
/// JSON as the number of tenths: 125 is 12.5%.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u16", into = "u16")]
pub struct Weight(u16);

/// A number that is no share in whole tenths of a percent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightError {
    /// Above 100%, below 0%, or not a number.
    #[error("weight {found} is outside 0% to 100%; give a share of all requests")]
    OutOfRange {
        /// The value as given.
        found: String,
    },
    /// Finer than a tenth of a percent: the load balancer could not express it.
    #[error("weight {found} is not a whole tenth of a percent; round it, for example to 12.5%")]
    TooFine {
        /// The value as given.
        found: String,
    },
    /// Not of the form `12.5%`.
    #[error("weight {found:?} is not a percentage; write it like \"5%\" or \"12.5%\"")]
    NotAPercentage {
        /// The value as given.
        found: String,
    },
}

impl Weight {
    /// No requests to the new side.
    pub const ZERO: Self = Self(0);
    /// All requests to the new side.
    pub const FULL: Self = Self(1000);

    /// From tenths of a percent.
    ///
    /// # Errors
    /// [`WeightError::OutOfRange`] above 1000.
    pub fn from_tenths(tenths: u16) -> Result<Self, WeightError> {
        if tenths > 1000 {
            return Err(WeightError::OutOfRange { found: format!("{tenths} tenths of a percent") });
        }
        Ok(Self(tenths))
    }

    /// From a percentage in 0.0..=100.0 that is a whole tenth.
    ///
    /// # Errors
    /// [`WeightError`] if it is outside that range or finer than a tenth.
    pub fn from_percent(percent: f64) -> Result<Self, WeightError> {
        let found = || format!("{percent}%");
        if !(0.0..=100.0).contains(&percent) {
            return Err(WeightError::OutOfRange { found: found() });
        }
        let tenths = (percent * 10.0).round();
        if (percent * 10.0 - tenths).abs() > 1e-6 {
            return Err(WeightError::TooFine { found: found() });
        }
        // In 0..=1000 by the range check above.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Ok(Self(tenths as u16))
    }

    /// Tenths of a percent, 0 to 1000.
    pub const fn tenths(self) -> u16 {
        self.0
    }

    /// Percent, 0.0 to 100.0.
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 10.0
    }

    /// Share of all requests, 0.0 to 1.0.
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / 1000.0
    }

    /// The load balancer's weights `(old, new)`.
    ///
    /// They sum to 100 where the share is a whole percent, else to 1000. An ALB
    /// takes 0 to 999 a group; 1000 cannot occur, since 0% and 100% are whole.
    pub const fn alb_weights(self) -> (u16, u16) {
        if self.0.is_multiple_of(10) {
            (100 - self.0 / 10, self.0 / 10)
        } else {
            (1000 - self.0, self.0)
        }
    }

    /// The share that two load balancer weights mean, however they are scaled.
    ///
    /// `None` if both are 0 (no traffic at all) or if the share is not a whole
    /// tenth of a percent: such a rule was written by somebody else.
    pub fn from_alb(old: u16, new: u16) -> Option<Self> {
        let total = u32::from(old) + u32::from(new);
        let thousand_new = u32::from(new) * 1000;
        if total == 0 || !thousand_new.is_multiple_of(total) {
            return None;
        }
        u16::try_from(thousand_new / total).ok().map(Self)
    }
}

impl TryFrom<u16> for Weight {
    type Error = WeightError;

    fn try_from(tenths: u16) -> Result<Self, WeightError> {
        Self::from_tenths(tenths)
    }
}

impl From<Weight> for u16 {
    fn from(weight: Weight) -> Self {
        weight.0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match (self.0 / 10, self.0 % 10) {
            (whole, 0) => format!("{whole}%"),
            (whole, tenth) => format!("{whole}.{tenth}%"),
        };
        f.pad(&text)
    }
}

impl FromStr for Weight {
    type Err = WeightError;

    /// Reads `5%` or `12.5%`, with a space before the sign or without. The sign is required: a bare
    /// `0.5` could mean one half or half a percent.
    fn from_str(text: &str) -> Result<Self, WeightError> {
        let refused = || WeightError::NotAPercentage { found: text.to_owned() };
        let number = text.trim().strip_suffix('%').ok_or_else(refused)?.trim_end();
        let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if !plain {
            return Err(refused());
        }
        Self::from_percent(number.parse().map_err(|_| refused())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alb_weights_sum_to_100_or_1000_and_read_back_as_written() {
        for tenths in 0..=1000 {
            let weight = Weight::from_tenths(tenths).unwrap();
            let (old, new) = weight.alb_weights();
            assert!(old <= 999 && new <= 999);
            assert_eq!(old + new, if tenths % 10 == 0 { 100 } else { 1000 });
            assert_eq!(Weight::from_alb(old, new), Some(weight));
        }
        assert_eq!(Weight::ZERO.alb_weights(), (100, 0));
        assert_eq!(Weight::FULL.alb_weights(), (0, 100));
    }

    #[test]
    fn reads_weights_of_any_scale_but_no_share_finer_than_a_tenth() {
        assert_eq!(Weight::from_alb(3, 1), Weight::from_tenths(250).ok());
        assert_eq!(Weight::from_alb(1, 1), Weight::from_tenths(500).ok());
        assert_eq!(Weight::from_alb(0, 999), Some(Weight::FULL));
        assert_eq!(Weight::from_alb(0, 0), None);
        assert_eq!(Weight::from_alb(2, 1), None);
    }

    #[test]
    fn text_form_reads_back() {
        for tenths in 0..=1000 {
            let weight = Weight::from_tenths(tenths).unwrap();
            assert_eq!(weight.to_string().parse(), Ok(weight));
            assert_eq!(weight.to_string().replace('%', " %").parse(), Ok(weight));
            assert_eq!(Weight::from_percent(weight.percent()), Ok(weight));
        }
    }

    #[test]
    fn refuses_what_is_no_percentage() {
        for text in ["", "%", "5", "0.5", "-1%", "+1%", "1e1%", "5 % %", "nan%", "1.2.3%", "٥%"] {
            let refused = text.parse::<Weight>();
            assert!(matches!(refused, Err(WeightError::NotAPercentage { .. })), "{text}");
        }
        assert!(matches!("100.1%".parse::<Weight>(), Err(WeightError::OutOfRange { .. })));
        assert!(matches!("0.05%".parse::<Weight>(), Err(WeightError::TooFine { .. })));
        assert!(Weight::from_percent(f64::NAN).is_err());
    }

    #[test]
    fn json_is_the_number_of_tenths_within_range() {
        assert_eq!(serde_json::to_string(&Weight(125)).unwrap(), "125");
        assert_eq!(serde_json::from_str::<Weight>("1000").unwrap(), Weight::FULL);
        assert!(serde_json::from_str::<Weight>("1001").is_err());
    }
}
