//! Files of other programs: read whole, replaced whole or not at all, with a copy of what was there before the first entry.

use crate::error::{Code, Error, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Larger than any file of settings.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Links that lead to links.
const LINKS_MAX: usize = 40;

/// One file of a host, as it was when it was looked at.
pub(super) struct HostFile {
    /// Where the host looks.
    pub path: PathBuf,
    /// Where it is: a link is kept, and what it leads to is changed.
    target: PathBuf,
    pub text: Option<String>,
}

impl HostFile {
    pub(super) fn read(path: PathBuf) -> Result<HostFile> {
        let target = behind_links(&path);
        let text = read(&target)?;
        Ok(HostFile { path, target, text })
    }

    /// Beside the file: what it held before Aura's entry.
    pub(super) fn backup(&self) -> PathBuf {
        let mut name = self.target.file_name().unwrap_or_default().to_owned();
        name.push(".aura-backup");
        self.target.with_file_name(name)
    }
    pub(super) fn backed_up(&self) -> Result<Option<String>> {
        read(&self.backup())
    }

    /// Keeps what is there now.
    pub(super) fn keep(&self) -> Result<()> {
        match &self.text {
            Some(text) => self.put(&self.backup(), text),
            None => Ok(()),
        }
    }

    /// Writes the new text, or removes the file, if it is still what it was when it was looked at.
    pub(super) fn write(&self, text: Option<&str>) -> Result<()> {
        if let (Some(parent), Some(_)) = (self.target.parent(), text) {
            fs::create_dir_all(parent).map_err(|e| failed("create", parent, e))?;
        }
        if read(&self.target)? != self.text {
            return Err(Error::new(Code::Conflict, format!("{} was changed by another program at this moment", self.path.display()))
                .hint("nothing was written: do it again"));
        }
        match text {
            Some(text) => self.put(&self.target, text),
            None => fs::remove_file(&self.target).map_err(|e| failed("remove", &self.target, e)),
        }
    }

    /// Beside it and then in its place, with the rights of the file that is there.
    fn put(&self, path: &Path, text: &str) -> Result<()> {
        let beside = path.with_file_name(format!(".aura-{}.tmp", uuid::Uuid::new_v4().simple()));
        let written = write_new(&beside, text, &self.target).and_then(|()| fs::rename(&beside, path));
        written.map_err(|error| {
            let _ = fs::remove_file(&beside);
            failed("write", path, error)
        })
    }
}

fn write_new(path: &Path, text: &str, like: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    // Such a file may come to hold a login.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file: File = options.open(path)?;
    if let Ok(there) = fs::metadata(like) {
        file.set_permissions(there.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn behind_links(path: &Path) -> PathBuf {
    let mut target = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(next) = fs::read_link(&target) else { break };
        target = target.parent().map_or(next.clone(), |parent| parent.join(&next));
    }
    target
}

/// None if there is no such file.
fn read(path: &Path) -> Result<Option<String>> {
    let bytes = match fs::metadata(path).and_then(|found| if found.len() > BYTES_MAX { Ok(None) } else { fs::read(path).map(Some) }) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err(Error::invalid(format!("{} is larger than {BYTES_MAX} bytes", path.display()))),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path, error)),
    };
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let line = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]).matches('\n').count() + 1;
        Error::invalid(format!("{} is not UTF-8: line {line}", path.display())).hint("nothing was changed: save it as UTF-8")
    })
}

fn failed(doing: &str, path: &Path, error: std::io::Error) -> Error {
    Error::new(Code::Unavailable, format!("{doing} {}", path.display()))
        .because(error)
        .hint("nothing was changed: see that the file and its folder are yours to write")
}

/// One at a time, among those who share a home.
pub(super) fn turn(home: &Path) -> Result<File> {
    let path = home.join("install.lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    file.and_then(|file| file.lock().map(|()| file)).map_err(|e| failed("lock", &path, e))
}
