//! Writes `scorer-fn/demo/`: the database of the demo, all of it made up.
//!
//! `cargo run -p scorer-fn --example demo-seed` makes the same files each time:
//! keys, wallets and nullifiers are hashes of their names. The issuer's key is
//! in here for everybody to see, so trust it nowhere but in the demo.

use std::fmt::Write as _;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hunt::wallets::{Issuer, text, typed};
use scorer_fn::credential::eip712::keccak;
use scorer_fn::score::key::{hex, prefix, sha256_form};
use serde_json::{Value, json};

const API_KEY: &str = "DemoKeyA.3f1c86c2a9d04b57b8e6d1a2f7935c40";
/// Wallets whose stamps are the plain case: 0 to 12 of them, valid and alone.
const PLAIN_WALLETS: usize = 36;

const PROVIDERS: [(&str, &str); 13] = [
    ("Google", "0.525"),
    ("Discord", "0.516"),
    ("Ens", "0.208"),
    ("HolonymGovIdProvider", "16.026"),
    ("CivicUniquenessPass", "5.005"),
    ("Linkedin", "1.531"),
    ("CleanHands", "3"),
    ("githubContributionActivityGte#30", "1.879"),
    ("NFT", "1.032"),
    ("BinanceBABT", "16.021"),
    ("Coinbase", "10.042"),
    ("Lens", "0.931"),
    ("Steam", "0.842"),
];

fn main() -> std::io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let golden = std::fs::read_to_string(here.join("tests/golden/seed.sql"))?;
    let (schema, _) = golden.split_once("-- ---- rows ----").unwrap_or((&golden, ""));
    let schema = schema.split_once("-- ---- schema ----").map_or(schema, |(_, schema)| schema);
    let issuer = Issuer::named("scorer-fn demo issuer");
    let (rows, addresses) = rows(&issuer);
    let head = format!(
        "-- The demo's database: schema and made-up rows. Written by `cargo run -p scorer-fn --example demo-seed`.\n\
         -- API key: {API_KEY}\n-- Scorers: 1 (weighted, also called demo), 2 (binary), 3 (customized).\n\
         -- Addresses: addresses.txt. Settings: environment.\n"
    );
    std::fs::write(
        here.join("demo/seed.sql"),
        format!("{head}{schema}-- ---- rows ----\n\n{rows}"),
    )?;
    std::fs::write(here.join("demo/addresses.txt"), addresses.join("\n") + "\n")?;
    let environment = format!(
        "TRUSTED_IAM_ISSUERS=[\"{}\"]\nFF_MULTI_NULLIFIER=on\nFF_API_ANALYTICS=on\nRATELIMIT_ENABLE=false\n",
        issuer.did()
    );
    std::fs::write(here.join("demo/environment"), environment)
}

