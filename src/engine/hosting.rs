//! Which repository of which forge a remote is, and where a token for it comes from. Nothing is asked of a forge here.

use crate::config;
use crate::error::Result;
use crate::forge::{self, ForgeConfig, RemoteAddress, Token};
use crate::git::Repo;

/// A remote at a GitHub that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hosted {
    pub address: RemoteAddress,
    /// Address of the host's API.
    pub api: String,
}

/// Where a remote is pushed to, as git rewrites it, else as it is written: its `pushurl` before its `url`.
pub(super) fn pushed_to(repo: &Repo, settings: &ForgeConfig, remote: &str) -> Result<Option<Hosted>> {
    let used = known(settings, &[repo.remote_urls(remote)?.push]);
    if used.is_some() {
        return Ok(used);
    }
    let written = ["pushurl", "url"].map(|key| repo.setting(&format!("remote.{remote}.{key}")));
    let [pushurl, url] = written;
    Ok(known(settings, &[pushurl?, url?]))
}

/// Where a remote is fetched from.
pub(super) fn fetched_from(repo: &Repo, settings: &ForgeConfig, remote: &str) -> Result<Option<Hosted>> {
    let used = known(settings, &[repo.remote_urls(remote)?.fetch]);
    if used.is_some() { Ok(used) } else { Ok(known(settings, &[repo.setting(&format!("remote.{remote}.url"))?])) }
}

/// The first that is at a GitHub that is known.
fn known(settings: &ForgeConfig, urls: &[Option<String>]) -> Option<Hosted> {
    let addresses: Vec<RemoteAddress> = urls.iter().flatten().filter_map(|url| RemoteAddress::parse(url)).collect();
    let is_known = |address: &RemoteAddress| settings.api_of(&address.host).map(|api| Hosted { address: address.clone(), api });
    addresses.iter().find_map(is_known).or_else(|| {
        // `git@work:acme/shop.git`, where `work` is a name in `~/.ssh/config`.
        addresses.iter().filter(|address| address.over_ssh).find_map(|address| {
            let host = forge::host_of_ssh(&address.host).filter(|host| *host != address.host)?;
            is_known(&RemoteAddress { host, ..address.clone() })
        })
    })
}

/// The token for a host: of the environment, else of `gh`.
pub(super) fn token(settings: &ForgeConfig, host: &str) -> Option<Token> {
    config::forge_token(settings, host).map(|(_, token)| token).or_else(|| forge::token_of_gh(host))
}
