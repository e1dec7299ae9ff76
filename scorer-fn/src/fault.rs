//! Faults on demand, for the local cloud only: compiled in with the feature
//! `faults`, obeyed when `LOCAL_CLOUD_FAULTS=1`.

use std::time::Duration;

use crate::answer::Answer;
use crate::event::Event;

/// What the header `x-local-cloud-fault` asks for; several with commas between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Answer 500.
    Error,
    /// Sleep first.
    Latency(Duration),
    /// End the process without an answer.
    Crash,
    /// Never answer.
    Hang,
}

impl Fault {
    /// The faults that a request asks for; unknown words are ignored.
    fn asked_by(event: &Event) -> Vec<Self> {
        let words = event.header("x-local-cloud-fault").unwrap_or_default();
        words.split(',').filter_map(|word| Self::read(word.trim())).collect()
    }

    fn read(word: &str) -> Option<Self> {
        match word {
            "error" => Some(Self::Error),
            "crash" => Some(Self::Crash),
            "hang" => Some(Self::Hang),
            _ => word
                .strip_prefix("latency=")?
                .parse()
                .ok()
                .map(Duration::from_millis)
                .map(Self::Latency),
        }
    }
}

/// Suffers the faults that a request asks for, in order; gives the answer if one
/// of them answers.
pub(crate) async fn suffer(event: &Event) -> Option<Answer> {
    for fault in Fault::asked_by(event) {
        match fault {
            Fault::Error => return Some(Answer::internal("injected fault")),
            Fault::Latency(extra) => tokio::time::sleep(extra).await,
            Fault::Crash => std::process::exit(1),
            Fault::Hang => std::future::pending().await,
        }
    }
    None
}
