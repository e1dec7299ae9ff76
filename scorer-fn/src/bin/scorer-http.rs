//! The score endpoint as a plain HTTP server, for a laptop.

use std::net::SocketAddr;

use anyhow::Context;
use clap::Parser;
use scorer_fn::app::{App, Lines, router};
use scorer_fn::config::Config;
use scorer_fn::log;
use serde_json::json;

/// Serve GET /v2/stamps/{scorer_id}/score/{address} over HTTP.
///
/// Needs DATABASE_URL and TRUSTED_IAM_ISSUERS in the environment; the other
/// settings are in scorer-fn/README.md.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Address to listen on; port 0 takes a free one and prints it.
    #[arg(long, default_value = "127.0.0.1:8080", env = "SCORER_LISTEN")]
    listen: SocketAddr,
    /// Most connections to the database.
    #[arg(long, default_value_t = 8)]
    connections: usize,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut config = Config::read(|name| std::env::var(name).ok())?;
    config.limits.connections = arguments.connections.max(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(arguments.listen).await;
        let listener = listener.with_context(|| format!("listening on {}", arguments.listen))?;
        let address = listener.local_addr()?;
        log::print_event(
            "INFO",
            &format!("listening on http://{address}"),
            &json!({"port": address.port()}),
        );
        let app = App::new(config, Lines::Print);
        let flushing = app.clone();
        tokio::spawn(async move { flushing.flush_always().await });
        axum::serve(listener, router(app)).await?;
        Ok(())
    })
}
