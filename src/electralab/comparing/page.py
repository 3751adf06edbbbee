"""One HTML page that holds a whole comparison, with nothing to load from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

from electralab.comparing.caveats import caveats
from electralab.comparing.pictures import Picture
from electralab.comparing.points import points
from electralab.comparing.results import FINISHED, Comparison
from electralab.comparing.settings import show
from electralab.comparing.sweeps import state, where
from electralab.comparing.table import caption, cells, columns, duration, notes

# No script and nothing from outside is let in, even if some text were not escaped.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE = """
:root { color-scheme: light dark; --line: #d0d4d9; --soft: #f3f5f7; --best: #e7f1fa; }
@media (prefers-color-scheme: dark) {
  :root { --line: #444b54; --soft: #22272e; --best: #1d3448; }
}
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem; }
h1 { font-size: 1.5rem; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
pre { background: var(--soft); padding: .6rem .8rem; white-space: pre-wrap; }
pre, code, dd, li { overflow-wrap: anywhere; }
.wide, figure { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .7rem .25rem 0; text-align: left; }
td { max-width: 30rem; min-width: 2ch; overflow-wrap: break-word; }
th { white-space: nowrap; vertical-align: bottom; }
.number { text-align: right; white-space: nowrap; }
tr.best { background: var(--best); }
figure { margin: 1rem 0; }
img { background: #fff; border-radius: 4px; height: auto; max-width: max(100%, 34rem); }
figcaption, .small { font-size: .9rem; opacity: .85; }
dl { display: grid; gap: .1rem 1rem; grid-template-columns: max-content 1fr; }
dt { opacity: .75; } dd { margin: 0; }
"""


def page(comparison: Comparison, pictures: Sequence[Picture]) -> str:
    """Returns the page.

    Args:
        comparison: What was compared; every name, value and reason in it may be anything.
        pictures: From `pictures.draw`.
    """
    title = escape(comparison.title)
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        *_identity(comparison),
        "<h2>Points</h2>",
        f'<p class="small">{escape(caption(comparison))}</p>',
        *_points(comparison),
        *_list(notes(comparison, failures=False), 'class="small"'),
        *_pictures(pictures),
        *_failed(comparison),
    ]
    if said := caveats(comparison):
        parts += ["<h2>How to read this</h2>", *_list(said)]
    parts += ["<h2>Runs</h2>", *_runs(comparison), "</body></html>", ""]
    return "\n".join(parts)


def _identity(comparison: Comparison) -> Iterable[str]:
    facts = {
        "state": f"{comparison.status.lower()}; " * bool(comparison.status) + state(comparison),
        "took": duration(comparison.seconds),
        "sweep": comparison.sweep_id,
        "tracked run": comparison.run_id,
    }
    yield "<dl>"
    for name, fact in facts.items():
        if fact:
            yield f"<dt>{name}</dt><dd>{escape(fact)}</dd>"
    yield "</dl>"
    if comparison.command:
        yield f"<pre><code>{escape(comparison.command)}</code></pre>"


def _points(comparison: Comparison) -> Iterable[str]:
    found = points(comparison)
    head, *rows = cells(comparison, found, columns(comparison), keys=comparison.points_by)
    text = 1 + len(comparison.points_by)
    numeric = [index >= text and name != "status" for index, name in enumerate(head)]
    yield from _table(head, rows, numeric=numeric, best=[point.best for point in found])


def _table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numeric: Sequence[bool] = (),
    best: Sequence[bool] = (),
) -> Iterable[str]:
    kinds = [' class="number"' if number else "" for number in numeric] or [""] * len(head)
    marks = [' class="best"' if mark else "" for mark in best] or [""] * len(rows)
    pairs = zip(kinds, head, strict=True)
    yield '<div class="wide"><table><thead><tr>'
    yield "".join(f"<th{kind}>{escape(name)}</th>" for kind, name in pairs)
    yield "</tr></thead><tbody>"
    for mark, row in zip(marks, rows, strict=True):
        pairs = zip(kinds, row, strict=True)
        yield f"<tr{mark}>" + "".join(f"<td{k}>{escape(cell)}</td>" for k, cell in pairs) + "</tr>"
    yield "</tbody></table></div>"


def _list(lines: Sequence[str], attributes: str = "") -> Iterable[str]:
    if lines:
        yield f"<ul {attributes}>".replace(" >", ">")
        yield from (f"<li>{escape(line)}</li>" for line in lines)
        yield "</ul>"


def _pictures(pictures: Sequence[Picture]) -> Iterable[str]:
    if pictures:
        yield "<h2>Pictures</h2>"
    for picture in pictures:
        coded = base64.b64encode(picture.image).decode()
        title = escape(picture.title)
        yield f'<figure><img alt="{title}" src="data:image/png;base64,{coded}">'
        yield f"<figcaption>{title}</figcaption></figure>"


def _failed(comparison: Comparison) -> Iterable[str]:
    left = [result for result in comparison.results if result.status != FINISHED]
    if not left:
        return
    yield "<h2>Not finished</h2>"
    rows = [[result.label, where(result), result.status.lower(), result.reason] for result in left]
    yield from _table(["run", "settings", "status", "reason"], rows)


def _runs(comparison: Comparison) -> Iterable[str]:
    keys = comparison.keys
    rows = [
        [
            result.label,
            *(show(result.settings.get(key)) for key in keys),
            result.status.lower(),
            duration(result.seconds),
            result.run_id,
        ]
        for result in comparison.results
    ]
    first = "signature" if comparison.sweep_id else "run"
    yield from _table([first, *keys, "status", "time", "run id"], rows)
