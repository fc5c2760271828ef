"""The report as one HTML page that needs nothing from outside."""

from collections.abc import Callable, Sequence
from html import escape

from ..runner import units
from ..runner.measure.timing import inverse
from ..runner.result import CaseResult, Report
from . import charts
from .terminal import WORDS, counts, figure

STYLE = """
:root { --ink: #1c2430; --grey: #6b7684; --line: #e4e8ee; --soft: #f6f8fa; }
* { box-sizing: border-box }
body { margin: 0; background: #fff; color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif }
main { max-width: 1240px; margin: 0 auto; padding: 36px 24px 64px }
h1 { font-size: 27px; margin: 0 0 4px } h2 { font-size: 19px; margin: 44px 0 8px }
h3 { font-size: 14px; margin: 0 0 2px } p { margin: 4px 0 } .grey { color: var(--grey) }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 20px 0 0 }
.tile { background: var(--soft); border: 1px solid var(--line); border-radius: 8px;
  padding: 10px 16px; min-width: 116px } .tile b { display: block; font-size: 21px }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100% }
th, td { padding: 7px 8px; text-align: right; border-bottom: 1px solid var(--line);
  vertical-align: top; white-space: nowrap; font-variant-numeric: tabular-nums }
th { font-size: 12px; color: var(--grey); font-weight: 600 }
.l { text-align: left } td.about { white-space: normal; width: 100%; min-width: 230px }
td.about small { display: block; color: var(--grey) }
.figure { display: inline-block; background: var(--soft); border: 1px solid var(--line);
  border-radius: 5px; padding: 0 6px; margin: 3px 4px 0 0; font-size: 12px }
.figure b { font-weight: 600 }
tr.pillar td { text-align: left; font-weight: 700; background: var(--soft) }
.badge { border-radius: 20px; padding: 1px 10px; font-size: 12px; font-weight: 700 }
.ok { background: #e2f3ea; color: #1f6b45 } .skipped { background: #fdf1d8; color: #83590a }
.badge.wrong, .badge.failed { background: #c0312b; color: #fff }
.message { color: #c0312b; font-weight: 600; overflow-wrap: anywhere }
.message.skipped { color: #83590a; background: none }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(350px, 1fr)); gap: 16px }
.card { border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px }
svg, img { max-width: 100%; height: auto; display: block } .card svg, .card img { width: 100% }
.bars svg { min-width: 600px }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 18px; margin: 8px 0 }
dt { color: var(--grey) } dd { margin: 0; overflow-wrap: anywhere }
"""
HEAD = (
    '<th class="l">case</th><th class="l">status</th><th>error</th><th>limit</th><th>compile</th>'
    '<th>run</th><th class="l">against</th><th>times faster</th><th>peak RSS</th><th>XLA temp</th>'
)
COLUMNS = 10


def html(report: Report) -> str:
    """The whole report as a page."""
    cases = report.by_pillar
    sections = [
        _summary(report),
        *(_charts(cases) if charts.have_matplotlib() else [_NO_CHARTS]),
        _costs(cases),
        _table(cases),
        _peers(cases),
        _environment(report),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>jaxsci benchmarks</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(sections)}</main></body></html>\n"
    )


_NO_CHARTS = "<p class='grey'>Charts need Matplotlib: pip install 'jaxsci[plot]'.</p>"


def _summary(report: Report) -> str:
    env = report.environment
    tiles = [(str(len(report.cases)), "cases"), (units.seconds(report.seconds), "in all")]
    tiles += [(str(n), word) for word, n in counts(report)]
    tiles.append((f"{env['load']} → {report.load_after}", f"load on {units.cores(env['cores'])}"))
    boxes = "".join(f'<div class="tile"><b>{escape(b)}</b>{escape(t)}</div>' for b, t in tiles)
    return (
        f'<h1>jaxsci benchmarks</h1><p class="grey">{escape(report.size)} tier, '
        f"{escape(env['time'])}, commit {escape(env['commit'] or 'unknown')}</p>"
        f'<div class="tiles">{boxes}</div>'
    )


def _table(cases: Sequence[CaseResult]) -> str:
    rows: list[str] = []
    for index, case in enumerate(cases):
        if index == 0 or cases[index - 1].pillar != case.pillar:
            pillar = escape(case.pillar)
            rows.append(f'<tr class="pillar"><td colspan="{COLUMNS}">{pillar}</td></tr>')
        rows.append(_row(case))
    return (
        "<h2>Results</h2>"
        f'<div class="scroll"><table><tr>{HEAD}</tr>{"".join(rows)}</table></div>'
        '<p class="grey">Times are medians of single calls. Compilation is timed apart and never '
        "taken from a persistent cache. Ratios come from interleaved pairs in this run: median "
        "[bootstrap 95 % interval]. An error above its limit is reported as WRONG, without a speed."
        " RSS is the whole process's peak while the case ran; XLA temp is the program's own "
        "scratch memory.</p>"
    )


