//! Certificates for tests of TLS, signed by an authority of their own.
//!
//! ```
//! use local_cloud::tls::Authority;
//!
//! let authority = Authority::new("RDS, so to speak")?;
//! let certificate = authority.issue(&["localhost"])?;
//! assert!(authority.bundle().starts_with("-----BEGIN CERTIFICATE-----"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, Error, IsCa, KeyPair,
    KeyUsagePurpose,
};

use crate::supervised::{Account, ServerError, io_error};

/// A certificate authority that lives as long as the test.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// Without the key.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes an authority called `name`.
    ///
    /// # Errors
    /// The crypto library's.
    pub fn new(name: &str) -> Result<Self, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        CertifiedIssuer::self_signed(params, KeyPair::generate()?).map(Self)
    }

    /// What a client must have to believe the authority: its certificate as PEM.
    pub fn bundle(&self) -> String {
        self.0.pem()
    }

    /// A server's certificate for `names`, which are host names or addresses.
    ///
    /// # Errors
    /// A name that is no ASCII text, or the crypto library's.
    pub fn issue(&self, names: &[&str]) -> Result<Certificate, Error> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(names)?.signed_by(&key, &self.0)?;
        Ok(Certificate {
            chain: certificate.pem(),
            key: key.serialize_pem(),
            authority: self.bundle(),
        })
    }
}

/// A server's certificate with its key and its authority's certificate, as PEM.
pub struct Certificate {
    chain: String,
    key: String,
    authority: String,
}

/// A certificate on disk.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    /// The certificate.
    pub(crate) chain: PathBuf,
    /// Its key, which the server's account alone can read.
    pub(crate) key: PathBuf,
    /// What a client must have to believe the server.
    pub(crate) authority: PathBuf,
}

/// Without the key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

impl Certificate {
    /// Writes it into `folder`, the key readable for `account` alone.
    pub(crate) fn write(
        &self,
        folder: &Path,
        account: Option<&Account>,
    ) -> Result<Files, ServerError> {
        let write = |name: &str, text: &str, mode: u32| {
            let path = folder.join(name);
            std::fs::write(&path, text)
                .and_then(|()| std::fs::set_permissions(&path, Permissions::from_mode(mode)))
                .and_then(|()| account.map_or(Ok(()), |account| account.own(&path)))
                .map(|()| path)
                .map_err(io_error("writing a certificate"))
        };
        Ok(Files {
            chain: write("server.crt", &self.chain, 0o644)?,
            key: write("server.key", &self.key, 0o600)?,
            authority: write("authority.crt", &self.authority, 0o644)?,
        })
    }
}
