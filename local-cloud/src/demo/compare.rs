//! Before any traffic: a build that answers wrongly, and the one that is right.
//!
//! Both answer 200 and in time, so errors and latency would promote both.

use anyhow::Context as _;

use crate::{Deployment, LocalCloud};

use super::ctl::Ctl;
use super::home::{Files, Folder, Home};
use super::plan::{BALANCER, RUST_FUNCTION};
use super::screen::Screen;

/// Makes a build of the scorer wrong; see its `fault.rs`.
const WRONG: &str = "LOCAL_CLOUD_WRONG";
/// Variable that holds the API key.
const KEY: &str = "SCORER_KEY";

/// Compares a wrong build, then the right one. True if only the first differs.
///
/// # Errors
/// What cannot be deployed or run.
pub(super) async fn play(
    cloud: &LocalCloud,
    ctl: &Ctl,
    home: &Home,
    folder: &Folder,
    files: &Files,
    screen: &Screen,
) -> anyhow::Result<bool> {
    let requests = folder.file("paths.txt");
    let paths: Vec<String> =
        home.addresses.iter().map(|address| format!("/v2/stamps/1/score/{address}")).collect();
    std::fs::write(&requests, paths.join("\n")).context("writing the requests")?;
    let (config, requests) = (files.config.to_string_lossy(), requests.to_string_lossy());
    let url = cloud.alb_url(BALANCER);
    let args = ["compare", "--config", &config, "--requests", &requests, "--url", &url];
    let more = ["--key-env", KEY, "--rate", "50/s", "--timeout", "2m"];
    let args = [&args[..], &more[..]].concat();
    screen.line("$ rolloutctl compare --config rollout.toml --requests paths.txt --url …")?;
    for (build, wrong, wanted) in
        [("a build that rounds one weight", "rounds-one-weight", 1), ("the build as it is", "", 0)]
    {
        let deployment = Deployment::new().env(WRONG, wrong);
        cloud.deploy(RUST_FUNCTION, &deployment).with_context(|| format!("deploying {build}"))?;
        let (said, code) = ctl.compare(&args, (KEY, &home.api_key)).await?;
        if code != Some(wanted) {
            screen
                .line(&format!("✖ NOT AS EXPECTED: {build}: exit code {code:?}, not {wanted}"))?;
            for line in said {
                screen.line(&format!("  {line}"))?;
            }
            return Ok(false);
        }
        screen.line(&format!("{build}: exit code {wanted}"))?;
        // Without the verdict's sign, which here is as it should be.
        for line in said {
            screen.line(&format!("  {}", line.trim_start_matches(['✖', '✔', ' '])))?;
        }
    }
    Ok(true)
}
