//! Many mixed requests to one process: its memory stays where it was.
//!
//! `make soak` sends 100,000 and takes some ten minutes; without the variable
//! `SCORER_SOAK` a shorter run keeps the test suite quick.

use crate::runtime::Function;
use crate::support::{demo_environment, get, load};
use local_cloud::postgres::PrivatePostgres;
use serde_json::{Value, json};

const KEY: &str = "DemoKeyA.3f1c86c2a9d04b57b8e6d1a2f7935c40";
/// Room for what an allocator keeps; a leak of 100 bytes a request shows at 100,000.
const GROWTH_KIB: u64 = 4096;
/// Kinds of requests in [`Mix::request`].
const KINDS: usize = 22;

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_flat_over_mixed_requests() -> anyhow::Result<()> {
    let requests: usize =
        std::env::var("SCORER_SOAK").ok().map_or(Ok(1100), |text| text.parse())?;
    let postgres = PrivatePostgres::start().await?;
    load(&postgres, "demo/seed.sql").await?;
    let mut settings: Vec<(String, String)> = demo_environment()?.into_iter().collect();
    settings.push(("DATABASE_URL".to_owned(), postgres.url("scorer")));
    let function = Function::start(env!("CARGO_BIN_EXE_scorer-fn"), &settings).await?;
    let mix = Mix::new()?;
    let mut settled = 0;
    for number in 0..requests {
        let (event, status) = mix.request(number);
        let answer = function.invoke(event).await?;
        let kind = number % KINDS;
        anyhow::ensure!(
            status.is_none_or(|status| answer["statusCode"] == status),
            "request {number} of kind {kind}: {answer} instead of {status:?}"
        );
        anyhow::ensure!(answer["statusCode"].is_u64(), "request {number}: {answer}");
        if number == requests / 4 {
            settled = function.resident_kib()?;
        }
    }
    let last = function.resident_kib()?;
    println!("{requests} requests: {settled} KiB after a quarter, {last} KiB at the end");
    assert!(last < settled + GROWTH_KIB, "{settled} KiB after a quarter, {last} KiB at the end");
    assert!(last < 64 * 1024, "{last} KiB");
    Ok(())
}

struct Mix {
    addresses: Vec<String>,
    /// 10,000 times the same letter.
    long: String,
    /// 100,000 characters that no compression makes small enough for an index.
    big: String,
    /// A list in a list, 100 levels deep.
    deep: String,
}

impl Mix {
    fn new() -> anyhow::Result<Self> {
        let addresses = std::fs::read_to_string("demo/addresses.txt")?;
        let mut state = 1_u32;
        let digits = std::iter::repeat_with(|| {
            // Numerical Recipes' generator; its upper bits are the good ones.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'A' + u8::try_from(state >> 28).expect("four bits"))
        });
        Ok(Self {
            addresses: addresses.lines().map(str::to_owned).collect(),
            long: "a".repeat(10_000),
            big: digits.take(100_000).collect(),
            deep: format!("{}1{}", "[".repeat(100), "]".repeat(100)),
        })
    }

    /// An event and its status, or `None` where other tests say what is right:
    /// here only the memory counts.
    fn request(&self, number: usize) -> (Value, Option<u64>) {
        let wallet = &self.addresses[(number / KINDS) % self.addresses.len()];
        let path = |scorer: &str, wallet: &str| format!("/v2/stamps/{scorer}/score/{wallet}");
        let usual = path("1", wallet);
        let with = |name: &str, value: Value| {
            let mut event = get(&usual, KEY);
            event[name] = value;
            event
        };
        let (event, status) = match number % KINDS {
            0 => (get(&usual, KEY), 200),
            1 => (get(&path("2", wallet), KEY), 200),
            2 => (get(&path("3", wallet), KEY), 200),
            3 => (get(&path("demo", wallet), KEY), 200),
            // A wallet that nobody has asked for.
            4 => (get(&path("1", &format!("0x{number:040x}")), KEY), 200),
            5 => (get(&usual, "DemoKeyA.wrong"), 401),
            6 => (get(&usual, "NoSuchKy.3f1c86c2a9d04b57b8e6d1a2f7935c40"), 401),
            7 => (get(&usual, ""), 401),
            8 => (get(&usual, &self.long), 401),
            9 => (get(&path("99", wallet), KEY), 404),
            10 => (get(&path("1", &self.long), KEY), 400),
            11 => (get(&path("demo", "%00"), KEY), 400),
            12 => (get("/", KEY), 500),
            13 => (json!({}), 401),
            14 => (with("body", Value::from(self.long.as_str())), 500),
            kind => {
                let event = match kind {
                    15 => with("queryStringParameters", json!({"q": self.big})),
                    16 => with("headers", json!({"x-api-key": KEY, "x-big": self.big})),
                    17 => with("body", Value::from(json!({"big": self.big}).to_string())),
                    18 => with("body", Value::from(self.deep.as_str())),
                    19 => with("httpMethod", Value::from("POST")),
                    20 => {
                        with("queryStringParameters", json!({"\u{1f600}": "\u{0}", "a": self.long}))
                    }
                    _ => with("isBase64Encoded", Value::from(true)),
                };
                return (event, None);
            }
        };
        (event, Some(status))
    }
}
