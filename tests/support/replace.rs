//! Files that a running registry follows.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// Writes a file beside `path` and moves it there: who looks sees the old one or the new one, and never half of either.
#[track_caller]
pub fn replace(path: &Path, text: impl AsRef<[u8]>) {
    let mut name = OsString::from(".new-");
    name.push(path.file_name().expect("it is a file"));
    let beside = path.with_file_name(name);
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}
