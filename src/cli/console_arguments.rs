//! Arguments of the commands that show incidents.

use super::arguments::ConfigArguments;
use super::terminal;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct DemoArguments {
    /// Random seed of the organisation.
    #[arg(long, default_value_t = 7)]
    pub(super) seed: u64,
    /// Ratio of simulated time to real time: at 10, the story of twenty minutes takes two.
    #[arg(long, default_value_t = 10.0)]
    pub(super) speed: f64,
    /// Address of the console.
    #[arg(long, default_value = "127.0.0.1:9464")]
    pub(super) listen: SocketAddr,
    /// Stop after this much real time, such as 30s or 2m.
    #[arg(long = "for", value_name = "DURATION", value_parser = terminal::duration)]
    pub(super) for_: Option<std::time::Duration>,
}

#[derive(Args)]
pub(super) struct IncidentsArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    /// A running service or demo; its token is read from http.token_file or the environment.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9464")]
    pub(super) url: String,
    /// A file of alerts instead, as `replay --alerts` writes it.
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    pub(super) alerts: Option<PathBuf>,
    /// Most incidents to list.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(super) limit: u16,
}

#[derive(Args)]
pub(super) struct WatchArguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    /// A running service or demo; its token is read from http.token_file or the environment.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9464")]
    pub(super) url: String,
    /// Most incidents to list.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(super) limit: u16,
}
