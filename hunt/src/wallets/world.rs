//! What the cases run in: scorers, an API key, and issuers who really sign.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use scorer_fn::credential::proof::signing_digest;
use scorer_fn::score::key::sha256_form;
use serde_json::{Value, json};

use super::signer::Signer;

/// The API key of every request.
pub const KEY: &str = "CaseKeyA.5d1cf04f6f0e4b0c9a6b7f1f8c2e3d4a";

/// What a scorer's `weights` column says of a provider, and what that is worth
/// in hundred-thousandths.
type Weight = (&'static str, &'static str, i64);

/// A scorer and what it gives; each has two communities, `first` and `first + 1`.
#[derive(Debug)]
pub struct Rules {
    kind: &'static str,
    weights: &'static [Weight],
    /// Weights of the customization, as `numeric(7,4)`.
    custom: &'static [Weight],
    /// As `numeric(10,5)`.
    pub threshold: &'static str,
    /// The same in hundred-thousandths.
    pub threshold_units: i64,
}

/// Names that stamps have; not every scorer knows each.
pub const PROVIDERS: [&str; 7] =
    ["Google", "Ens", "Discord", "HolonymGovIdProvider", "AllowList#Listed", "NFT", "Unheard"];

/// All scorers.
pub const RULES: [Rules; 4] = [
    Rules {
        kind: "WEIGHTED",
        weights: &[
            ("Google", "\"0.525\"", 52_500),
            ("Ens", "\"0.208\"", 20_800),
            ("Discord", "\"0.516\"", 51_600),
            ("HolonymGovIdProvider", "\"16.026\"", 1_602_600),
            ("NFT", "\"1.032\"", 103_200),
        ],
        custom: &[],
        threshold: "1.00000",
        threshold_units: 100_000,
    },
    Rules {
        kind: "WEIGHTED_BINARY",
        weights: &[
            ("Google", "0.525", 52_500),
            ("Ens", "0.1", 10_000),
            ("Discord", "2", 200_000),
            ("HolonymGovIdProvider", "16.026", 1_602_600),
            ("NFT", "0", 0),
        ],
        custom: &[],
        // No sum of these: as doubles they add up to a little more or less.
        threshold: "16.50000",
        threshold_units: 1_650_000,
    },
    Rules {
        kind: "WEIGHTED",
        weights: &[("Google", "\"0.525\"", 52_500), ("Ens", "\"9\"", 900_000)],
        custom: &[("AllowList#Listed", "1.5000", 150_000), ("Ens", "0.2500", 25_000)],
        threshold: "0.00000",
        threshold_units: 0,
    },
    Rules {
        kind: "WEIGHTED",
        weights: &[
            ("Google", "\" 5_25e-3\\n\"", 52_500),
            ("Ens", "[0, [1, 0, 5], -2]", 105_000),
            ("Discord", "true", 100_000),
            ("HolonymGovIdProvider", "\"+16.\"", 1_600_000),
            ("NFT", "\"0.00001\"", 1),
        ],
        custom: &[],
        threshold: "20.00000",
        threshold_units: 2_000_000,
    },
];

impl Rules {
    /// What a stamp of this provider is worth, in hundred-thousandths.
    pub fn units(&self, provider: &str) -> i64 {
        let mut all = self.weights.iter().chain(self.custom).rev();
        all.find(|(name, ..)| *name == provider).map_or(0, |(_, _, units)| *units)
    }
}

/// The two communities of a scorer: the same rules, and links of their own.
pub fn communities(rules: usize) -> [usize; 2] {
    [2 * rules + 1, 2 * rules + 2]
}

/// Rows that all cases share.
pub fn rows() -> String {
    let mut sql = String::new();
    let hashed = sha256_form(KEY);
    let _ = write!(
        sql,
        "INSERT INTO auth_user (id, password, is_superuser, username, first_name, last_name, email, is_staff, \
         is_active, date_joined) VALUES (1, '!', false, 'cases', '', '', '', false, true, '2025-02-01T00:00:00Z');
         INSERT INTO account_account (id, address, user_id) VALUES (1, '0x00', 1);
         INSERT INTO account_accountapikey (id, prefix, hashed_key, created, name, revoked, account_id, rate_limit, \
         create_scorers, read_scores, submit_passports, historical_endpoint, hashed_key_sha256) VALUES
         ('k', 'CaseKeyA', 'x', '2025-02-01T00:00:00Z', 'cases', false, 1, '', false, true, false, false, '{hashed}');
         INSERT INTO account_addresslist (id, name) VALUES (1, 'Listed');
         INSERT INTO account_customplatform (id, platform_type, name, is_evm) VALUES (1, 'x', 'x', false);
         INSERT INTO account_customcredentialruleset (id, credential_type, definition, provider_id, name) \
         VALUES (1, 'x', '{{}}', 'Ens', 'x');"
    );
    for (at, rules) in RULES.iter().enumerate() {
        let scorer = at + 1;
        let table = match rules.kind {
            "WEIGHTED" => "scorer_weighted_weightedscorer",
            _ => "scorer_weighted_binaryweightedscorer",
        };
        let weights: Vec<String> =
            rules.weights.iter().map(|(name, weight, _)| format!("\"{name}\": {weight}")).collect();
        let _ = write!(
            sql,
            "INSERT INTO scorer_weighted_scorer (id, type, exclude_from_weight_updates) VALUES ({scorer}, '{}', false);
             INSERT INTO {table} (scorer_ptr_id, weights, threshold) VALUES ({scorer}, '{{{}}}', '{}');",
            rules.kind,
            weights.join(", "),
            rules.threshold,
        );
        for id in communities(at) {
            let _ = write!(
                sql,
                "INSERT INTO account_community (id, name, description, account_id, scorer_id, created_at, rule, \
                 external_scorer_id, human_points_program) VALUES
                 ({id}, 'c{id}', 'cases', 1, {scorer}, '2025-02-01T00:00:00Z', 'LIFO', 'name-{id}', false);"
            );
            if rules.custom.is_empty() {
                continue;
            }
            let _ = write!(
                sql,
                "INSERT INTO account_customization (id, path, partner_name, scorer_id) \
                 VALUES ({id}, 'p{id}', 'P', {id});"
            );
            for (provider, weight, _) in rules.custom {
                let row = if provider.starts_with("AllowList#") {
                    format!(
                        "INSERT INTO account_allowlist (weight, address_list_id, customization_id) \
                         VALUES ('{weight}', 1, {id});"
                    )
                } else {
                    format!(
                        "INSERT INTO account_customcredential (weight, display_name, customization_id, ruleset_id, \
                         platform_id) VALUES ('{weight}', 'x', {id}, 1, 1);"
                    )
                };
                sql.push_str(&row);
            }
        }
    }
    sql
}

