//! (placeholder)
pub const FACTS_BYTES_MAX: usize = 10_000;
pub struct Source<'a> {
    pub files: &'a [(String, u64)],
    pub read: &'a dyn Fn(&str, usize) -> Option<Vec<u8>>,
    pub log: &'a [LogLine],
    pub grep: &'a dyn Fn(&[String], usize) -> Vec<WordHit>,
}
pub struct LogLine {
    pub commit: String,
    pub summary: String,
    pub author: String,
    pub at: String,
}
pub struct WordHit {
    pub word: String,
    pub path: String,
    pub line: u32,
    pub text: String,
}
#[derive(Clone, Debug, serde::Serialize)]
pub struct RepoFacts {
    files: usize,
}
impl RepoFacts {
    pub fn gather(source: &Source<'_>, _: &str, _: &str) -> RepoFacts {
        RepoFacts { files: source.files.len() }
    }
    pub fn to_prompt(&self, _: usize) -> String {
        String::new()
    }
}
