//! Writes the pages of the catalogue: `cargo run -p towpath-doctor --example findings -- docs/findings`.
//!
//! Pages of findings that are gone are removed.

use std::{env, fs, io, path::PathBuf};

use towpath_doctor::catalogue::pages;

fn main() -> io::Result<()> {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("usage: findings FOLDER"));
    };
    fs::create_dir_all(&folder)?;
    let files = pages::files();
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_page = name.to_str().is_some_and(|name| name.starts_with("TP-"));
        if is_page && !files.iter().any(|(file, _)| name == file.as_str()) {
            fs::remove_file(entry.path())?;
        }
    }
    for (name, text) in &files {
        fs::write(folder.join(name), text)?;
    }
    println!("{} files in {}", files.len(), folder.display());
    Ok(())
}
