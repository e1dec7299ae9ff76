//! Versions and aliases of one function, and its code as it changes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::aws::AwsError;
use crate::clock::timestamp;
use crate::topology::{AliasSpec, Deployment, FunctionSpec};

/// The version that is not published: what was deployed last.
pub(crate) const LATEST: &str = "$LATEST";

/// Code and configuration as one process runs them; never changes.
#[derive(Debug)]
pub(crate) struct Build {
    /// Unique within the function; a process belongs to one build.
    pub(crate) number: u64,
    /// `$LATEST` or a number.
    pub(crate) version: String,
    pub(crate) spec: FunctionSpec,
    /// Base64, as Lambda shows it.
    pub(crate) code_sha256: String,
    /// Simulated milliseconds since 1970.
    pub(crate) modified_ms: i64,
}

/// How the last update of `$LATEST` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpdateStatus {
    Successful,
    InProgress,
    Failed,
}

impl UpdateStatus {
    /// `LastUpdateStatus` of the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Successful => "Successful",
            Self::InProgress => "InProgress",
            Self::Failed => "Failed",
        }
    }
}

/// A version, as a person sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VersionState {
    /// `$LATEST` or a number.
    pub version: String,
    /// `CodeSha256` of the API.
    pub code_sha256: String,
    /// `LastModified` of the API; simulated time.
    pub last_modified: String,
    /// `LastUpdateStatus` of the API.
    pub last_update_status: &'static str,
}

/// An update that is not carried out yet, or was not.
#[derive(Debug)]
struct Update {
    build: Arc<Build>,
    settles_ms: i64,
    fails: bool,
}

/// All builds of a function that can be invoked.
#[derive(Debug)]
pub(super) struct Catalog {
    latest: Arc<Build>,
    update: Option<Update>,
    /// Version 1 first.
    published: Vec<Arc<Build>>,
    /// Number of the `$LATEST` that the newest version was published from.
    published_from: Option<u64>,
    aliases: BTreeMap<String, AliasSpec>,
    next_number: u64,
}

/// 2026-01-01T00:00:00Z.
const FIRST_DEPLOYED_MS: i64 = 1_767_225_600_000;

impl Catalog {
    /// The topology's function: its versions, its aliases, and `$LATEST` as the spec has it.
    /// All of it was deployed at one fixed time, so that a cloud that is started
    /// again has the same functions.
    pub(super) fn new(spec: &FunctionSpec) -> Self {
        let mut next_number = 1;
        let mut build = |version: &str, spec: FunctionSpec| {
            let number = next_number;
            next_number += 1;
            Arc::new(Build {
                number,
                version: version.to_owned(),
                code_sha256: code_sha256(&spec),
                spec,
                modified_ms: FIRST_DEPLOYED_MS,
            })
        };
        let latest = build(LATEST, spec.clone());
        let published: Vec<Arc<Build>> = (1..)
            .zip(&spec.versions)
            .map(|(number, change)| {
                let mut spec = spec.clone();
                apply(&mut spec, change.command.as_ref(), change.cwd.as_deref(), &change.env);
                build(&format!("{number}"), spec)
            })
            .collect();
        // A version that changes nothing was published from `$LATEST`.
        let unchanged = spec.versions.last().is_some_and(|last| {
            last.command.is_none() && last.cwd.is_none() && last.env.is_empty()
        });
        Self {
            published_from: unchanged.then_some(latest.number),
            latest,
            update: None,
            published,
            aliases: spec.aliases.clone(),
            next_number,
        }
    }

    /// Carries out an update whose time has come; the number of the build that it replaced.
    pub(super) fn settle(&mut self, now_ms: i64) -> Option<u64> {
        let due = |update: &mut Update| update.settles_ms <= now_ms && !update.fails;
        let update = self.update.take_if(due)?;
        let replaced = std::mem::replace(&mut self.latest, update.build);
        Some(replaced.number)
    }

    /// A version by its number, or `$LATEST`.
    pub(super) fn version(&self, version: &str) -> Option<&Arc<Build>> {
        if version == LATEST {
            return Some(&self.latest);
        }
        self.published.iter().find(|build| build.version == version)
    }

    pub(super) fn alias(&self, name: &str) -> Option<&AliasSpec> {
        self.aliases.get(name)
    }

