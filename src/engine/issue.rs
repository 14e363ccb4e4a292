//! A story's words from an issue. They are a stranger's: made plain and bounded, and treated like any description.

use super::{Engine, hosting};
use crate::domain::{DESCRIPTION_BYTES_MAX, TITLE_CHARS_MAX};
use crate::error::{Code, Error, Result};
use crate::forge::{GitHub, IssueAddress};
use std::path::Path;

/// Title and description, as an issue has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueText {
    pub title: String,
    pub description: String,
}

impl Engine {
    /// Reads an issue at a GitHub that is known. Blocking.
    ///
    /// # Errors
    /// An address that is no issue's, a host that is not known, and whatever GitHub refuses.
    pub fn read_issue(&self, repository: &Path, url: &str) -> Result<IssueText> {
        self.refuse_inside_attempt()?;
        let shown = || url.chars().take(200).collect::<String>().escape_debug().to_string();
        let address = IssueAddress::parse(url).ok_or_else(|| {
            Error::invalid(format!("read the issue `{}`: that is not the address of an issue", shown()))
                .hint("for example https://github.com/owner/repository/issues/12; or give a title yourself")
        })?;
        let settings = self.config(repository)?.forge;
        let api = settings.api_of(&address.host).ok_or_else(|| {
            Error::invalid(format!("read the issue `{}`: {} is not a GitHub that is known", shown(), address.host))
                .hint("name an Enterprise host under [forge] in config.toml, or give a title yourself")
        })?;
        let token = hosting::token(&settings, &address.host);
        let has_token = token.is_some();
        let issue = GitHub::new(&api, token, settings.timeout())?.issue(&address.slug, address.number).map_err(|error| {
            let error = Error::from(error);
            match error.code {
                Code::NotFound if !has_token => error.hint("a private repository needs a token: `gh auth login`, or set GH_TOKEN"),
                _ => error,
            }
        })?;
        let visible =
            |c: char| !matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        let title: String = issue.title.chars().filter(|c| !c.is_control() && visible(*c)).take(TITLE_CHARS_MAX).collect();
        let body = issue.body.replace("\r\n", "\n");
        let mut description: String = body.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
        let mut end = description.len().min(DESCRIPTION_BYTES_MAX);
        while !description.is_char_boundary(end) {
            end -= 1;
        }
        description.truncate(end);
        Ok(IssueText { title, description })
    }
}
