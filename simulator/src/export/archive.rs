//! Packs the files that a session might have left behind.

use std::io::{self, Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::export::perf_stats;
use crate::service::exports::Job;
use crate::service::session::ActiveTime;

/// The folders of an export that an application fills, with the names of the files that are made up for them.
pub const FOLDERS: [(&str, &[&str]); 3] = [
    ("application/", &["logs/game.log", "crash/crash-0001.dmp", "settings.ini", "screenshot.png"]),
    ("profile/", &["Saved/slot-1.sav", "AppData/config.json", "Saved/slot-2.sav"]),
    ("temp/", &["trace.tmp", "shader-cache.bin"]),
];

/// The most that one ZIP may hold: it is made in memory.
const LARGEST: u64 = 1 << 30;

/// What goes into a ZIP.
#[derive(Debug, Clone)]
pub struct Content {
    /// The session's id.
    pub session: String,
    /// When it was active.
    pub active: Option<ActiveTime>,
    /// Files in each folder.
    pub files: u32,
    /// Size of each of them.
    pub bytes: u64,
    /// The most rows of the performance stats.
    pub stats_rows: u32,
}

impl Content {
    /// What the export of a session holds.
    #[must_use]
    pub fn of(job: &Job) -> Self {
        Self {
            session: job.session.clone(),
            active: job.active,
            files: job.behaviour.files_per_folder,
            bytes: job.behaviour.file_bytes,
            stats_rows: job.behaviour.stats_rows,
        }
    }
}

/// The ZIP, the same for the same content.
pub fn pack(content: &Content) -> io::Result<Vec<u8>> {
    let &Content { ref session, active, files, bytes, stats_rows } = content;
    if bytes.saturating_mul(u64::from(files)).saturating_mul(3) > LARGEST {
        return Err(io::Error::other("more than a gigabyte to pack"));
    }
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (folder, names) in FOLDERS {
        zip.add_directory(folder, options)?;
        for index in 0..files as usize {
            let name = match names.get(index) {
                Some(name) => format!("{folder}{name}"),
                None => format!("{folder}file-{index}.log"),
            };
            zip.start_file(&name, options)?;
            write_text(&mut zip, session, &name, bytes)?;
        }
    }
    zip.start_file(perf_stats::FILE, options)?;
    perf_stats::write_rows(&mut zip, active, stats_rows)?;
    Ok(zip.finish()?.into_inner())
}

/// Numbered lines, cut at the size wanted.
fn write_text(out: &mut impl Write, session: &str, name: &str, bytes: u64) -> io::Result<()> {
    let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut number = 0_u64;
    while left > 0 {
        let line = format!("{number:012} {session} {name} {:016x}\n", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let part = &line.as_bytes()[..line.len().min(left)];
        out.write_all(part)?;
        left -= part.len();
        number += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn content(files: u32, bytes: u64) -> Content {
        let active = Some(ActiveTime { from: 0, until: 3_000 });
        Content { session: "s1".to_owned(), active, files, bytes, stats_rows: 600 }
    }

    #[test]
    fn the_zip_has_three_folders_and_files_of_the_size_wanted() {
        let packed = pack(&content(5, 1000)).unwrap();
        let mut zip = zip::ZipArchive::new(Cursor::new(packed)).unwrap();
        let names: Vec<String> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
        for folder in ["application/", "profile/", "temp/"] {
            assert_eq!(names.iter().filter(|name| name.starts_with(folder)).count(), 6, "{names:?}");
        }
        assert_eq!(
            names.iter().filter(|name| name.starts_with("stats/")).collect::<Vec<_>>(),
            ["stats/perf_stats_v1.csv"]
        );
        let mut stats = String::new();
        zip.by_name("stats/perf_stats_v1.csv").unwrap().read_to_string(&mut stats).unwrap();
        assert_eq!(stats.lines().count(), 1 + 3);
        let mut text = String::new();
        zip.by_name("application/logs/game.log").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text.len(), 1000);
        assert!(text.starts_with("000000000000 s1 application/logs/game.log"));
    }

    #[test]
    fn empty_files_are_possible() {
        assert!(pack(&content(1, 0)).is_ok());
        assert!(pack(&content(0, u64::MAX)).is_ok());
        assert!(pack(&content(1, u64::MAX)).is_err(), "but not as large as that");
    }
}