    pub(super) fn aliases(&self) -> BTreeMap<String, AliasSpec> {
        self.aliases.clone()
    }

    pub(super) fn versions(&self, now_ms: i64) -> Vec<VersionState> {
        let (latest, status) = self.described(&self.latest, now_ms);
        let published =
            self.published.iter().map(|build| (build.clone(), UpdateStatus::Successful));
        std::iter::once((latest, status))
            .chain(published)
            .map(|(build, status)| VersionState {
                version: build.version.clone(),
                code_sha256: build.code_sha256.clone(),
                last_modified: aws_time(build.modified_ms),
                last_update_status: status.as_str(),
            })
            .collect()
    }

    /// What the API says of a build. While `$LATEST` is being updated it shows
    /// the new code, and invocations still run the old one.
    pub(super) fn described(&self, build: &Arc<Build>, now_ms: i64) -> (Arc<Build>, UpdateStatus) {
        match &self.update {
            Some(update) if build.version == LATEST => {
                if update.settles_ms > now_ms {
                    (update.build.clone(), UpdateStatus::InProgress)
                } else if update.fails {
                    (self.latest.clone(), UpdateStatus::Failed)
                } else {
                    (update.build.clone(), UpdateStatus::Successful)
                }
            }
            _ => (build.clone(), UpdateStatus::Successful),
        }
    }

    /// Updates `$LATEST`, publishes it, moves an alias: as far as the deployment says.
    ///
    /// The version that is now published, or `$LATEST`.
    pub(super) fn deploy(
        &mut self,
        deployment: &Deployment,
        now_ms: i64,
    ) -> Result<String, AwsError> {
        if self.update.as_ref().is_some_and(|update| update.settles_ms > now_ms) {
            return Err(AwsError {
                status: 409,
                code: "ResourceConflictException".to_owned(),
                message: format!(
                    "The operation cannot be performed at this time. An update is in progress for \
                     resource: {}",
                    self.latest.spec.name
                ),
            });
        }
        let publishes = deployment.publish || deployment.alias.is_some();
        let waits = !deployment.settle.is_zero() || deployment.fails;
        if publishes && waits {
            return Err(invalid(
                "publish and alias cannot be combined with settle or fails: deploy first, publish \
                 once it has settled",
            ));
        }
        if deployment.command.as_ref().is_some_and(Vec::is_empty) {
            return Err(invalid("command = []: name a program"));
        }
        if deployment.alias.as_deref().is_some_and(|alias| !is_alias(alias)) {
            return Err(bad_alias(deployment.alias.as_deref().unwrap_or_default()));
        }
        if deployment.changes() || !publishes {
            let mut spec = self.latest.spec.clone();
            apply(
                &mut spec,
                deployment.command.as_ref(),
                deployment.cwd.as_deref(),
                &deployment.env,
            );
            let settle_ms = i64::try_from(deployment.settle.as_millis()).unwrap_or(i64::MAX / 4);
            let build = self.build(LATEST, spec, now_ms);
            self.update =
                Some(Update { build, settles_ms: now_ms + settle_ms, fails: deployment.fails });
        }
        if !publishes {
            return Ok(LATEST.to_owned());
        }
        // Nothing waits here, so the newest code is what the update carries.
        let newest = self.update.as_ref().filter(|update| !update.fails);
        let newest = newest.map_or(&self.latest, |update| &update.build).clone();
        let version = self.publish(&newest, now_ms);
        if let Some(alias) = &deployment.alias {
            let spec = AliasSpec { version: version.clone(), split: None };
            self.aliases.insert(alias.clone(), spec);
        }
        Ok(version)
    }

    /// The newest version if nothing has changed since, as Lambda does, else a new one.
    fn publish(&mut self, latest: &Arc<Build>, now_ms: i64) -> String {
        if let (Some(from), Some(newest)) = (self.published_from, self.published.last())
            && from == latest.number
        {
            return newest.version.clone();
        }
        let version = format!("{}", self.published.len() + 1);
        let build = self.build(&version, latest.spec.clone(), now_ms);
        self.published.push(build);
        self.published_from = Some(latest.number);
        version
    }

