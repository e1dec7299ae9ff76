//! Rate limit per API key, counted in the Redis that all instances share
//! (contract, section 4).
//!
//! The counter has to be the very one that the Python side uses: two counters
//! would double every limit while traffic is split.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::key::hex;
use crate::python;
use crate::redis::Redis;
use crate::time::Micros;

/// The counter lives a little longer than its window, so that clocks may differ.
const FUDGE_SECS: u64 = 5;

/// `COUNT/PERIOD`, such as `125/15m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Calls allowed in one period.
    pub count: u64,
    /// Length of the period in seconds, at least 1.
    pub period_secs: u64,
}

impl Rate {
    /// Reads `COUNT/[NUMBER][UNIT]` with the units s, m, h and d.
    ///
    /// As django-ratelimit does: a unit is a small letter, none means seconds,
    /// and what follows is not looked at. So `5/1w` and `5/10M` are 5 in one
    /// and in ten seconds, and `5/m;x` is 5 in a minute. None where Python
    /// fails: no count, no slash, a period of zero.
    pub fn parse(text: &str) -> Option<Self> {
        let text: String = text.chars().map(python::ascii_digit).collect();
        let (count, period) = text.split_once('/')?;
        let after = period.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = &period[..period.len() - after.len()];
        let unit_secs: u64 = match after.chars().next() {
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            _ => 1,
        };
        let number: u64 = if number.is_empty() { 1 } else { number.parse().ok()? };
        let period_secs = unit_secs.checked_mul(number)?;
        if period_secs == 0 || !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Self { count: count.parse().ok()?, period_secs })
    }

    /// The counter of the window that `now` falls in.
    ///
    /// Windows of different keys end at different times, by a checksum of the prefix.
    pub fn counter(&self, prefix: &str, now: Micros) -> String {
        let ts = u64::try_from(now / 1_000_000).unwrap_or(0);
        let period = self.period_secs;
        let mut end = ts - ts % period + u64::from(crc32fast::hash(prefix.as_bytes())) % period;
        if end < ts {
            end += period;
        }
        if period == 1 {
            end = ts;
        }
        let text = format!("registry{}/{}s{prefix}{end}", self.count, period);
        format!(":1:rl:{}", hex(&Sha256::digest(text.as_bytes())))
    }
}

/// Counts calls.
#[derive(Debug)]
pub struct Limiter(Redis);

impl Limiter {
    /// Opens nothing yet.
    pub fn new(redis: Redis) -> Self {
        Self(redis)
    }

    /// Counts one call and says whether it is still allowed.
    ///
    /// # Errors
    /// What went wrong with Redis. The Python side answers 500 then, and so do we.
    pub async fn allows(&self, rate: Rate, prefix: &str, now: Micros) -> Result<bool, String> {
        let life = Duration::from_secs(rate.period_secs + FUDGE_SECS);
        let count = self.0.count(&rate.counter(prefix, now), life).await?;
        Ok(count <= rate.count)
    }
}
