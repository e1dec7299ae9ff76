//! The demo's cloud by itself: no traffic, no orders, for `local-cloud up`.

use std::time::Duration;

use crate::LocalCloud;
use crate::postgres::PrivatePostgres;

use super::ctl::Ctl;
use super::home::{Folder, Home};
use super::machine::Chosen;
use super::plan::Plan;
use super::screen::Screen;
use super::{prepare, start_database};

/// A running cloud with its own database, configuration and journal; all of it goes
/// when this does.
pub struct Stand {
    // The cloud before its database.
    cloud: LocalCloud,
    environment: Vec<String>,
    _postgres: PrivatePostgres,
    _folder: Folder,
}

impl Stand {
    /// Starts it with this real length of a simulated minute.
    ///
    /// # Errors
    /// What is missing or could not be started; the text names the fix.
    pub async fn start(minute: Duration, seed: u64) -> anyhow::Result<Self> {
        let home = Home::find()?;
        let plan = Plan { seed, ..Plan::long() };
        let folder = Folder::make(None)?;
        let mut postgres = None;
        let database = start_database(&home, &Screen::aside(), &mut postgres).await?;
        let postgres = postgres.ok_or_else(|| anyhow::anyhow!("the database was started"))?;
        let chosen = Chosen { minute, ..Chosen::to_measure(&plan) };
        let files = folder.demo();
        let topology = plan.topology(&home, &files, &database, &chosen);
        let region = topology.region.clone();
        prepare(&home, &plan, &topology, &files, &chosen).await?;
        let cloud = LocalCloud::start_printing(topology).await?;
        let ctl = Ctl::new(&home.rolloutctl, cloud.aws_endpoint(), &region);
        let environment = ctl.at(cloud.rollout_clock()).environment();
        Ok(Self { cloud, environment, _postgres: postgres, _folder: folder })
    }

    /// The cloud.
    pub fn cloud(&self) -> &LocalCloud {
        &self.cloud
    }

    /// What `rolloutctl` needs, as `NAME=VALUE`.
    pub fn environment(&self) -> &[String] {
        &self.environment
    }

    /// Ends it, and waits until all is gone.
    pub async fn end(self) {
        self.cloud.shutdown().await;
    }
}