    /// Creates or moves an alias.
    pub(super) fn set_alias(&mut self, name: &str, alias: AliasSpec) -> Result<(), AwsError> {
        if !is_alias(name) {
            return Err(bad_alias(name));
        }
        let versions = self.published.iter().map(|build| build.version.as_str());
        check_alias(&alias, versions).map_err(|fix| invalid(&fix))?;
        self.aliases.insert(name.to_owned(), alias);
        Ok(())
    }

    /// Removes an alias; false if there is none of this name.
    pub(super) fn remove_alias(&mut self, name: &str) -> bool {
        self.aliases.remove(name).is_some()
    }

    fn build(&mut self, version: &str, spec: FunctionSpec, now_ms: i64) -> Arc<Build> {
        let number = self.next_number;
        self.next_number += 1;
        // Two deployments never carry the same stamp, even while a manual clock stands still.
        let newest = self.published.iter().map(|build| build.modified_ms).max();
        let newest = newest.unwrap_or(i64::MIN).max(self.latest.modified_ms);
        let pending = self.update.as_ref().map_or(i64::MIN, |update| update.build.modified_ms);
        Arc::new(Build {
            number,
            version: version.to_owned(),
            code_sha256: code_sha256(&spec),
            spec,
            modified_ms: now_ms.max(newest.max(pending) + 1),
        })
    }
}

/// `LastModified` as Lambda writes it.
pub(crate) fn aws_time(ms: i64) -> String {
    timestamp(ms).strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

/// Whether an alias may have this name: Lambda tells versions apart by their digits.
pub(crate) fn is_alias(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !name.is_empty()
        && name.len() <= 128
        && name.bytes().all(plain)
        && !name.bytes().all(|byte| byte.is_ascii_digit())
}

/// Checks an alias against the published versions; the error says what to write.
pub(crate) fn check_alias<'a>(
    alias: &AliasSpec,
    published: impl Iterator<Item = &'a str>,
) -> Result<(), String> {
    let published: Vec<&str> = published.collect();
    let list = || published.join(", ");
    if alias.version != LATEST && !published.contains(&alias.version.as_str()) {
        let version = &alias.version;
        return Err(format!("version = {version}: write $LATEST or one of: {}", list()));
    }
    let Some(split) = &alias.split else { return Ok(()) };
    if alias.version == LATEST {
        return Err(
            "version = $LATEST: an alias that splits points to two published versions".into()
        );
    }
    if !published.contains(&split.version.as_str()) || split.version == alias.version {
        let version = &split.version;
        return Err(format!("split.version = {version}: write another one of: {}", list()));
    }
    if !(0.0..=1.0).contains(&split.weight) {
        return Err(format!("split.weight = {}: write 0 to 1", split.weight));
    }
    Ok(())
}

fn invalid(message: &str) -> AwsError {
    AwsError::sender("InvalidParameterValueException", message)
}

fn bad_alias(name: &str) -> AwsError {
    invalid(&format!(
        "alias {name:?}: write letters, digits, - and _, at most 128, not digits alone"
    ))
}

fn apply(
    spec: &mut FunctionSpec,
    command: Option<&Vec<String>>,
    cwd: Option<&Path>,
    env: &BTreeMap<String, String>,
) {
    if let Some(command) = command {
        spec.command = command.clone();
    }
    if let Some(cwd) = cwd {
        spec.cwd = Some(cwd.to_owned());
    }
    spec.env.extend(env.iter().map(|(name, value)| (name.clone(), value.clone())));
}

