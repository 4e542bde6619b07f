//! The plot: the load of both kinds of client over time, as an SVG that reads in light and in dark.

use super::run::{Figures, Load};
use super::scenario::{END, OUTAGE, RECOVERY};
use std::fmt::Write as _;
use std::time::Duration;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
/// The height of a panel's axis, and of what is above and below it.
const HEIGHT: f64 = 190.0;
const ABOVE: f64 = 46.0;
const BELOW: f64 = 34.0;
/// The plot begins here: before, nothing happens that does not happen then.
const FROM: Duration = Duration::from_secs(60);

/// How much is shown of the rates.
struct Panel<'a> {
    id: &'a str,
    title: &'a str,
    most: f64,
    step: f64,
    top: f64,
}

/// Draws the load of the SDK and of the retry loop: once as the retry loop needs it, once so that the SDK can be seen.
pub(crate) fn draw(scenario: &str, steadfast: &Load, fixed: &Load) -> String {
    let (ours, theirs) = (Figures::of(steadfast), Figures::of(fixed));
    let step = step_of(theirs.peak.max(theirs.outage_peak));
    let most = (theirs.peak.max(theirs.outage_peak) / step).ceil() * step;
    let panels = [
        Panel { id: "all", title: "All of it", most, step, top: 78.0 },
        Panel {
            id: "low",
            title: "The same, below 500 requests/s",
            most: 500.0,
            step: 100.0,
            top: 78.0 + ABOVE + HEIGHT + BELOW,
        },
    ];
    let height = 78.0 + 2.0 * (ABOVE + HEIGHT + BELOW) + 8.0;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Requests per second at the server before, during and after an outage: Steadfast stays near the steady rate, fixed backoff rises to {peak:.0} times it">
<style>
svg{{font:13px system-ui,sans-serif;--ink:#1f2328;--dim:#59636e;--grid:#d1d9e0;--shade:#8b949e;--ours:#0969da;--theirs:#cf222e}}
@media(prefers-color-scheme:dark){{svg{{--ink:#e6edf3;--dim:#9198a1;--grid:#3d444d;--ours:#4493f8;--theirs:#f85149}}}}
.back{{fill:#fff}}@media(prefers-color-scheme:dark){{.back{{fill:#0d1117}}}}
text{{fill:var(--ink)}}.dim{{fill:var(--dim)}}.grid{{stroke:var(--grid)}}.shade{{fill:var(--shade);opacity:.18}}
.ours{{stroke:var(--ours)}}.theirs{{stroke:var(--theirs)}}.line{{fill:none;stroke-width:1.6;stroke-linejoin:round}}.bar{{stroke:var(--ink);stroke-dasharray:5 4}}
</style>
<rect class="back" width="100%" height="100%" rx="6"/>
<text x="{LEFT}" y="26" font-size="16" font-weight="600">{scenario}</text>
<path class="line ours" stroke-width="3" d="M{LEFT} 46h26"/><text x="98" y="50">Steadfast: at most {our_peak:.0}/s after the outage, {ours:.2} × the steady {steady:.0}/s</text>
<path class="line theirs" stroke-width="3" d="M{LEFT} 66h26"/><text x="98" y="70">fixed backoff (1 s, no jitter, until it succeeds): {their_peak:.0}/s, {peak:.1} ×</text>
"#,
        peak = theirs.ratio(),
        ours = ours.ratio(),
        our_peak = ours.peak,
        their_peak = theirs.peak,
        steady = ours.steady,
    );
    for panel in &panels {
        draw_panel(&mut svg, panel, steadfast, fixed, ours.steady);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw_panel(svg: &mut String, panel: &Panel<'_>, steadfast: &Load, fixed: &Load, steady: f64) {
    let (top, bottom) = (panel.top + ABOVE, panel.top + ABOVE + HEIGHT);
    let y = |rate: f64| bottom - rate / panel.most * HEIGHT;
    writeln!(svg, r#"<text x="{LEFT}" y="{}" font-weight="600">{}</text>"#, top - 22.0, panel.title).unwrap();
    writeln!(svg, r#"<text class="dim" x="{LEFT}" y="{}">requests/s</text>"#, top - 6.0).unwrap();
    writeln!(
        svg,
        r#"<clipPath id="{}"><rect x="{LEFT}" y="{top}" width="{}" height="{HEIGHT}"/></clipPath>"#,
        panel.id,
        WIDTH - LEFT - RIGHT
    )
    .unwrap();
    let (from, to) = (x(OUTAGE), x(RECOVERY));
    writeln!(svg, r#"<rect class="shade" x="{from:.1}" y="{top}" width="{:.1}" height="{HEIGHT}"/>"#, to - from).unwrap();
    writeln!(
        svg,
        r#"<text class="dim" x="{:.1}" y="{}" text-anchor="middle">outage, until second 0</text>"#,
        f64::midpoint(from, to),
        top - 6.0
    )
    .unwrap();
    let mut rate = 0.0;
    while rate <= panel.most {
        writeln!(svg, r#"<path class="grid" d="M{LEFT} {:.1}H{}"/>"#, y(rate), WIDTH - RIGHT).unwrap();
        writeln!(svg, r#"<text class="dim" x="{}" y="{:.1}" text-anchor="end">{rate}</text>"#, LEFT - 8.0, y(rate) + 4.0)
            .unwrap();
        rate += panel.step;
    }
    let mut second = FROM;
    while second <= END {
        let offset = i64::try_from(second.as_secs()).unwrap() - i64::try_from(RECOVERY.as_secs()).unwrap();
        let unit = if second == END { " s" } else { "" };
        let anchor = if second == END { "end" } else { "middle" };
        writeln!(
            svg,
            r#"<text class="dim" x="{:.1}" y="{}" text-anchor="{anchor}">{offset}{unit}</text>"#,
            x(second),
            bottom + 18.0
        )
        .unwrap();
        second += Duration::from_secs(30);
    }
    for (class, load) in [("theirs", fixed), ("ours", steadfast)] {
        let mut path = String::new();
        for (second, count) in load.per_second.iter().enumerate().skip(usize::try_from(FROM.as_secs()).unwrap()) {
            let at = x(Duration::from_secs(u64::try_from(second).unwrap()));
            let rate = f64::from(*count);
            let command = if path.is_empty() { 'M' } else { 'L' };
            write!(path, "{command}{at:.1} {:.1}", y(rate)).unwrap();
            write!(path, "H{:.1}", at + x(FROM + Duration::from_secs(1)) - LEFT).unwrap();
        }
        writeln!(svg, r#"<path class="line {class}" clip-path="url(#{})" d="{path}"/>"#, panel.id).unwrap();
    }
    if panel.most < 1000.0 {
        let bar = y(1.5 * steady);
        writeln!(svg, r#"<path class="bar" d="M{LEFT} {bar:.1}H{}"/>"#, WIDTH - RIGHT).unwrap();
        writeln!(svg, r#"<text x="{}" y="{:.1}" text-anchor="end">1.5 × the steady rate</text>"#, WIDTH - RIGHT - 4.0, bar - 6.0)
            .unwrap();
    }
}

fn x(moment: Duration) -> f64 {
    let share = (moment.as_secs_f64() - FROM.as_secs_f64()) / (END.as_secs_f64() - FROM.as_secs_f64());
    LEFT + share * (WIDTH - LEFT - RIGHT)
}

/// A round number of which there are at most six in the most that is shown.
fn step_of(most: f64) -> f64 {
    [100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0].into_iter().find(|step| most / step <= 6.0).unwrap_or(100_000.0)
}
