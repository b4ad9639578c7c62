//! `dpctl config [pool [CIDR:PREFIX...]]`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::{json, print};
use super::table::{Align, Table};
use super::{Format, Global};
use crate::error::{Error, Result};
use crate::networks::{POOL, pools};
use crate::pool::Pool;
use crate::session::Session;

/// Shows and sets what holds for all networks
#[derive(Debug, Args)]
pub struct Config {
    #[command(subcommand)]
    setting: Option<Setting>,
}

#[derive(Debug, Subcommand)]
enum Setting {
    Pool(PoolSetting),
}

/// Where networks without a --subnet get theirs
///
/// With a pool of each family, they get a subnet of each.
#[derive(Debug, Args)]
struct PoolSetting {
    /// Pools: addresses, and the prefix length of each subnet, as in 10.200.0.0/16:24
    #[arg(value_name = "CIDR:PREFIX")]
    pools: Vec<Pool>,
    /// Goes back to the pools that there are without a setting
    #[arg(long, conflicts_with = "pools")]
    default: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    value: Vec<String>,
}

impl Config {
    pub(super) async fn run(self, global: &Global) -> Result<ExitCode> {
        match self.setting {
            Some(Setting::Pool(pool)) if pool.default || !pool.pools.is_empty() => pool.set(global).await,
            Some(Setting::Pool(_)) | None => show(global).await,
        }
    }
}

async fn show(global: &Global) -> Result<ExitCode> {
    let pools = match Session::look(&global.directories(), "config").await? {
        Some(session) => pools(&session)?,
        None => Pool::defaults(),
    };
    let row = Row { name: "pool", value: pools.iter().map(ToString::to_string).collect() };
    print(&match global.output {
        Format::Json => json(&[row])?,
        Format::Table => {
            let mut table = Table::new(&[("SETTING", Align::Left), ("VALUE", Align::Left)]);
            for (place, pool) in row.value.iter().enumerate() {
                let name = if place == 0 { row.name } else { "" };
                table.row([name.to_owned(), pool.clone()]);
            }
            table.render(global.color)
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

impl PoolSetting {
    async fn set(self, global: &Global) -> Result<ExitCode> {
        for (place, pool) in self.pools.iter().enumerate() {
            if let Some(other) =
                self.pools[..place].iter().find(|other| crate::subnet::overlap(other.cidr, pool.cidr))
            {
                return Err(Error::Usage(format!("config pool: {pool} overlaps {other}")));
            }
        }
        let mut session = Session::change_few(&global.directories(), "config").await?;
        let words: Vec<String> = self.pools.iter().map(ToString::to_string).collect();
        let value = (!self.default).then(|| words.join(" "));
        match session.store.set_setting(POOL, value.as_deref()) {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(session.give_up(error)),
        }
    }
}
