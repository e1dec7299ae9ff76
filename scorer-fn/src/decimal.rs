//! Decimal numbers as Python's `decimal` module has them in its default context.
//!
//! Sums keep 28 significant digits and round half to even. The exponent is
//! part of the value: `1.5000` and `1.5` print differently, and both appear in
//! the rows that this service writes. So is the sign of a zero, which shows
//! when a small negative number is rounded. A [`Decimal`] is finite and of a
//! size that can be added up; [`Number`] is whatever Python makes of a weight.

use std::cmp::Ordering;
use std::fmt;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, BigUint, Sign};

use crate::python;

/// Significant digits of a sum (Python: `getcontext().prec`).
const PRECISION: u64 = 28;

/// Largest distance of an exponent from zero that is kept. Python's context
/// allows a million, which would only serve to fill the memory: what is larger
/// is beyond a double and so beyond the rows to write, what is smaller rounds
/// to nothing.
const EXPONENT_LIMIT: i64 = 10_000;

/// Largest exponent of a sum (Python: `getcontext().Emax`).
const SUM_EXPONENT: i128 = 999_999;

/// Range of the exponents that Python can spell (`MAX_EMAX`, `MIN_ETINY`).
const SPELT_EXPONENTS: (i128, i128) = (-1_999_999_999_999_999_997, 999_999_999_999_999_999);

/// What `Decimal(value)` makes of a weight.
#[derive(Clone, Debug)]
pub enum Number {
    /// A number that can be added up.
    Finite(Decimal),
    /// Finite, and beyond any double.
    Huge {
        /// Python's context cannot hold it either: adding it raises.
        overflows: bool,
    },
    /// An infinity.
    Infinite {
        /// The one below.
        negative: bool,
    },
    /// Not a number.
    NaN {
        /// Adding it raises.
        signals: bool,
    },
}

/// Why a text is no number to Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// It is not spelt like one.
    #[error("[<class 'decimal.ConversionSyntax'>]")]
    Syntax,
    /// Its exponent is out of range, or it takes part in what has no result.
    #[error("[<class 'decimal.InvalidOperation'>]")]
    Invalid,
    /// A sum is out of range.
    #[error("[<class 'decimal.Overflow'>]")]
    Overflow,
}

impl Number {
    /// Python's `Decimal(text)`: blanks around, `_` anywhere, and the decimal
    /// digits of any script pass.
    ///
    /// # Errors
    /// [`NumberError`] as Python raises it.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        let text: String =
            python::strip(text).chars().filter(|c| *c != '_').map(python::ascii_digit).collect();
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text.as_str()),
        };
        let lower = unsigned.to_ascii_lowercase();
        if matches!(lower.as_str(), "inf" | "infinity") {
            return Ok(Self::Infinite { negative });
        }
        for (word, signals) in [("nan", false), ("snan", true)] {
            if lower.strip_prefix(word).is_some_and(is_digits) {
                return Ok(Self::NaN { signals });
            }
        }
        let (mantissa, exponent) = match lower.split_once('e') {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
            None => (lower.as_str(), 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !is_digits(&digits) {
            return Err(NumberError::Syntax);
        }
        let exponent = exponent.saturating_sub(fraction.len() as i128);
        Self::assemble(negative, &digits, exponent)
    }

    /// `Decimal((sign, digits, exponent))`.
    ///
    /// # Errors
    /// [`NumberError::Invalid`] if the exponent is out of range.
    pub fn assemble(negative: bool, digits: &str, exponent: i128) -> Result<Self, NumberError> {
        let limit = i128::from(EXPONENT_LIMIT);
        let significant = digits.trim_start_matches('0');
        let adjusted = exponent.saturating_add(significant.len() as i128 - 1);
        let finite = |magnitude: &str, exponent: i128| {
            let magnitude = magnitude.parse().map_err(|_| NumberError::Syntax)?;
            let exponent = i64::try_from(exponent).map_err(|_| NumberError::Invalid)?;
            Ok(Self::Finite(Decimal { negative, magnitude, exponent }))
        };
        if significant.is_empty() {
            return finite("0", exponent.clamp(-limit, limit));
        }
        if adjusted > SPELT_EXPONENTS.1 || exponent < SPELT_EXPONENTS.0 {
            return Err(NumberError::Invalid);
        }
        if adjusted > limit {
            return Ok(Self::Huge { overflows: adjusted > SUM_EXPONENT });
        }
        if adjusted < -limit {
            return finite("1", -limit);
        }
        finite(significant, exponent)
    }
}

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

    /// [`Number::parse`], if it is finite and can be added up.
    pub fn parse(text: &str) -> Option<Self> {
        match Number::parse(text).ok()? {
            Number::Finite(number) => Some(number),
            Number::Huge { .. } | Number::Infinite { .. } | Number::NaN { .. } => None,
        }
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

/// An exponent; one that no 128 bits hold is as good as any beyond the range.
fn read_exponent(text: &str) -> Result<i128, NumberError> {
    let (negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    if digits.is_empty() || !is_digits(digits) {
        return Err(NumberError::Syntax);
    }
    let value = digits.parse().unwrap_or(i128::MAX / 2);
    Ok(if negative { -value } else { value })
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
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
