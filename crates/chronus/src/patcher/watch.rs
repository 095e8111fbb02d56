//! Watches a patch file: each time that it is saved, what it says is played.

use std::path::PathBuf;
use std::time::Duration;

use super::FileWatch;

/// The file is looked at this often.
const LOOK: Duration = Duration::from_millis(100);

/// Starts a thread that watches `path`.
///
/// # Errors
/// As the system says.
pub fn watch(path: PathBuf, watch: FileWatch) -> std::io::Result<()> {
    let stamp = move || {
        let data = std::fs::metadata(&path).ok()?;
        Some((data.modified().ok()?, data.len()))
    };
    std::thread::Builder::new().name("watch".into()).spawn(move || {
        let mut last = stamp();
        loop {
            std::thread::sleep(LOOK);
            let now = stamp();
            // Between two looks an editor may have taken the file away, to put the new one there.
            if now.is_some() && now != last {
                last = now;
                watch.changed();
            }
        }
    })?;
    Ok(())
}