def _row(case: CaseResult) -> str:
    base = case.baseline
    against = ""
    if base:
        error = f"<br><small class='grey'>error {units.error(base.error)}</small>"
        against = escape(base.label) + error
    reference = f"Error: {case.error_name} against {case.reference}" if case.reference else ""
    note = f"Problem: {case.note}" if case.note else ""
    details = "".join(f"<small>{escape(text)}</small>" for text in (reference, note) if text)
    message = (
        f'<div class="message {case.status}">{escape(case.message)}</div>' if case.message else ""
    )
    peak = units.bytes_(case.peak_resident_bytes)
    return (
        f'<tr><td class="l about"><b>{escape(case.name)}</b> {escape(case.title)}'
        f"{details}{_figures(case)}{message}</td>"
        f'<td class="l"><span class="badge {case.status}">{WORDS[case.status]}</span></td>'
        f"<td>{units.error(case.error)}</td><td>{units.error(case.tolerance)}</td>"
        f"<td>{units.seconds(case.compile_seconds)}</td><td>{units.seconds(case.seconds)}</td>"
        f'<td class="l">{against}</td><td>{units.ratio(base.ratio if base else None)}</td>'
        f"<td>{peak}</td><td>{units.bytes_(case.temporary_bytes)}</td></tr>"
    )


def _figures(case: CaseResult) -> str:
    """The case's own figures, each in a box of its own."""
    return "".join(
        f'<span class="figure">{escape(name)} <b>{escape(figure(value))}</b></span>'
        for name, value in case.figures.items()
    )


def _costs(cases: Sequence[CaseResult]) -> str:
    """What the rest of a case costs, where its baseline is a part of it."""
    items = "".join(
        f"<li><b>{escape(case.name)}</b> takes "
        f"{units.ratio(inverse(case.baseline.ratio))} times as long as "
        f"{escape(case.baseline.label)}</li>"
        for case in cases
        if case.baseline and case.baseline.part
    )
    return f"<h2>Beside a part of itself</h2><ul>{items}</ul>" if items else ""


def _charts(cases: Sequence[CaseResult]) -> list[str]:
    sections = []
    sections.append(
        _cards(
            "Results to look at",
            [case for case in cases if case.picture],
            lambda case: f'<img alt="" src="data:image/png;base64,{case.picture}">',
            lambda case: case.title,
        )
    )
    if bars := charts.ratio_bars(cases):
        sections.append(f'<h2>Against the baselines</h2><div class="scroll bars">{bars}</div>')
    sections.append(
        _cards(
            "Throughput as the batch grows",
            [case for case in cases if case.scaling and len(case.scaling.points) > 1],
            charts.scaling_curve,
            _scaling_caption,
        )
    )
    sections.append(
        _cards(
            "Work and precision",
            [case for case in cases if any(len(c) > 1 for c in case.curves.values())],
            charts.work_precision,
            lambda case: f"{case.error_name} against {case.reference}",
        )
    )
    return sections


def _cards(
    title: str,
    cases: Sequence[CaseResult],
    draw: Callable[[CaseResult], str],
    caption: Callable[[CaseResult], str],
) -> str:
    if not cases:
        return ""
    cards = "".join(
        f'<div class="card"><h3>{escape(case.name)}</h3>{draw(case)}'
        f'<p class="grey">{escape(caption(case))}</p></div>'
        for case in cases
    )
    return f'<h2>{escape(title)}</h2><div class="grid">{cards}</div>'


def _scaling_caption(case: CaseResult) -> str:
    assert case.scaling is not None
    loop = case.scaling.loop
    text = f"Stopped by {case.scaling.stopped}." if ":" in case.scaling.stopped else ""
    if loop:
        text += (
            f" A loop over {loop.n} {case.item} takes {units.ratio(loop.ratio)} times as long as "
            f"the batch; results agree to {units.error(loop.difference)}."
        )
    return text.strip()


def _peers(cases: Sequence[CaseResult]) -> str:
    rows = "".join(
        f'<tr><td class="l">{escape(case.name)}</td><td class="l">{escape(peer.name)}</td>'
        f'<td class="l about"><span class="badge {peer.status}">{WORDS[peer.status]}</span> '
        f"{escape(peer.message)}</td>"
        f"<td>{units.error(peer.against.error) if peer.against else units.ABSENT}</td>"
        f"<td>{units.seconds(peer.against.seconds) if peer.against else units.ABSENT}</td>"
        f"<td>{units.ratio(peer.against.ratio) if peer.against else units.ABSENT}</td></tr>"
        for case in cases
        for peer in case.peers
    )
    head = (
        '<th class="l">case</th><th class="l">peer</th><th class="l">status</th><th>error</th>'
        "<th>run</th><th>times faster</th>"
    )
    table = f'<div class="scroll"><table><tr>{head}</tr>{rows}</table></div>'
    return f"<h2>Peers</h2>{table}" if rows else ""


def _environment(report: Report) -> str:
    env = report.environment
    versions = ", ".join(f"{name} {v}" for name, v in env["versions"].items() if v)
    rows = {
        "command": env["command"],
        "versions": f"Python {env['python']}, {versions}",
        "devices": f"{', '.join(env['devices'])} ({env.get('check_platform', 'not checked')})",
        "precision": "float64" if env["x64"] else "float32",
        "processor": f"{env['processor']}, {units.cores(env['cores'])}",
        "memory": units.bytes_(env["memory_bytes"]),
        "system": env["system"],
        "flags": " ".join(f"{name}={value}" for name, value in env["flags"].items()) or "none",
    }
    items = "".join(f"<dt>{escape(k)}</dt><dd>{escape(str(v))}</dd>" for k, v in rows.items())
    return f"<h2>Environment</h2><dl>{items}</dl>"
