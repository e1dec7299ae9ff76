//! Stand-in for the Python scorer.