fn rows(issuer: &Issuer) -> (String, Vec<String>) {
    let mut sql = String::new();
    let hashed = sha256_form(API_KEY);
    let weights = |quoted: bool| {
        let entries = PROVIDERS.iter().map(|(name, weight)| {
            (
                *name,
                if quoted {
                    json!(weight)
                } else {
                    json!(weight.parse::<f64>().unwrap_or_default())
                },
            )
        });
        Value::Object(entries.map(|(name, weight)| (name.to_owned(), weight)).collect())
    };
    let _ = write!(
        sql,
        "INSERT INTO auth_user (id, password, is_superuser, username, first_name, last_name, email, is_staff, \
         is_active, date_joined) VALUES (1, '!', false, 'demo', '', '', '', false, true, '2025-02-01T00:00:00Z');\n\n\
         INSERT INTO account_account (id, address, user_id) VALUES (1, '{account}', 1);\n\n\
         INSERT INTO account_accountapikey (id, prefix, hashed_key, created, name, revoked, account_id, rate_limit, \
         create_scorers, read_scores, submit_passports, historical_endpoint, hashed_key_sha256) VALUES\n  \
         ('{key}.{hashed}', '{key}', '{hashed}', '2025-02-01T00:00:00Z', 'demo', false, 1, '', false, true, false, \
         false, '{hashed}');\n\n\
         INSERT INTO scorer_weighted_scorer (id, type, exclude_from_weight_updates) VALUES\n  \
         (1, 'WEIGHTED', false), (2, 'WEIGHTED_BINARY', false), (3, 'WEIGHTED', false);\n\n\
         INSERT INTO scorer_weighted_weightedscorer (scorer_ptr_id, weights, threshold) VALUES\n  \
         (1, '{quoted}', '20.00000'),\n  (3, '{quoted}', '3.25000');\n\n\
         INSERT INTO scorer_weighted_binaryweightedscorer (scorer_ptr_id, weights, threshold) VALUES\n  \
         (2, '{plain}', '20.00000');\n\n\
         INSERT INTO account_community (id, name, description, account_id, scorer_id, created_at, rule, \
         external_scorer_id, human_points_program) VALUES\n  \
         (1, 'weighted', 'demo', 1, 1, '2025-02-01T00:00:00Z', 'LIFO', 'demo', false),\n  \
         (2, 'binary', 'demo', 1, 2, '2025-02-01T00:00:00Z', 'LIFO', NULL, false),\n  \
         (3, 'customized', 'demo', 1, 3, '2025-02-01T00:00:00Z', 'LIFO', NULL, false);\n\n\
         INSERT INTO account_customization (id, path, partner_name, scorer_id) VALUES (1, 'demo', 'Demo', 3);\n\n\
         INSERT INTO account_addresslist (id, name) VALUES (1, 'DemoList');\n\n\
         INSERT INTO account_allowlist (id, weight, address_list_id, customization_id) VALUES (1, '1.5000', 1, 1);\n\n",
        account = address("account"),
        key = prefix(API_KEY),
        quoted = weights(true),
        plain = weights(false),
    );
    let mut addresses = Vec::new();
    let mut stamps = Vec::new();
    for number in 0..PLAIN_WALLETS {
        let wallet = address(&format!("wallet {number}"));
        for (provider, _) in PROVIDERS.iter().cycle().skip(number).take(number % PROVIDERS.len()) {
            stamps.push(stamp(
                issuer,
                &wallet,
                provider,
                &format!("{wallet} {provider}"),
                "2099-06-01T12:34:56.789Z",
            ));
        }
        addresses.push(wallet);
    }
    // One person with two wallets, one stamp that has ended, and one with an offset.
    for name in ["twin a", "twin b"] {
        let wallet = address(name);
        stamps.push(stamp(
            issuer,
            &wallet,
            "HolonymGovIdProvider",
            "one person",
            "2099-01-01T00:00:00Z",
        ));
        stamps.push(stamp(issuer, &wallet, "Ens", &wallet, "2098-01-01T00:00:00.500Z"));
        addresses.push(wallet);
    }
    let wallet = address("ended");
    stamps.push(stamp(issuer, &wallet, "Google", &wallet, "2024-01-01T00:00:00Z"));
    stamps.push(stamp(
        issuer,
        &wallet,
        "AllowList#DemoList",
        "listed",
        "2097-03-04T05:06:07+02:00",
    ));
    addresses.push(wallet);

    sql.push_str(
        "INSERT INTO ceramic_cache_ceramiccache (address, provider, stamp, created_at, updated_at, type, deleted_at, \
         compose_db_save_status, compose_db_stream_id, proof_value) VALUES\n",
    );
    let rows: Vec<String> = stamps
        .iter()
        .map(|(wallet, provider, credential)| {
            format!(
                "  ('{wallet}', '{provider}', '{credential}', '2025-02-01T00:00:00Z', '2025-02-01T00:00:00Z', 1, NULL, \
                 '', '', '{}')",
                credential["proof"]["proofValue"].as_str().unwrap_or_default()
            )
        })
        .collect();
    sql.push_str(&rows.join(",\n"));
    sql.push_str(";\n");
    (sql, addresses)
}

fn address(name: &str) -> String {
    format!("0x{}", hex(&keccak(format!("scorer-fn demo {name}").as_bytes())[12..]))
}

/// A stamp in the shape of production: the struct is called `@context`.
fn stamp(
    issuer: &Issuer,
    wallet: &str,
    provider: &str,
    person: &str,
    expires: &str,
) -> (String, String, Value) {
    let nullifier =
        format!("v0:{}", STANDARD.encode(keccak(format!("{person} {provider}").as_bytes())));
    let context = json!([
        "https://www.w3.org/2018/credentials/v1",
        "https://w3id.org/vc/status-list/2021/v1"
    ]);
    let subject = json!({
        "@context": {
            "nullifiers": {"@container": "@list", "@type": "https://schema.org/Text"},
            "provider": "https://schema.org/Text",
        },
        "nullifiers": [nullifier],
        "id": format!("did:pkh:eip155:1:{wallet}"),
        "provider": provider,
    });
    let types = json!({
        "NullifiersContext": [text("@container"), text("@type")],
        "@context": [typed("nullifiers", "NullifiersContext"), text("provider")],
        "CredentialSubject": [
            typed("@context", "@context"), text("id"), typed("nullifiers", "string[]"),
            text("provider"),
        ],
    });
    let credential = issuer.signed(&context, &subject, ("CredentialSubject", &types), expires);
    (wallet.to_owned(), provider.to_owned(), credential)
}
