//! Who drives a story: whoever holds an OS file lock, freed by the kernel when the holder dies. Also the one place
//! that makes files private to their owner.

use super::StoreError;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The right to drive one story, held for as long as this value lives.
#[derive(Debug)]
pub struct Lease {
    _file: File,
}

/// What the holder of a lease wrote about itself: for people, never to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseHolder {
    pub text: String,
}

impl Lease {
    /// Takes the lease of the story whose folder this is, or says who has it.
    pub fn take(folder: &Path, holder: &str) -> Result<Result<Lease, LeaseHolder>, StoreError> {
        let (path, mut file) = open(folder)?;
        let failed = |source| StoreError::Lock { path: path.clone(), source };
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0).and_then(|()| file.write_all(holder.as_bytes())).map_err(failed)?;
                Ok(Ok(Lease { _file: file }))
            }
            Err(std::fs::TryLockError::WouldBlock) => Ok(Err(read_holder(&mut file))),
            Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Who drives the story now, if anybody does.
    pub fn holder(folder: &Path) -> Result<Option<LeaseHolder>, StoreError> {
        let path = folder.join("lease");
        if !path.exists() {
            return Ok(None);
        }
        let (path, mut file) = open(folder)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(std::fs::TryLockError::WouldBlock) => Ok(Some(read_holder(&mut file))),
            Err(std::fs::TryLockError::Error(source)) => Err(StoreError::Lock { path, source }),
        }
    }
}

fn open(folder: &Path) -> Result<(PathBuf, File), StoreError> {
    let path = folder.join("lease");
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

/// Opens a file for reading and writing, created for its owner only.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
