//! A directory with the state of every shard: one file per partition, replaced atomically.

use crate::persistence::snapshot;
use crate::persistence::snapshot::SnapshotError;
use crate::shard::{Shard, ShardFactory, ShardId};
use credwatch_core::verdict::EntityView;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind};
use std::path::{Path, PathBuf};

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The disk is full, permission is missing, or similar.
    #[error("{}: {why}; the previous state is unchanged", .path.display())]
    Io {
        /// File.
        path: PathBuf,
        /// Reason.
        why: io::Error,
    },
    /// A file is not a state file, or is damaged.
    #[error("{}: {why}", .path.display())]
    Snapshot {
        /// File.
        path: PathBuf,
        /// Reason.
        why: SnapshotError,
    },
    /// Identities would be assigned to other shards.
    #[error(
        "{}: the state of {found} partitions, asked for {asked}: identities would meet baselines of \
         others; say --partitions {found}, or name another folder", .folder.display()
    )]
    Partitions {
        /// Directory.
        folder: PathBuf,
        /// Partitions of the state.
        found: u32,
        /// Requested partitions.
        asked: u32,
    },
    /// The directory contains no state.
    #[error("{}: contains no state; create it with `credwatch replay --state`", .0.display())]
    Empty(PathBuf),
}

/// A state directory.
#[derive(Clone, Debug)]
pub struct StateFolder(PathBuf);

impl StateFolder {
    /// The directory at `path`, which need not exist yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_path_buf())
    }

    fn file_of(&self, id: ShardId) -> PathBuf {
        let partition = id.partition;
        self.0.join(match id.entity {
            EntityView::Identity => format!("partition-{partition}.state"),
            EntityView::Source => format!("sources-{partition}.state"),
        })
    }

    /// Restores the shard `id`; `None` where there is no state.
    ///
    /// # Errors
    /// The state is damaged, of another version, or of another number of partitions.
    pub fn load(&self, factory: &ShardFactory, id: ShardId) -> Result<Option<Shard>, StateError> {
        let path = self.file_of(id);
        let file = match open(&path) {
            Ok(file) => file,
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(StateError::Io { path, why }),
        };
        let found = self.partitions()?;
        if found != factory.partitions() {
            return Err(StateError::Partitions {
                folder: self.0.clone(),
                found,
                asked: factory.partitions(),
            });
        }
        let shard = factory.reopen(id.entity, file);
        Ok(Some(
            shard.map_err(|why| StateError::Snapshot { path, why })?,
        ))
    }

    /// Number of partitions of the stored state.
    ///
    /// # Errors
    /// There is no state, or it cannot be read.
    pub fn partitions(&self) -> Result<u32, StateError> {
        let path = self.file_of(ShardId::of_identities(0));
        match open(&path) {
            Ok(file) => snapshot::read_header(file)
                .map(|header| header.partitions)
                .map_err(|why| StateError::Snapshot { path, why }),
            Err(why) if why.kind() == ErrorKind::NotFound => Err(StateError::Empty(self.0.clone())),
            Err(why) => Err(StateError::Io { path, why }),
        }
    }

    /// Saves the state of one shard. A crash leaves the old file or the new one.
    ///
    /// # Errors
    /// The disk is full, or the directory cannot be written.
    pub fn save(&self, shard: &Shard) -> Result<(), StateError> {
        let (path, new) = (self.file_of(shard.id()), self.0.join("state.new"));
        let written = fs::create_dir_all(&self.0)
            .and_then(|()| create(&new))
            .and_then(|file| {
                shard.save(BufWriter::new(&file))?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&new, &path))
            .and_then(|()| File::open(&self.0)?.sync_all());
        written.map_err(|why| {
            // An unfinished file only takes space.
            let _ = fs::remove_file(&new);
            StateError::Io { path, why }
        })
    }
}

/// Opens a file of the directory. A link would lead out of it.
fn open(path: &Path) -> io::Result<File> {
    if fs::symlink_metadata(path)?.is_symlink() {
        let why = "it is a symbolic link; move the state itself here";
        return Err(io::Error::new(ErrorKind::InvalidInput, why));
    }
    File::open(path)
}

/// Creates a file in place of whatever is there.
fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(why) if why.kind() != ErrorKind::NotFound => Err(why),
        _ => File::create_new(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("elsewhere"), "kept").unwrap();
        std::os::unix::fs::symlink(at("elsewhere"), at("link")).unwrap();
        assert!(open(&at("link")).is_err() && open(&at("elsewhere")).is_ok());
        drop(create(&at("link")).unwrap());
        assert_eq!(fs::read_to_string(at("elsewhere")).unwrap(), "kept");
        assert!(!at("link").is_symlink());
    }
}
