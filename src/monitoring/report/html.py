"""The drift report as one page that a person understands in a minute, in French and English.

The page asks nobody for anything: style and charts are inside, the language is switched by two
radio buttons. Every number carries its path in the report's JSON and its full value. Text from
products is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from src.monitoring.report.charts import BEFORE, NOW, bars, ranges
from src.monitoring.report.page import PAGE, STYLE
from src.monitoring.report.tables import class_name, labelled_section, signals_section
from src.monitoring.report.words import (
    LANGUAGE_NAMES,
    SHARES,
    SIGNALS,
    Words,
    both,
    number,
    words,
)

MOST_CLASSES = 8
Found = dict[str, Any]


def report_html(report: Found) -> str:
    """Return the page of a report as `report.build_report` (and `with_labels`) gives it."""
    title = f"{report['name']} · {report['date']}"
    parts = [
        _banner(report),
        _verdict(report),
        _score(report),
        _moved(report),
        _mix(report),
        labelled_section(report),
        signals_section(report),
        _how_to_read(report),
    ]
    return PAGE.format(
        title=html.escape(title),
        heading=both("Rapport de dérive", "Drift report"),
        lot=html.escape(title),
        style=STYLE,
        body="\n".join(part for part in parts if part),
    )


def _banner(report: Found) -> str:
    if not report["synthetic"]:
        return ""
    text = both(
        "SYNTHETIC : le modèle a appris d'une boutique de démonstration, rien ici n'est réel.",
        "SYNTHETIC: the model learned from a demo shop, nothing here is real.",
    )
    return f'<p class="synthetic">{text}</p>'


def _verdict(report: Found) -> str:
    moved = [f for f in report["findings"] if f["alert"]]
    fell = [c for c in (report["labels"] or {"classes": []})["classes"] if c["change"] == "fell"]
    if not report["alert"]:
        text = both("Rien n'a bougé au-delà du hasard.", "Nothing moved beyond what chance does.")
        return f'<section class="verdict fine"><h2>✓ {text}</h2>{_sizes(report)}</section>'
    names = [SIGNALS[f["signal"]] for f in moved]
    if report["labels"] and report["labels"]["fell"]:
        names.append(Words("moins de réponses justes", "fewer right answers"))
    if fell:
        names.append(Words("des catégories moins bien reconnues", "categories recognised worse"))
    listed = both(
        html.escape(" · ".join(n.fr for n in names)), html.escape(" · ".join(n.en for n in names))
    )
    head = both("Ce lot a bougé", "This lot has moved")
    return (
        f'<section class="verdict alert"><h2>▲ {head}</h2><p>{listed}</p>{_sizes(report)}</section>'
    )


def _sizes(report: Found) -> str:
    rows = number("rows", report["rows"], "count")
    known = number("reference_rows", report["reference_rows"], "count")
    return "<p>" + both(
        f"{rows} produits comparés à {known} produits de référence.",
        f"{rows} products compared with {known} reference products.",
    ) + "</p>"  # fmt: skip


def _score(report: Found) -> str:
    estimate, measured = report["accuracy"], report["labels"]
    low, high = (number(f"accuracy.{k}", estimate[k], "percent") for k in ("low", "high"))
    known = number("reference_accuracy", report["reference_accuracy"], "percent")
    text = both(
        f"entre {low} et {high} ; sur la référence {known}.",
        f"between {low} and {high}; on the reference {known}.",
    )
    if any(f["alert"] for f in report["findings"]):
        text += " " + both(
            "Le lot a bougé : à prendre comme une borne optimiste.",
            "The lot has moved: take it as an optimistic bound.",
        )
    lines = [
        f"<h2>{both('Réponses justes', 'Right answers')}</h2>",
        f'<p class="big">{number("accuracy.accuracy", estimate["accuracy"], "percent")}'
        f"<small>{both('estimées sans étiquettes', 'estimated without labels')}</small></p>",
        f"<p>{text}</p>",
    ]
    if measured and measured["accuracy"] is not None:
        real = number("labels.accuracy", measured["accuracy"], "percent")
        rows = number("labels.rows", measured["rows"], "count")
        told = both(f"mesurées sur {rows} étiquettes", f"measured on {rows} labels")
        lines.append(f'<p class="big">{real}<small>{told}</small></p>')
    if measured and measured["change"]:
        lines.append(_expected(measured["change"]))
    return f"<section>{''.join(lines)}</section>"


def _expected(change: Found) -> str:
    usual = number("labels.change.expected", change["expected"], "percent")
    low, high = (number(f"labels.change.{k}", change[k], "points") for k in ("low", "high"))
    text = both(
        f"Sur ces catégories la référence donne {usual} : écart de {low} à {high} points.",
        f"On these categories the reference gives {usual}: a shift of {low} to {high} points.",
    )
    return f"<p>{text}</p>"


def _moved(report: Found) -> str:
    cards = [
        _card(f"findings.{i}", finding, report)
        for i, finding in enumerate(report["findings"])
        if finding["alert"]
    ]
    if not cards:
        return ""
    return f"<section><h2>{both('Ce qui a bougé', 'What moved')}</h2>{''.join(cards)}</section>"


def _card(path: str, finding: Found, report: Found) -> str:
    odds = number(f"{path}.p_value", finding["p_value"], "odds")
    sure = both(
        f"Un lot inchangé irait aussi loin au plus une fois sur {odds}.",
        f"An unchanged lot would go as far at most once in {odds}.",
    )
    return (
        f"<article><h3>{words(SIGNALS[finding['signal']])}</h3>"
        f'{_shift(path, finding, report)}<p class="sure">{sure}</p>'
        f"{_examples(path, finding)}</article>"
    )


def _shift(path: str, finding: Found, report: Found) -> str:
    """Return before and now of one signal, as its kind is best shown."""
    before, now, name = finding["before"], finding["now"], finding["signal"]
    if finding["kind"] == "number":
        style = "percent" if name in SHARES else "decimal"
        old, new = (number(f"{path}.{k}.2", finding[k][2], style) for k in ("before", "now"))
        text = both(
            f"La moitié des produits est sous {new} (référence : {old}).",
            f"Half of the products are below {new} (reference: {old}).",
        )
        return f"<p>{text}</p>{ranges(before, now)}{_legend()}"
    if finding["kind"] == "flag":
        return _bar_rows([("", f"{path}.before", before, f"{path}.now", now)])
    if finding["kind"] == "embedding":
        far = number(f"{path}.now", now, "decimal")
        text = both(
            f"L'image moyenne s'est déplacée de {far} fois la distance usuelle d'une image à la "
            "moyenne.",
            f"The mean picture moved by {far} times a picture's usual distance from the mean.",
        )
        return f"<p>{text}</p>"
    names = {str(c["code"]): class_name(c) for c in report["class_mix"]}
    if name == "language":
        names = {key: words(LANGUAGE_NAMES.get(key, Words(key, key))) for key in before}
    keys = sorted(before, key=lambda key: -abs(now[key] - before[key]))[:3]
    return _bar_rows(
        [(names[k], f"{path}.before.{k}", before[k], f"{path}.now.{k}", now[k]) for k in keys]
    )


def _bar_rows(rows: Sequence[tuple[str, str, float, str, float]]) -> str:
    """Return rows of a name, two bars and their numbers: (name, path, before, path, now)."""
    largest = max(max(before, now) for _, _, before, _, now in rows)
    lines = [
        f'<div class="row"><span class="name">{name}</span>{bars(before, now, largest)}'
        f'<span class="values">{number(old, before, "percent")} → '
        f"<b>{number(new, now, 'percent')}</b></span></div>"
        for name, old, before, new, now in rows
    ]
    return "".join(lines) + _legend()


def _legend() -> str:
    return (
        f'<p class="legend"><i style="background:{BEFORE}"></i>{both("référence", "reference")} '
        f'<i style="background:{NOW}"></i>{both("ce lot", "this lot")}</p>'
    )


def _examples(path: str, finding: Found) -> str:
    if not finding["examples"]:
        return ""
    lines = []
    for i, example in enumerate(finding["examples"]):
        title = html.escape(example["designation"]) or _untitled(example)
        sure = number(f"{path}.examples.{i}.confidence", example["confidence"], "percent")
        lines.append(f"<li>{title} <small>→ {class_name(example)} {sure}</small></li>")
    head = both("Produits qui le montrent", "Products that show it")
    return f"<details open><summary>{head}</summary><ul>{''.join(lines)}</ul></details>"


def _untitled(example: Found) -> str:
    """Return what a product without a title is found by: the service's log keeps no texts."""
    if example["productid"] >= 0:
        return both(f"produit {example['productid']}", f"product {example['productid']}")
    return both(f"ligne {example['row']}", f"row {example['row']}")


