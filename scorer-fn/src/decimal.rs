//! Decimal numbers as Python's `decimal` module has them in its default context.
//!
//! Sums keep 28 significant digits and round half to even. The exponent is
//! part of the value: `1.5000` and `1.5` print differently, and both appear in
//! the rows that this service writes. So is the sign of a zero, which shows
//! when a small negative number is rounded. Infinities and NaN are left out.

use std::cmp::Ordering;
use std::fmt;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, BigUint, Sign};

use crate::python;

/// Significant digits of a sum (Python: `getcontext().prec`).
const PRECISION: u64 = 28;

/// Largest distance of an exponent from zero. Python allows a million; weights
/// beyond this would only serve to fill the memory.
const EXPONENT_LIMIT: i64 = 10_000;

/// A finite decimal number: ±magnitude × 10^exponent. A zero has a sign, too.
#[derive(Clone, Debug)]
pub struct Decimal {
    negative: bool,
    magnitude: BigUint,
    exponent: i64,
}

impl Decimal {
    /// Zero, spelt `0`.
    pub fn zero() -> Self {
        Self { negative: false, magnitude: BigUint::ZERO, exponent: 0 }
    }

    /// Python's `Decimal(text)` for finite numbers: blanks around, `_` between
    /// digits, and the decimal digits of any script pass.
    pub fn parse(text: &str) -> Option<Self> {
        let text: String =
            python::strip(text).chars().filter(|c| *c != '_').map(python::ascii_digit).collect();
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text.as_str()),
        };
        let (mantissa, exponent) = match digits.find(['e', 'E']) {
            Some(at) => (&digits[..at], parse_exponent(&digits[at + 1..])?),
            None => (digits, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        if all.is_empty() || !all.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        if exponent.abs() > EXPONENT_LIMIT || all.len() > 10_000 {
            return None;
        }
        Some(Self { negative, magnitude: all.parse().ok()?, exponent })
    }

    /// The exact value of a double, as `Decimal(float)` gives it. None if it is not finite.
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let negative = value.is_sign_negative();
        let bits = value.to_bits();
        let raw_exponent = i64::try_from(bits >> 52 & 0x7ff).ok()?;
        let fraction = bits & ((1 << 52) - 1);
        let (mut mantissa, mut power) = if raw_exponent == 0 {
            (fraction, -1074)
        } else {
            (fraction | 1 << 52, raw_exponent - 1075)
        };
        if mantissa == 0 {
            return Some(Self { negative, ..Self::zero() });
        }
        while mantissa & 1 == 0 && power < 0 {
            mantissa >>= 1;
            power += 1;
        }
        let mantissa = BigUint::from(mantissa);
        let steps = u32::try_from(power.unsigned_abs()).ok()?;
        // m / 2^k = m·5^k / 10^k, so a negative power of two is an exact decimal.
        let (magnitude, exponent) = if power < 0 {
            (mantissa * BigUint::from(5_u32).pow(steps), power)
        } else {
            (mantissa * BigUint::from(2_u32).pow(steps), 0)
        };
        Some(Self { negative, magnitude, exponent })
    }

    /// Sum, rounded to 28 significant digits, half to even.
    ///
    /// A sum of zero is negative only if both parts are.
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        let sum = self.scaled_to(exponent) + other.scaled_to(exponent);
        let negative = match sum.sign() {
            Sign::Minus => true,
            Sign::NoSign => self.negative && other.negative,
            Sign::Plus => false,
        };
        let magnitude = sum.into_parts().1;
        let digits = count_digits(&magnitude);
        if digits <= PRECISION {
            return Self { negative, magnitude, exponent };
        }
        let drop = digits - PRECISION;
        let rounded = divide_half_even(&magnitude, drop);
        let exponent = exponent + i64::try_from(drop).unwrap_or(0);
        // 9.99…95 may have become 10.0…0, one digit too long but with a zero at its end.
        let (magnitude, exponent) = if count_digits(&rounded) > PRECISION {
            (rounded / 10_u32, exponent + 1)
        } else {
            (rounded, exponent)
        };
        Self { negative, magnitude, exponent }
    }

    /// Exactly five digits after the point, half to even on the exact value.
    ///
    /// What is below zero keeps its sign when it is rounded to zero.
    pub fn to_fixed5(&self) -> String {
        let shift = -5 - self.exponent;
        let units = match u64::try_from(shift) {
            Ok(drop) if drop > 0 => divide_half_even(&self.magnitude, drop),
            _ => self.scaled_to(-5).into_parts().1,
        };
        let digits = format!("{units:0>6}");
        let (whole, fraction) = digits.split_at(digits.len() - 5);
        format!("{}{whole}.{fraction}", self.sign())
    }

    /// The nearest double.
    pub fn to_f64(&self) -> f64 {
        // Rust's parser rounds correctly, which an arithmetic conversion would not.
        format!("{}{}e{}", self.sign(), self.magnitude, self.exponent)
            .parse()
            .unwrap_or(f64::INFINITY)
    }

    fn sign(&self) -> &'static str {
        if self.negative { "-" } else { "" }
    }

    fn signed(&self) -> BigInt {
        let magnitude = BigInt::from(self.magnitude.clone());
        if self.negative { -magnitude } else { magnitude }
    }

    fn scaled_to(&self, exponent: i64) -> BigInt {
        let steps = u32::try_from(self.exponent - exponent).unwrap_or(0);
        self.signed() * BigInt::from(10).pow(steps)
    }

    fn as_big(&self) -> BigDecimal {
        BigDecimal::new(self.signed(), -self.exponent)
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.as_big() == other.as_big()
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.as_big().partial_cmp(&other.as_big())
    }
}

/// Python's `str(Decimal)`: plain where the exponent allows, else scientific.
impl fmt::Display for Decimal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.magnitude.to_string();
        let sign = self.sign();
        let length = i64::try_from(digits.len()).map_err(|_| fmt::Error)?;
        let left = self.exponent + length;
        if self.exponent <= 0 && left > -6 {
            if self.exponent == 0 {
                return write!(out, "{sign}{digits}");
            }
            if left <= 0 {
                let zeros = "0".repeat(usize::try_from(-left).unwrap_or(0));
                return write!(out, "{sign}0.{zeros}{digits}");
            }
            let (whole, fraction) = digits.split_at(usize::try_from(left).unwrap_or(0));
            return write!(out, "{sign}{whole}.{fraction}");
        }
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        write!(out, "{sign}{first}{point}{rest}E{:+}", left - 1)
    }
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn count_digits(value: &BigUint) -> u64 {
    u64::try_from(value.to_string().len()).unwrap_or(u64::MAX)
}

/// `value / 10^digits`, half to even.
fn divide_half_even(value: &BigUint, digits: u64) -> BigUint {
    let divisor = BigUint::from(10_u32).pow(u32::try_from(digits).unwrap_or(u32::MAX));
    let quotient = value / &divisor;
    let remainder = value % &divisor;
    let twice: BigUint = remainder * 2_u32;
    let up = match twice.cmp(&divisor) {
        Ordering::Greater => true,
        Ordering::Equal => quotient.bit(0),
        Ordering::Less => false,
    };
    if up { quotient + 1_u32 } else { quotient }
}
