//! Files of requests that `rolloutctl compare` is given.

use super::{assert_readable, corpus};
use flate2::Compression;
use flate2::write::GzEncoder;
use fuzz_kit::fuzz;
use http::HeaderName;
use rollout_controller::compare::requests::{BadInput, Format, read};
use std::io::Write as _;

const FORCE: HeaderName = HeaderName::from_static("x-use-rust-scorer");
/// Stands in every sample where a key would; no error may show it.
const KEY: &str = "GoldKeyA";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(bytes).expect("written");
    packed.finish().expect("packed")
}

fn tried(bytes: &[u8]) {
    for format in [Format::Paths, Format::Jsonl, Format::AlbLog] {
        match read(bytes, format, &FORCE) {
            Ok(requests) => {
                assert!(!requests.asks.is_empty());
                for ask in &requests.asks {
                    let target = ask.target.to_string();
                    assert!(target.starts_with('/') && !target.starts_with("//"), "{target}");
                    assert!(ask.target.host().is_none(), "goes elsewhere: {target}");
                    assert!(ask.headers.iter().all(|(name, _)| *name != FORCE));
                }
            }
            Err(error) => {
                assert_readable(&error, bytes);
                let told = error.to_string();
                assert!(!told.contains(KEY), "shows a key: {told}");
                if let BadInput::Line { line, .. } = error {
                    assert!(line >= 1, "{told}");
                }
            }
        }
    }
}

#[test]
fn any_file_of_requests_is_read_or_refused_with_its_line() {
    let plain =
        corpus("requests").words(&["\"GET http://h:80/\"", "\"-\" ", "\\\"", "//", "#", "\n"]);
    let packed: Vec<Vec<u8>> = plain.samples().iter().map(|sample| gzip(sample)).collect();
    fuzz!(plain.all(packed).inputs(500), tried);
}

/// A small file that unpacks to a large one is refused, or passed over, in the memory of a line.
#[test]
fn a_file_that_unpacks_to_a_thousand_times_its_size_takes_little_memory() {
    let one_line = vec![b'a'; 32 << 20];
    let comments = b"# nothing\n".repeat(2 << 20);
    for (text, words) in
        [(one_line, "line 1 of the requests: is longer"), (comments, "no GET request")]
    {
        let packed = gzip(&text);
        drop(text);
        let corpus = fuzz_kit::Corpus::new("unpacked").sample(packed);
        let search = fuzz_kit::Search::new(corpus, |bytes: &[u8]| {
            let refused = read(bytes, Format::Paths, &FORCE).expect_err("nothing to send");
            assert!(refused.to_string().contains(words), "{refused}");
        });
        search.samples();
    }
}
