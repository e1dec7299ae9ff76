//! Metrics: every sample kept, so that any statistic can be asked for.

pub mod emf;
mod gather;
pub mod statistic;
mod store;

use std::collections::BTreeMap;

pub use gather::{Metric, StatisticSet};
pub use statistic::Statistic;
pub use store::{Datum, Metrics};

/// Dimensions of a metric; a set, so order does not matter.
pub type Dimensions = BTreeMap<String, String>;

/// Dimensions from name and value pairs.
pub fn dimensions<const N: usize>(pairs: [(&str, &str); N]) -> Dimensions {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}
