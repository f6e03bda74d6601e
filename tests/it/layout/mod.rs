//! The layout of the repository: what the compiler does not check.

mod architecture;
mod files;
mod references;
mod vocabulary;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The two crates, as folders below the repository's root.
const CRATES: [&str; 2] = ["core/src", "src"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` with one of `extensions`, as paths below the root, with their text.
fn texts(folder: &str, extensions: &[&str]) -> BTreeMap<String, String> {
    let mut files = Vec::new();
    collect(&root().join(folder), extensions, &mut files);
    let name = |path: &Path| path.strip_prefix(root()).unwrap().display().to_string();
    let read = |path: PathBuf| (name(&path), fs::read_to_string(&path).unwrap());
    files.into_iter().map(read).collect()
}

fn collect(path: &Path, extensions: &[&str], files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            collect(&entry.unwrap().path(), extensions, files);
        }
    } else if path
        .extension()
        .is_some_and(|extension| extensions.iter().any(|known| extension == *known))
    {
        files.push(path.to_owned());
    }
}