def _mix(report: Found) -> str:
    entries = list(enumerate(report["class_mix"]))
    entries.sort(key=lambda pair: -abs(pair[1]["now"] - pair[1]["before"]))
    rows = [
        (class_name(c), f"class_mix.{i}.before", c["before"], f"class_mix.{i}.now", c["now"])
        for i, c in entries
    ]
    head = both("Catégories avant et maintenant", "Categories before and now")
    first = both(
        "Part de chaque catégorie selon le modèle ; les plus grands écarts d'abord.",
        "Share of each category as the model sees it; the largest shifts first.",
    )
    more = ""
    if rows[MOST_CLASSES:]:
        others = both("Les autres catégories", "The other categories")
        more = f"<details><summary>{others}</summary>{_bar_rows(rows[MOST_CLASSES:])}</details>"
    return f"<section><h2>{head}</h2><p>{first}</p>{_bar_rows(rows[:MOST_CLASSES])}{more}</section>"


def _how_to_read(report: Found) -> str:
    rate = number("false_alarm_rate", report["false_alarm_rate"], "percent")
    drawn = number("resamples", report["resamples"], "count")
    rows = number("rows", report["rows"], "count")
    lines = [
        both(
            f"Seuils : {drawn} lots de {rows} produits tirés de la référence ; des lots "
            f"inchangés, {rate} au plus donnent l'alerte, tous signaux ensemble.",
            f"Thresholds: {drawn} lots of {rows} products drawn from the reference; of unchanged "
            f"lots at most {rate} alarm, all signals together.",
        ),
        both(
            "Une alerte dit que le lot est différent, pas que les réponses sont fausses.",
            "An alarm says that the lot is different, not that the answers are wrong.",
        ),
    ]
    if report["in_training"]:
        seen = number("in_training", report["in_training"], "count")
        lines.append(
            both(
                f"{seen} produits du lot étaient dans l'apprentissage : le modèle en est trop sûr.",
                f"{seen} products of the lot were in training: the model is too sure of them.",
            )
        )
    if report["not_looked_at"]:
        names = [SIGNALS[name] for name in report["not_looked_at"]]
        lines.append(
            both(
                "Pas regardé, faute de mesure : " + html.escape(", ".join(n.fr for n in names)),
                "Not looked at, for want of data: " + html.escape(", ".join(n.en for n in names)),
            )
        )
    about = html.escape(f"{report['kind']} · {report['run_id']} · {report['data_hash'][:12]}")
    lines.append(both("Modèle : ", "Model: ") + f"<code>{about}</code>")
    lines.append(both("Source : ", "Source: ") + f"<code>{html.escape(report['source'])}</code>")
    items = "".join(f"<li>{line}</li>" for line in lines)
    return f"<section><h2>{both('Comment lire', 'How to read')}</h2><ul>{items}</ul></section>"
