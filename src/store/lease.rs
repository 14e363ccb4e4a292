//! Who drives a story: whoever holds an OS file lock, freed by the kernel when the holder dies. Also the one place
//! that makes files private to their owner.

use super::StoreError;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Locked by the driver for as long as it lives.
const LEASE: &str = "lease";
/// Locked for microseconds by whoever looks at the lease, or makes the database.
const TURN: &str = "turn.lock";

/// The right to drive one story, held for as long as this value lives.
#[derive(Debug)]
pub struct Lease {
    _file: Locked,
}

/// A locked file, unlocked by name: a process that is being started at this moment holds copies of all our files until it
/// becomes its program, and closing ours would leave the lock with those.
#[derive(Debug)]
pub(super) struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing, right after this, does the same unless there are copies.
        let _ = self.0.unlock();
    }
}

/// What the holder of a lease wrote about itself: for people, never to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseHolder {
    pub text: String,
}

impl Lease {
    /// Takes the lease of the story whose folder this is, or says who has it.
    pub fn take(folder: &Path, holder: &str) -> Result<Result<Lease, LeaseHolder>, StoreError> {
        let _turn = turn(folder)?;
        let (path, mut file) = open(folder, LEASE)?;
        let failed = |source| StoreError::Lock { path: path.clone(), source };
        if !was_free(file.try_lock()).map_err(failed)? {
            return Ok(Err(read_holder(&mut file)));
        }
        let mut file = Locked(file);
        file.0.set_len(0).and_then(|()| file.0.write_all(holder.as_bytes())).map_err(failed)?;
        Ok(Ok(Lease { _file: file }))
    }

    /// Who drives the story now, if anybody does.
    pub fn holder(folder: &Path) -> Result<Option<LeaseHolder>, StoreError> {
        if !folder.join(LEASE).exists() {
            return Ok(None);
        }
        let _turn = turn(folder)?;
        let (path, mut file) = open(folder, LEASE)?;
        let free = was_free(file.try_lock_shared()).map_err(|source| StoreError::Lock { path, source })?;
        if free {
            drop(Locked(file));
            return Ok(None);
        }
        Ok(Some(read_holder(&mut file)))
    }
}

/// One at a time asks for the lease: asking takes the lock for a moment, and that must not look like a driver to one who
/// wants to drive. Waits.
pub(super) fn turn(folder: &Path) -> Result<Locked, StoreError> {
    let (path, file) = open(folder, TURN)?;
    file.lock().map_err(|source| StoreError::Lock { path, source })?;
    Ok(Locked(file))
}

fn was_free(tried: Result<(), std::fs::TryLockError>) -> io::Result<bool> {
    match tried {
        Ok(()) => Ok(true),
        Err(std::fs::TryLockError::WouldBlock) => Ok(false),
        Err(std::fs::TryLockError::Error(source)) => Err(source),
    }
}

fn open(folder: &Path, name: &str) -> Result<(PathBuf, File), StoreError> {
    let path = folder.join(name);
    let open = || {
        private_folder(folder)?;
        private_file(&path)
    };
    match open() {
        Ok(file) => Ok((path, file)),
        Err(source) => Err(StoreError::Lock { path, source }),
    }
}

fn read_holder(file: &mut File) -> LeaseHolder {
    let mut text = String::new();
    // On Windows a locked file cannot be read by others: the name of the holder is then unknown, and that is all.
    let _ = file.rewind().and_then(|()| file.take(200).read_to_string(&mut text));
    LeaseHolder { text }
}

/// Creates a folder (and its parents) that only its owner can enter.
pub fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A secret text in a file that only its owner can read, made by the first who asks.
///
/// # Errors
/// When others can read the file, or it cannot be written.
pub fn secret(path: &Path, make: impl FnOnce() -> String) -> io::Result<String> {
    if !path.exists() {
        private_folder(path.parent().unwrap_or(path))?;
        let draft = path.with_extension(format!("{}.new", std::process::id()));
        let written = private_file(&draft).and_then(|mut file| file.write_all(make().as_bytes()));
        // Whole or not at all, and the first one stays.
        let placed = written.and_then(|()| std::fs::hard_link(&draft, path));
        let _ = std::fs::remove_file(&draft);
        placed.or_else(|error| if path.exists() { Ok(()) } else { Err(error) })?;
    }
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path)?.permissions()) & 0o077 != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "others can read it"));
    }
    Ok(std::fs::read_to_string(path)?.trim().to_owned())
}

/// Opens a file for reading and writing, created for its owner only.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
