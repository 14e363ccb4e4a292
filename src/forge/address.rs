//! Addresses: which repository on which host a remote or an issue means.

use std::fmt;

/// `owner/name`, of characters that are safe in a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slug {
    pub owner: String,
    pub name: String,
}

impl Slug {
    /// None for anything but two plain names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Slug> {
        let (owner, name) = text.split_once('/')?;
        (is_name(owner) && is_name(name)).then(|| Slug { owner: owner.to_owned(), name: name.to_owned() })
    }

    /// The repository that a page of a forge belongs to: `https://github.com/owner/name/pull/7`.
    #[must_use]
    pub fn of_page(url: &str) -> Option<Slug> {
        let mut parts = url.split_once("://")?.1.split('/').skip(1);
        Slug::parse(&format!("{}/{}", parts.next()?, parts.next()?))
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

fn is_name(text: &str) -> bool {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !text.is_empty() && text.len() <= 100 && text.chars().all(safe) && text != "." && text != ".."
}

/// What a remote's URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteAddress {
    /// In lower case, without a port.
    pub host: String,
    pub slug: Slug,
    /// Whether SSH reads the host, so that it may be a name of the user's own in `~/.ssh/config`.
    pub over_ssh: bool,
}

impl RemoteAddress {
    /// None for a path, and for anything that is not `host/owner/name`.
    #[must_use]
    pub fn parse(url: &str) -> Option<RemoteAddress> {
        let url = url.trim();
        let ((host, path), over_ssh) = match url.split_once("://") {
            Some((scheme, rest)) => {
                if !["https", "http", "ssh", "git", "git+ssh"].contains(&scheme) {
                    return None;
                }
                (rest.split_once('/')?, scheme.ends_with("ssh"))
            }
            // The short form of SSH; `C:\path` and `C:/path` are not it.
            None => (url.split_once(':').filter(|(host, path)| host.len() > 1 && !host.contains('/') && !path.starts_with('/'))?, true),
        };
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let host = host.split_once(':').map_or(host, |(host, _)| host).to_ascii_lowercase();
        let path = path.trim_matches('/');
        let slug = Slug::parse(path.strip_suffix(".git").unwrap_or(path))?;
        let host = if host == "ssh.github.com" { "github.com".to_owned() } else { host };
        (!host.is_empty()).then_some(RemoteAddress { host, slug, over_ssh })
    }
}

/// What the address of an issue says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueAddress {
    pub host: String,
    pub slug: Slug,
    pub number: u64,
}

impl IssueAddress {
    /// For example `https://github.com/owner/name/issues/12`, with or without what follows `#` or `?`.
    #[must_use]
    pub fn parse(url: &str) -> Option<IssueAddress> {
        let url = url.trim().split(['#', '?']).next()?.trim_end_matches('/');
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
        let parts: Vec<&str> = rest.split('/').collect();
        let [host, owner, name, "issues", number] = parts.as_slice() else { return None };
        let host = host.split_once(':').map_or(*host, |(host, _)| host).to_ascii_lowercase();
        let slug = Slug::parse(&format!("{owner}/{name}"))?;
        let number = number.parse().ok().filter(|number| *number > 0)?;
        (!host.is_empty() && !host.contains('@')).then_some(IssueAddress { host, slug, number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_form_of_a_remote_means_the_same_repository() {
        for url in [
            "https://github.com/acme/shop.git",
            "https://github.com/acme/shop",
            "https://github.com/acme/shop/",
            "https://x:secret@github.com:443/acme/shop.git",
            "git@github.com:acme/shop.git",
            "ssh://git@ssh.github.com:443/acme/shop.git",
            "ssh://git@GitHub.com/acme/shop",
        ] {
            let address = RemoteAddress::parse(url).unwrap_or_else(|| panic!("{url}"));
            assert_eq!((address.host.as_str(), address.slug.to_string().as_str()), ("github.com", "acme/shop"), "{url}");
        }
        for url in
            ["/srv/shop.git", "../shop", "C:\\repos\\shop", "C:/repos/shop", "file:///srv/acme/shop", "https://github.com/acme", "x:y"]
        {
            assert_eq!(RemoteAddress::parse(url), None, "{url}");
        }
    }

    #[test]
    fn only_an_issue_is_an_issue() {
        let issue = IssueAddress::parse("https://github.com/acme/shop/issues/12#issuecomment-3").unwrap();
        assert_eq!((issue.host.as_str(), issue.slug.to_string().as_str(), issue.number), ("github.com", "acme/shop", 12));
        for url in [
            "https://github.com/acme/shop/pull/12",
            "https://github.com/acme/shop/issues/0",
            "https://github.com/acme/shop/issues",
            "https://github.com/../shop/issues/1",
            "https://evil@github.com/acme/shop/issues/1",
            "github.com/acme/shop/issues/1",
        ] {
            assert_eq!(IssueAddress::parse(url), None, "{url}");
        }
    }
}
