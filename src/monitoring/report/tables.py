"""The tables of the drift report's page: classes with labels, confusions, all signals."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from src.monitoring.report.words import SIGNALS, STATISTICS, both, number, words

Found = dict[str, Any]


def labelled_section(report: Found) -> str:
    """Return the classes of a labelled lot, those that fell first; "" without labels."""
    if report["labels"] is None:
        return ""
    order = {"fell": 0, "rose": 1, "steady": 2, "unknown": 3}
    pairs = list(enumerate(report["labels"]["classes"]))
    pairs.sort(key=lambda pair: (order[pair[1]["change"]], pair[1]["delta"] or 0.0))
    marks = {
        "fell": both("▼ baisse", "▼ fell"),
        "rose": both("▲ hausse", "▲ rose"),
        "steady": both("stable", "steady"),
        "unknown": both("sans mesure", "not measured"),
    }
    lines = []
    for i, c in pairs:
        path = f"labels.classes.{i}"
        shift = number(f"{path}.delta", c["delta"], "points")
        low, high = (number(f"{path}.{key}", c[key], "points") for key in ("low", "high"))
        lines.append(
            f'<tr class="{c["change"]}"><td>{class_name(c)}</td>'
            f"<td>{number(f'{path}.support', c['support'], 'count')}</td>"
            f"<td>{number(f'{path}.baseline_recall', c['baseline_recall'], 'percent')} → "
            f"{number(f'{path}.recall', c['recall'], 'percent')}</td>"
            f"<td>{shift} <small>[{low}, {high}]</small></td><td>{marks[c['change']]}</td></tr>"
        )
    heads = [
        both("Catégorie", "Category"),
        both("Produits", "Products"),
        both("Reconnus", "Recognised"),
        both("Écart [intervalle], points", "Shift [interval], points"),
        both("Verdict", "Verdict"),
    ]
    head = both("Avec les étiquettes : avant et maintenant", "With labels: before and now")
    return f"<section><h2>{head}</h2>{_table(heads, lines)}{_confusions(report)}</section>"


def _confusions(report: Found) -> str:
    lines = []
    for i, c in enumerate(report["labels"]["confusions"]):
        path = f"labels.confusions.{i}"
        true, taken = (class_name({"label": c[f"{k}_label"]}) for k in ("true", "predicted"))
        lines.append(
            f"<tr><td>{true}</td><td>{taken}</td>"
            f"<td>{number(f'{path}.count', c['count'], 'count')}</td>"
            f"<td>{number(f'{path}.baseline_rate', c['baseline_rate'], 'percent')} → "
            f"{number(f'{path}.rate', c['rate'], 'percent')}</td></tr>"
        )
    if not lines:
        return ""
    heads = [
        both("Catégorie", "Category"),
        both("Prise pour", "Taken for"),
        both("Produits", "Products"),
        both("Part", "Rate"),
    ]
    head = both("Confusions qui ont le plus grandi", "Confusions that grew most")
    return f"<h3>{head}</h3>{_table(heads, lines)}"


def signals_section(report: Found) -> str:
    """Return every signal's statistic with the value above which it alarms."""
    lines = []
    for i, f in enumerate(report["findings"]):
        path = f"findings.{i}"
        mark = both("▲ a bougé", "▲ moved") if f["alert"] else both("stable", "steady")
        if not f["measured"]:
            mark = both("sans mesure", "not measured")
        usual = number(f"{path}.usual_psi", f["usual_psi"], "decimal")
        psi = number(f"{path}.psi", f["psi"], "decimal")
        lines.append(
            f'<tr class="{"fell" if f["alert"] else ""}"><td>{words(SIGNALS[f["signal"]])}</td>'
            f"<td>{STATISTICS[f['kind']]} {number(f'{path}.statistic', f['statistic'], 'decimal')} "
            f"<small>/ {number(f'{path}.threshold', f['threshold'], 'decimal')}</small></td>"
            f"<td>{psi} <small>/ {usual}</small></td>"
            f"<td>{number(f'{path}.jensen_shannon', f['jensen_shannon'], 'decimal')}</td>"
            f"<td>{mark}</td></tr>"
        )
    heads = [
        both("Signal", "Signal"),
        both("Statistique / seuil", "Statistic / threshold"),
        both("PSI / usuel", "PSI / usual"),
        "JS",
        both("Verdict", "Verdict"),
    ]
    head = both("Tous les signaux", "All signals")
    return f"<section><h2>{head}</h2>{_table(heads, lines)}</section>"


def _table(heads: Sequence[str], lines: Sequence[str]) -> str:
    head = "".join(f"<th>{text}</th>" for text in heads)
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def class_name(entry: Found) -> str:
    """Return a class's label in both languages, escaped."""
    label = entry["label"]
    return both(html.escape(label["fr"]), html.escape(label["en"]))
