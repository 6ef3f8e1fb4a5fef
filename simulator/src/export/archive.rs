//! Packs the files that a session might have left behind.

use std::io::{self, Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The folders of every export, with the names of the files that are made up for them.
pub const FOLDERS: [(&str, &[&str]); 3] = [
    ("application/", &["logs/game.log", "crash/crash-0001.dmp", "settings.ini", "screenshot.png"]),
    ("profile/", &["Saved/slot-1.sav", "AppData/config.json", "Saved/slot-2.sav"]),
    ("temp/", &["trace.tmp", "shader-cache.bin"]),
];

/// The most that one ZIP may hold: it is made in memory.
const LARGEST: u64 = 1 << 30;

/// A ZIP of `files` files of `bytes` bytes in each folder, the same for the same session.
pub fn pack(session: &str, files: u32, bytes: u64) -> io::Result<Vec<u8>> {
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

    #[test]
    fn the_zip_has_three_folders_and_files_of_the_size_wanted() {
        let packed = pack("s1", 5, 1000).unwrap();
        let mut zip = zip::ZipArchive::new(Cursor::new(packed)).unwrap();
        let names: Vec<String> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
        for folder in ["application/", "profile/", "temp/"] {
            assert_eq!(names.iter().filter(|name| name.starts_with(folder)).count(), 6, "{names:?}");
        }
        let mut text = String::new();
        zip.by_name("application/logs/game.log").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text.len(), 1000);
        assert!(text.starts_with("000000000000 s1 application/logs/game.log"));
    }

    #[test]
    fn empty_files_are_possible() {
        assert!(pack("s1", 1, 0).is_ok());
        assert!(pack("s1", 0, u64::MAX).is_ok());
        assert!(pack("s1", 1, u64::MAX).is_err(), "but not as large as that");
    }
}
