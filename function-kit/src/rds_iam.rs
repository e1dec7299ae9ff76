//! Logins to RDS and RDS Proxy with an IAM role instead of a password.

use std::error::Error;
use std::time::{Duration, SystemTime};

use aws_sdk_secretsmanager::config::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use url::Url;

use crate::login::Secret;

/// How long a token is good for; it is only looked at while connecting.
const TOKEN_LIFE: Duration = Duration::from_mins(15);

/// What a token is for.
#[derive(Clone, Copy, Debug)]
pub struct RdsLogin<'a> {
    /// The proxy or instance, as the database's client names it.
    pub host: &'a str,
    /// TCP port.
    pub port: u16,
    /// Database user that the role may be (`rds-db:connect`).
    pub user: &'a str,
    /// Where the database is.
    pub region: &'a str,
}

impl RdsLogin<'_> {
    /// A presigned `connect` request without its `https://`, which RDS takes for a
    /// password over TLS. Made on this machine, with no call to AWS.
    ///
    /// # Errors
    /// If host or region cannot be signed.
    pub fn token(
        &self,
        credentials: Credentials,
        now: SystemTime,
    ) -> Result<Secret, Box<dyn Error + Send + Sync>> {
        let identity = credentials.into();
        let mut settings = SigningSettings::default();
        settings.expires_in = Some(TOKEN_LIFE);
        settings.signature_location = SignatureLocation::QueryParams;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name("rds-db")
            .time(now)
            .settings(settings)
            .build()?;
        let mut url = Url::parse(&format!("https://{}:{}/", self.host, self.port))?;
        url.query_pairs_mut().append_pair("Action", "connect").append_pair("DBUser", self.user);
        let request = SignableRequest::new(
            "GET",
            url.as_str(),
            std::iter::empty::<(&str, &str)>(),
            SignableBody::Bytes(&[]),
        )?;
        let (instructions, _) = sign(request, &params.into())?.into_parts();
        for (name, value) in instructions.params() {
            url.query_pairs_mut().append_pair(name, value);
        }
        Ok(Secret::new(url.as_str().trim_start_matches("https://")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rds_token_is_a_presigned_request_for_host_and_user() {
        let keys =
            Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI", Some("tok/en=".into()), None, "test");
        let (host, region) = ("proxy.example", "eu-west-1");
        let login = RdsLogin { host, port: 5433, user: "app", region };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_760_000_000);
        let token = login.token(keys, now).unwrap();
        assert_eq!(format!("{token:?}"), "[redacted]");
        let token = token.expose();
        assert!(token.starts_with("proxy.example:5433/?Action=connect&DBUser=app&"), "{token}");
        for part in [
            "X-Amz-Algorithm=AWS4-HMAC-SHA256",
            "X-Amz-Credential=AKIDEXAMPLE%2F20251009%2Feu-west-1%2Frds-db%2Faws4_request",
            "X-Amz-Date=20251009T085320Z",
            "X-Amz-Expires=900",
            "X-Amz-SignedHeaders=host",
            "X-Amz-Security-Token=tok%2Fen%3D",
            "X-Amz-Signature=",
        ] {
            assert!(token.contains(part), "{part} in {token}");
        }
        assert!(!token.contains("wJalrXUtnFEMI"));
    }
}
