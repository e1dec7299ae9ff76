//! Loopback stand-in for AWS.
