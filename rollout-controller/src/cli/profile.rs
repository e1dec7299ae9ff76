//! `setup`, and the profile that it writes: where the controller is, said once.

use crate::config::emergency;
use anyhow::{Context as _, bail};
use serde::Deserialize;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Names another place for the profile.
pub const VARIABLE: &str = "ROLLOUT_PROFILE";

/// Where the controller is. Flags and variables come before it, and unknown keys
/// are another version's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Profile {
    /// The rollout.
    pub rollout: Option<String>,
    /// AWS region of the functions.
    pub region: Option<String>,
    /// Function that takes commands.
    pub command_function: Option<String>,
    /// Function that answers questions.
    pub view_function: Option<String>,
    /// Role that people take for commands; shown where AWS denies one.
    pub operator_role_arn: Option<String>,
    /// Role that people take for `rollback --direct`.
    pub emergency_role_arn: Option<String>,
}

#[derive(Deserialize)]
struct File {
    profile: Profile,
}

/// Where the profile is: `ROLLOUT_PROFILE`, or `rollout/profile.toml` in
/// `XDG_CONFIG_HOME` or `~/.config`.
pub fn path() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set(VARIABLE).or_else(|| {
        let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
        Some(folder.join("rollout").join("profile.toml"))
    })
}

/// Reads a profile's text.
///
/// # Errors
/// If it is no TOML, or has no table `[profile]`.
pub fn parse(text: &str) -> anyhow::Result<Profile> {
    let file: File = toml::from_str(text).context(
        "this is no profile; the stack prints one: pulumi stack output rolloutctlProfile",
    )?;
    Ok(file.profile)
}

/// The profile, empty if there is none.
///
/// # Errors
/// If the file is there and cannot be used.
pub fn load() -> anyhow::Result<Profile> {
    let Some(path) = path().filter(|path| path.exists()) else { return Ok(Profile::default()) };
    let text = std::fs::read_to_string(&path);
    let text = text.with_context(|| format!("reading {}", path.display()))?;
    parse(&text).with_context(|| format!("reading {}", path.display()))
}

/// Say once where the controller is, so that no command needs names.
///
/// Takes the profile that the stack prints, checks it, and writes it to
/// ~/.config/rollout/profile.toml (or ROLLOUT_PROFILE). It holds names, a region,
/// roles and the ARNs of rules and groups, and no secret; `rollback --direct` works
/// with it alone.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rolloutctl setup profile.toml\n  rolloutctl setup -      what `pulumi stack output rolloutctlProfile` prints, by a pipe"
)]
pub struct Setup {
    /// The profile; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write over a profile that says something else.
    #[arg(long)]
    force: bool,
}

/// Runs `setup`.
///
/// # Errors
/// If the profile cannot be read, makes no sense, or cannot be written.
pub fn run(args: &Setup) -> anyhow::Result<ExitCode> {
    let text = if args.file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("reading standard input")?;
        text
    } else {
        let read = std::fs::read_to_string(&args.file);
        read.with_context(|| format!("reading {}", args.file.display()))?
    };
    let profile = parse(&text)?;
    let missing: Vec<&str> = [
        ("region", &profile.region),
        ("command_function", &profile.command_function),
        ("view_function", &profile.view_function),
    ]
    .into_iter()
    .filter(|(_, value)| value.as_ref().is_none_or(String::is_empty))
    .map(|(key, _)| key)
    .collect();
    if !missing.is_empty() {
        bail!(
            "profile.{} is missing; take the whole output of the stack",
            missing.join(", profile.")
        );
    }
    let emergency = emergency::parse(&text, profile.rollout.as_deref())
        .context("`rollback --direct` needs the rules and groups in the profile")?;
    let Some(path) = path() else {
        bail!("neither {VARIABLE} nor HOME is set; set {VARIABLE} to the file to write");
    };
    let differs = std::fs::read_to_string(&path).is_ok_and(|there| there != text);
    if differs && !args.force {
        bail!("{} says something else; --force writes over it", path.display());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    std::fs::write(&path, &text).with_context(|| format!("writing {}", path.display()))?;
    let routes = emergency.routes.len();
    super::out(&format!(
        "✔ {} is written: {}, {routes} route{}\nTry: rolloutctl status\n",
        path.display(),
        emergency.name,
        if routes == 1 { "" } else { "s" },
    ))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_with_keys_of_other_versions_in_it() {
        let text = "[profile]\nregion = \"eu-west-1\"\nview_function = \"score-view\"\nnewer = 1\n";
        let profile = parse(text).unwrap();
        assert_eq!(profile.region.as_deref(), Some("eu-west-1"));
        assert_eq!(profile.view_function.as_deref(), Some("score-view"));
        assert_eq!(profile.command_function, None);
        let error = format!("{:#}", parse("region = 1").unwrap_err());
        assert!(error.contains("pulumi stack output rolloutctlProfile"), "{error}");
    }
}
