"""The parts of a report as one HTML page that needs no other file."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from pdfgc.evaluation.charts import DRIVER, RESULT
from pdfgc.evaluation.published import note_for, tables_for
from pdfgc.evaluation.strips import data_url
from pdfgc.evaluation.tables import number, published_rows, summary_rows

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2328; max-width: 1120px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; } h3 { margin: 0; }
p.note, td.reason, caption, figcaption, .meta { color: #59636e; font-size: .87rem; }
table { border-collapse: collapse; margin: .8rem 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .3rem; font-weight: 600; }
th, td { padding: .22rem .7rem; white-space: nowrap; text-align: right; border-bottom: 1px solid #e3e6ea; }
th:first-child, td:first-child, td.reason { text-align: left; }
tr.ours td { font-weight: 650; background: #fdf1ea; }
.wide { overflow-x: auto; } .wide tr > :first-child { position: sticky; left: 0; background: #fff; }
.wide tr.ours td:first-child { background: #fdf1ea; } p, ul { overflow-wrap: anywhere; }
.clips table { font-size: .76rem; } .clips th { white-space: normal; }
.clips th, .clips td { padding: .2rem .45rem; }
.heat td { border: 2px solid #fff; min-width: 4.1rem; } .heat td b { display: block; }
.heat td small { color: inherit; opacity: .8; }
section.clip { border-top: 1px solid #d6dae0; margin-top: 1.6rem; padding-top: 1rem; }
figure { margin: .5rem 0; display: grid; grid-template-columns: 8.5rem 1fr; align-items: center; gap: .2rem .6rem; }
figure img { width: 100%; display: block; border-radius: 3px; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(250px, 1fr)); gap: .5rem 1rem; }
svg text { font: 10px system-ui, sans-serif; fill: #59636e; } svg text.name { fill: #1f2328; font-size: 11px; }
svg text.tick { text-anchor: end; } svg line { stroke: #d6dae0; }
svg path { fill: none; stroke-width: 1.3; stroke-linejoin: round; }
@media (max-width: 640px) {  /* names above their pictures, which are slid aside rather than made tiny */
  figure { display: block; overflow-x: auto; } figure img { width: 48rem; } figcaption { position: sticky; left: 0; }
}
.key i { display: inline-block; width: 1.6rem; border-top: 3px solid; vertical-align: middle; margin: 0 .3rem 0 .8rem; }
"""


def page(title: str, parts: Sequence[str]) -> str:
    """A whole document of parts that are HTML already."""
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>"
    )
    body = "\n".join(parts)
    style = f"<style>{_STYLE}</style>"
    return f'<!doctype html>\n<html lang="en"><head>{head}{style}</head><body>\n{body}\n</body></html>\n'


def heading(title: str, about: str, results: dict[str, Any]) -> str:
    """The title, what was done, with which weights and code, and what looked at the faces."""
    settings = {
        name: value for name, value in results["settings"].items() if value is not None and name != "about"
    }
    facts = [f"{results['date'][:10]}", f"pdfgc {results['pdfgc']}"]
    facts += [f"model {results['model']}"] if "model" in results else []
    facts += [f"weights {results['weights']}"] if "weights" in results else []
    listed = ", ".join(f"{name} {_plain(value)}" for name, value in settings.items())
    return (
        f"<h1>{escape(title)}</h1><p>{escape(about)}</p>"
        f'<p class="meta">{escape(" · ".join(facts))}<br>{escape(listed)}<br>{escape(instruments(results))}</p>'
    )


def instruments(results: dict[str, Any]) -> str:
    """What looked at faces, and what was missing, as one line."""
    return "; ".join(f"{part}: {what}" for part, what in results["instruments"].items())


def table(rows: Sequence[Sequence[str]], caption: str = "", *, last_is_ours: bool = False) -> str:
    """Rows of cells; the first row is the heading."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = ""
    for i, row in enumerate(rows[1:], 1):
        ours = ' class="ours"' if last_is_ours and i == len(rows) - 1 else ""
        body += f"<tr{ours}>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="wide"><table>{title}<tr>{head}</tr>{body}</table></div>'


def summary(results: dict[str, Any]) -> str:
    """Every metric over all clips, then what could not be measured and why."""
    rows, missing = summary_rows(results)
    text = "<h2>Over all clips</h2>" + table(rows)
    if missing:
        items = "".join(f"<li>{escape(name)}: {escape(reason)}</li>" for name, reason in missing)
        text += f'<p class="note">Not measured:</p><ul class="meta">{items}</ul>'
    return text + left_out(results)


def left_out(results: dict[str, Any]) -> str:
    """What was skipped, with reasons."""
    sentences = []
    for entry in results["skipped"]:
        what = entry["name"] if "name" in entry else f"{entry['pair']}, {entry['row']}"
        sentences.append(f"{what}: {entry['reason']}")
    sentences += results.get("unmatched", [])
    if not sentences:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<p class="note">Left out:</p><ul class="meta">{items}</ul>'


def beside_the_paper(results: dict[str, Any]) -> str:
    """The paper's tables that answer to the protocol and its metrics, ours in the last row."""
    tables = tables_for(results["protocol"], results["summary"])
    if not tables:
        return ""
    drawn = "".join(
        table(published_rows(published, results), published.title, last_is_ours=True) for published in tables
    )
    return f'<h2>Beside the paper</h2><p class="note">{escape(note_for(results["protocol"]))}</p>{drawn}'


def figure(rows: Sequence[tuple[str, bytes]]) -> str:
    """Labelled rows of pictures (JPEG)."""
    cells = "".join(
        f'<figcaption>{escape(name)}</figcaption><img alt="{escape(name)}" src="{data_url(jpeg)}">'
        for name, jpeg in rows
    )
    return f"<figure>{cells}</figure>"


def key() -> str:
    """What the two colours of curves mean."""
    return (
        f'<p class="meta key">curves:<i style="border-color:{DRIVER}"></i>driver'
        f'<i style="border-color:{RESULT}"></i>result</p>'
    )


def clip_section(name: str, facts: str, parts: Sequence[str]) -> str:
    """One clip of the report."""
    return f'<section class="clip"><h3>{escape(name)}</h3><p class="meta">{escape(facts)}</p>{"".join(parts)}</section>'


def heat_cell(text: str, under: str, colour: str, dark: bool) -> str:
    """A cell of the heat map."""
    ink = "#fff" if dark else "#1f2328"
    return f'<td style="background:{colour};color:{ink}"><b>{escape(text)}</b><small>{escape(under)}</small></td>'


def heat_map(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Rows of cells made by `heat_cell`."""
    head = "".join(f"<th>{escape(column)}</th>" for column in ("driven", *columns))
    body = "".join(f"<tr><td>{escape(name)}</td>{''.join(cells)}</tr>" for name, cells in rows)
    return f'<div class="wide"><table class="heat"><tr>{head}</tr>{body}</table></div>'


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_plain(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return " ".join(_plain(inner) for inner in value)
    return number(value) if isinstance(value, float) else str(value)
