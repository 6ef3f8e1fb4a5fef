//! `stats/perf_stats_v1.csv`, the performance stats that AWS collects of a session every second. The columns are those of
//! the developer guide, "Real-time performance stats"; the figures are made up.

use std::io::{self, Write};

use crate::clock::{Millis, rfc3339};
use crate::service::session::ActiveTime;

/// The file's name in the ZIP.
pub const FILE: &str = "stats/perf_stats_v1.csv";

const COLUMNS: &str = "timestamp,app_cpu_normalized,app_mem_mb,app_mem_normalized,shared_sys_cpu_pct,shared_sys_mem_mb,\
    shared_sys_mem_pct,shared_sys_gpu_pct,shared_sys_vram_mb,shared_sys_vram_pct";
const SECOND: Millis = 1000;

/// Writes the header and a row for each second that has passed, at most `most`; only the header for a session that was
/// never ACTIVE.
pub fn write_rows(out: &mut impl Write, active: Option<ActiveTime>, most: u32) -> io::Result<()> {
    writeln!(out, "{COLUMNS}")?;
    let Some(ActiveTime { from, until }) = active else { return Ok(()) };
    for second in (1..=i64::from(most)).take_while(|second| from + second * SECOND <= until) {
        write_row(out, from + second * SECOND, second)?;
    }
    Ok(())
}

/// Loads that go up and down between the seconds, within what the columns can hold.
fn write_row(out: &mut impl Write, at: Millis, second: i64) -> io::Result<()> {
    let wave = second * 37 % 100;
    let (app_memory, system_memory, video_memory) = (2048 + wave, 6144 + wave, 1024 + wave);
    writeln!(
        out,
        "{},0.{:02},{app_memory},0.{:02},{}.0,{system_memory},{}.5,{}.0,{video_memory},{}.0",
        rfc3339(at),
        40 + wave / 2,
        50 + wave / 10,
        30 + wave / 3,
        38 + wave / 50,
        20 + wave / 2,
        12 + wave / 50,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(active: Option<ActiveTime>, most: u32) -> Vec<String> {
        let mut text = Vec::new();
        write_rows(&mut text, active, most).unwrap();
        String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn there_is_a_row_for_each_whole_second_with_a_value_in_every_column() {
        let from = 1_760_000_000_250;
        let rows = lines(Some(ActiveTime { from, until: from + 2_999 }), 600);
        assert_eq!(rows.len(), 1 + 2);
        assert!(rows[0].starts_with("timestamp,app_cpu_normalized,") && rows[0].ends_with(",shared_sys_vram_pct"));
        assert!(rows[1].starts_with("2025-10-09T08:53:21.250Z,"), "{}", rows[1]);
        for row in &rows[1..] {
            let figures = row.split(',').skip(1).map(|figure| figure.parse::<f64>().unwrap());
            assert_eq!(figures.count(), rows[0].split(',').count() - 1);
        }
    }

    #[test]
    fn rows_are_bounded_and_a_session_that_was_never_active_has_none() {
        assert_eq!(lines(Some(ActiveTime { from: 0, until: i64::MAX / 2 }), 5).len(), 1 + 5);
        assert_eq!(lines(Some(ActiveTime { from: 5_000, until: 0 }), 5).len(), 1);
        assert_eq!(lines(None, 5).len(), 1);
    }
}
