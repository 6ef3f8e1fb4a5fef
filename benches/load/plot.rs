//! Plots as SVG, drawn by hand: lines over an axis of numbers, or bars over names.

use crate::report::Series;
use std::fmt::Write;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
const COLOURS: [&str; 5] = ["#1b6ca8", "#d1495b", "#2e8b57", "#8a5a9e", "#b8860b"];

/// Its words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    pub(crate) title: &'static str,
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
}

/// An axis from zero, or in powers of ten.
#[derive(Debug, Clone, Copy)]
struct Axis {
    from: f64,
    to: f64,
    logarithmic: bool,
    begin: f64,
    end: f64,
}

impl Axis {
    /// An axis for these values between two places of the picture.
    fn over(values: &[f64], logarithmic: bool, begin: f64, end: f64) -> Self {
        let positive = values.iter().copied().filter(|value| *value > 0.0);
        let (least, most) = positive.fold((f64::MAX, 0.0_f64), |(a, b), v| (a.min(v), b.max(v)));
        let (from, to) = match (most > 0.0, logarithmic) {
            (false, _) => (if logarithmic { 1.0 } else { 0.0 }, 10.0),
            (true, true) => (10_f64.powf(least.log10().floor()), 10_f64.powf(most.log10().ceil())),
            (true, false) => (0.0, rounded_up(most)),
        };
        let to = if to > from { to } else { from * 10.0 };
        Self { from, to, logarithmic, begin, end }
    }

    fn place(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(self.from) / self.from).log10() / (self.to / self.from).log10()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        self.begin + share * (self.end - self.begin)
    }

    fn ticks(&self) -> Vec<f64> {
        if self.logarithmic {
            let powers = (self.to / self.from).log10().round() as i32;
            (0..=powers).map(|n| self.from * 10_f64.powi(n)).collect()
        } else {
            (0..=4).map(|n| self.from + (self.to - self.from) * f64::from(n) / 4.0).collect()
        }
    }
}

/// The next of 1, 2, 4, 6, 8, 10 at its power of ten.
fn rounded_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 4.0, 6.0, 8.0, 10.0].into_iter().map(|step| step * power).find(|&to| to >= value).unwrap_or(value)
}

/// Lines through points; both axes in powers of ten if `logarithmic`.
pub(crate) fn lines(words: Words, series: &[Series], logarithmic: bool) -> String {
    let points = || series.iter().flat_map(|line| line.points.iter());
    let x = Axis::over(&points().map(|p| p.0).collect::<Vec<_>>(), logarithmic, LEFT, WIDTH - RIGHT);
    let y = Axis::over(&points().map(|p| p.1).collect::<Vec<_>>(), logarithmic, HEIGHT - BOTTOM, TOP);
    let mut out = frame(words, &y);
    for tick in x.ticks() {
        label(&mut out, (x.place(tick), HEIGHT - BOTTOM + 18.0), "middle", &short(tick));
    }
    for (n, line) in series.iter().enumerate() {
        let colour = COLOURS[n % COLOURS.len()];
        let at: Vec<_> = line.points.iter().map(|p| (x.place(p.0), y.place(p.1))).collect();
        let path: Vec<_> = at.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        put(
            &mut out,
            &format!(r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#, path.join(" ")),
        );
        at.iter()
            .for_each(|(x, y)| put(&mut out, &format!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{colour}"/>"#)));
    }
    legend(&mut out, series.iter().map(|line| line.name.as_str()));
    out + "</svg>\n"
}

/// A group of bars for each name, one bar for each series, whose points go by the index of the name.
pub(crate) fn bars(words: Words, names: &[String], series: &[Series]) -> String {
    let values: Vec<f64> = series.iter().flat_map(|one| one.points.iter().map(|p| p.1)).collect();
    let y = Axis::over(&values, false, HEIGHT - BOTTOM, TOP);
    let mut out = frame(words, &y);
    let slot = (WIDTH - RIGHT - LEFT) / names.len().max(1) as f64;
    let bar = slot * 0.8 / series.len().max(1) as f64;
    for (n, name) in names.iter().enumerate() {
        let left = LEFT + slot * n as f64;
        label(&mut out, (left + slot / 2.0, HEIGHT - BOTTOM + 18.0), "middle", name);
        for (k, one) in series.iter().enumerate() {
            let top = y.place(one.points.get(n).map_or(0.0, |p| p.1));
            let (x, height, colour) =
                (left + slot * 0.1 + bar * k as f64, HEIGHT - BOTTOM - top, COLOURS[k % COLOURS.len()]);
            put(
                &mut out,
                &format!(r#"<rect x="{x:.1}" y="{top:.1}" width="{bar:.1}" height="{height:.1}" fill="{colour}"/>"#),
            );
        }
    }
    legend(&mut out, series.iter().map(|one| one.name.as_str()));
    out + "</svg>\n"
}

fn frame(words: Words, y: &Axis) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\" fill=\"#333\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    put(
        &mut out,
        &format!(r#"<text x="{LEFT}" y="22" font-size="14" font-weight="bold">{}</text>"#, escaped(words.title)),
    );
    label(&mut out, (middle, HEIGHT - 12.0), "middle", words.x);
    let turned = (TOP + HEIGHT - BOTTOM) / 2.0;
    put(
        &mut out,
        &format!(
            r#"<text transform="translate(16 {turned:.0}) rotate(-90)" text-anchor="middle">{}</text>"#,
            escaped(words.y)
        ),
    );
    for tick in y.ticks() {
        let at = y.place(tick);
        put(&mut out, &format!(r##"<path d="M{LEFT} {at:.1}H{}" stroke="#ddd"/>"##, WIDTH - RIGHT));
        label(&mut out, (LEFT - 6.0, at + 4.0), "end", &short(tick));
    }
    out
}

fn legend<'a>(out: &mut String, names: impl Iterator<Item = &'a str>) {
    for (n, name) in names.enumerate() {
        let (x, y) = (WIDTH - RIGHT + 12.0, TOP + 8.0 + 20.0 * n as f64);
        let colour = COLOURS[n % COLOURS.len()];
        put(out, &format!(r#"<rect x="{x}" y="{}" width="10" height="10" fill="{colour}"/>"#, y - 9.0));
        label(out, (x + 16.0, y), "start", name);
    }
}

fn label(out: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    put(out, &format!(r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#, escaped(text)));
}

fn put(out: &mut String, element: &str) {
    writeln!(out, "{element}").expect("a String takes everything");
}

fn short(value: f64) -> String {
    if value >= 1.0 || value == 0.0 { format!("{value:.0}") } else { format!("{value}") }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