/// Stands for the code: the words of the command, and size and time of those that are files.
///
/// The contents are not read: a debug build has a hundred megabytes. Variables
/// are configuration, not code, as in Lambda; so is what a script imports.
fn code_sha256(spec: &FunctionSpec) -> String {
    let mut digest = Sha256::new();
    for word in &spec.command {
        digest.update((word.len() as u64).to_be_bytes());
        digest.update(word.as_bytes());
        let path = spec.cwd.as_ref().map_or_else(|| word.into(), |cwd| cwd.join(word));
        if let Ok(file) = std::fs::metadata(path)
            && file.is_file()
        {
            let modified = file.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            digest.update(file.len().to_be_bytes());
            digest.update(modified.unwrap_or_default().as_nanos().to_be_bytes());
        }
    }
    STANDARD.encode(digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn catalog() -> Catalog {
        Catalog::new(&FunctionSpec::new("f", ["true"]))
    }

    fn deploy(catalog: &mut Catalog, deployment: &Deployment, now_ms: i64) -> String {
        let version = catalog.deploy(deployment, now_ms).unwrap();
        catalog.settle(now_ms);
        version
    }

    #[test]
    fn a_command_changes_the_code_and_a_variable_only_the_stamp() {
        let mut catalog = catalog();
        let before = catalog.latest.clone();
        deploy(&mut catalog, &Deployment::new().env("A", "b"), 1_000);
        let configured = catalog.latest.clone();
        assert_eq!(configured.code_sha256, before.code_sha256);
        assert!(configured.modified_ms > before.modified_ms);
        deploy(&mut catalog, &Deployment::new().command(["false"]), 1_000);
        let coded = &catalog.latest;
        assert_ne!(coded.code_sha256, before.code_sha256);
        assert!(coded.modified_ms > configured.modified_ms);
        assert_eq!(coded.spec.env["A"], "b");
        assert_eq!(coded.code_sha256.len(), 44);
    }

    #[test]
    fn publishing_unchanged_code_gives_the_same_version() {
        let mut catalog = catalog();
        assert_eq!(deploy(&mut catalog, &Deployment::new().publish(), 1_000), "1");
        assert_eq!(deploy(&mut catalog, &Deployment::new().publish(), 2_000), "1");
        let change = Deployment::new().env("A", "b").alias("live");
        assert_eq!(deploy(&mut catalog, &change, 3_000), "2");
        assert_eq!(catalog.alias("live").unwrap().version, "2");
        assert!(!catalog.version("1").unwrap().spec.env.contains_key("A"));
    }

    #[test]
    fn an_update_shows_the_new_code_and_runs_the_old_until_it_settles() {
        let mut catalog = catalog();
        let old = catalog.latest.clone();
        let slow = Deployment::new().command(["false"]).settle(Duration::from_secs(5));
        catalog.deploy(&slow, 1_000).unwrap();
        assert_eq!(catalog.settle(5_999), None);
        let (shown, status) = catalog.described(&old, 5_999);
        assert_eq!(status, UpdateStatus::InProgress);
        assert_ne!(shown.code_sha256, old.code_sha256);
        let refused = catalog.deploy(&Deployment::new(), 5_999).unwrap_err();
        assert_eq!(refused.code, "ResourceConflictException");
        assert_eq!(catalog.settle(6_000), Some(old.number));
        assert_eq!(catalog.latest.code_sha256, shown.code_sha256);
    }

    #[test]
    fn a_failed_update_leaves_the_old_code() {
        let mut catalog = catalog();
        let old = catalog.latest.clone();
        catalog.deploy(&Deployment::new().command(["false"]).failing(), 1_000).unwrap();
        assert_eq!(catalog.settle(9_000), None);
        let (shown, status) = catalog.described(&old, 9_000);
        assert_eq!((shown.number, status), (old.number, UpdateStatus::Failed));
        deploy(&mut catalog, &Deployment::new().command(["false"]), 9_000);
        assert_ne!(catalog.latest.code_sha256, old.code_sha256);
    }

    #[test]
    fn an_alias_must_point_to_what_exists() {
        let mut catalog = catalog();
        let to = |version: &str| AliasSpec { version: version.into(), split: None };
        for (name, alias) in [
            ("12", to(LATEST)),
            ("a b", to(LATEST)),
            ("live", to("1")),
            ("live", AliasSpec::new(LATEST).split("1", 0.5)),
        ] {
            assert!(catalog.set_alias(name, alias.clone()).is_err(), "{name} {alias:?}");
        }
        deploy(&mut catalog, &Deployment::new().publish(), 1_000);
        deploy(&mut catalog, &Deployment::new().env("A", "b").publish(), 1_000);
        let same = AliasSpec::new("1").split("1", 0.5);
        assert!(catalog.set_alias("live", same).is_err());
        let heavy = AliasSpec::new("1").split("2", 1.5);
        assert!(catalog.set_alias("live", heavy).is_err());
        catalog.set_alias("live", AliasSpec::new("1").split("2", 0.5)).unwrap();
        assert!(catalog.remove_alias("live") && !catalog.remove_alias("live"));
    }
}