/// Two issuers that are trusted, and one that is not.
#[derive(Debug)]
pub struct Issuers([Issuer; 3]);

impl Default for Issuers {
    fn default() -> Self {
        Self::new()
    }
}

impl Issuers {
    /// Always the same three.
    pub fn new() -> Self {
        Self(
            ["first", "second", "not trusted"]
                .map(|name| Issuer::named(&format!("case issuer {name}"))),
        )
    }

    /// One that counts.
    pub fn trusted(&self, at: usize) -> &Issuer {
        &self.0[at % 2]
    }

    /// The one that does not.
    pub fn foreign(&self) -> &Issuer {
        &self.0[2]
    }

    /// Variables of the scorer; `multi`: whether nullifiers of every version count.
    pub fn settings(&self, multi: bool) -> BTreeMap<String, String> {
        let trusted = json!([self.0[0].did, self.0[1].did]).to_string();
        let multi = if multi { "on" } else { "off" };
        let pairs = [
            ("TRUSTED_IAM_ISSUERS", trusted.as_str()),
            ("FF_MULTI_NULLIFIER", multi),
            ("FF_API_ANALYTICS", "on"),
            ("DATABASE_CONNECTIONS", "4"),
            ("OTEL_SDK_DISABLED", "true"),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

/// One who signs.
#[derive(Debug)]
pub struct Issuer {
    key: Signer,
    did: String,
}

impl Issuer {
    /// Whose key is the hash of this name.
    pub fn named(name: &str) -> Self {
        let key = Signer::named(name);
        let did = format!("did:ethr:0x{}", key.account());
        Self { key, did }
    }

    /// Who it is.
    pub fn did(&self) -> &str {
        &self.did
    }

    /// A credential in the shape of production, signed. `subject` holds `hash` or
    /// `nullifiers`.
    pub fn credential(
        &self,
        wallet: &str,
        provider: &str,
        subject: &Value,
        expires: &str,
    ) -> Value {
        let mut members = vec![text("id"), text("provider")];
        let mut claims = json!({"id": format!("did:pkh:eip155:1:{wallet}"), "provider": provider});
        for (name, value) in subject.as_object().into_iter().flatten() {
            members.push(typed(name, if value.is_array() { "string[]" } else { "string" }));
            claims[name] = value.clone();
        }
        let context = json!(["https://www.w3.org/2018/credentials/v1"]);
        self.signed(&context, &claims, ("Subject", &json!({"Subject": members})), expires)
    }

    /// A signed credential about `subject`, whose struct is called `name` and declared, with
    /// those that it refers to, in `types`.
    pub fn signed(
        &self,
        context: &Value,
        subject: &Value,
        (name, types): (&str, &Value),
        expires: &str,
    ) -> Value {
        let mut types = types.clone();
        types["EIP712Domain"] = json!([text("name")]);
        types["Document"] = json!([
            typed("@context", "string[]"),
            typed("credentialSubject", name),
            text("expirationDate"),
            text("issuanceDate"),
            text("issuer"),
            typed("proof", "Proof"),
            typed("type", "string[]"),
        ]);
        types["Proof"] = json!([
            text("@context"),
            text("created"),
            text("proofPurpose"),
            text("type"),
            text("verificationMethod"),
        ]);
        let mut credential = json!({
            "@context": context,
            "type": ["VerifiableCredential"],
            "issuer": self.did,
            "issuanceDate": "2025-01-02T03:04:05.678Z",
            "expirationDate": expires,
            "credentialSubject": subject,
            "proof": {
                "@context": "https://w3id.org/security/suites/eip712sig-2021/v1",
                "type": "EthereumEip712Signature2021",
                "proofPurpose": "assertionMethod",
                "created": "2025-01-02T03:04:05.678Z",
                "verificationMethod": format!("{}#controller", self.did),
                "eip712Domain": {
                    "domain": {"name": "VerifiableCredential"},
                    "primaryType": "Document",
                    "types": types,
                },
            },
        });
        let digest = signing_digest(&credential).expect("the types above fit the data above");
        credential["proof"]["proofValue"] = Value::from(self.key.proof_value(&digest));
        credential
    }
}

/// A member of a struct that is signed.
pub fn typed(name: &str, kind: &str) -> Value {
    json!({"name": name, "type": kind})
}

/// A member that is a text.
pub fn text(name: &str) -> Value {
    typed(name, "string")
}
