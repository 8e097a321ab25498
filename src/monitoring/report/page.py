"""The drift report as one page that a person understands in a minute, in French and English.

The page (`drift_report.html.j2`) asks nobody for anything: style and charts are inside, the
language is switched by two radio buttons. Every number carries its path in the report's JSON and
its full value. Text from products is escaped.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from src.i18n import DASH, LANGUAGES, translator

# Numbers that are shares, written in per cent.
SHARES = {
    "unknown_words", "image_gray_mean", "image_occupancy", "image_border_white_share",
    "image_saturation_mean", "image_edge_density", "confidence",
}  # fmt: skip
STATISTICS = {"number": "KS", "flag": "Δ", "category": "χ²", "mix": "max |z|", "embedding": "T²"}
VERDICTS = ("fell", "rose", "steady", "unknown")


def report_html(report: dict[str, Any]) -> str:
    """Return the page of a report as `build_report` (and `with_labels`) gives it."""
    mix = list(enumerate(report["class_mix"] if report["accuracy"] else ()))
    mix.sort(key=lambda entry: -abs(entry[1]["now"] - entry[1]["before"]))
    classes = list(enumerate(report["labels"]["classes"] if report["labels"] else ()))
    classes.sort(key=lambda entry: (VERDICTS.index(entry[1]["change"]), entry[1]["delta"] or 0.0))
    return _template().render(
        report=report,
        languages=[ReportWords(report, language) for language in LANGUAGES],
        moved=[(i, finding) for i, finding in enumerate(report["findings"]) if finding["alert"]],
        class_fell=any(entry["change"] == "fell" for _, entry in classes),
        mix=[i for i, _ in mix],
        classes=classes,
        shares=SHARES,
        statistics=STATISTICS,
    )


@functools.cache
def _template() -> Any:  # noqa: ANN401
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("drift_report.html.j2")


class ReportWords:
    """Words of one language and the report's numbers, as the template asks for them."""

    def __init__(self, report: dict[str, Any], language: str) -> None:
        self.language = language
        self._report = report
        self._translator = translator(language)

    def say(self, key: str, **values: object) -> Markup:
        """Return a text of the section ``[drift_report]``, its values filled in and escaped."""
        return Markup(escape(self._translator(f"drift_report.{key}"))).format(**values)  # noqa: S704

    def value(self, path: str) -> Any:  # noqa: ANN401
        """Return what stands at a dotted path of the report, as "findings.0.statistic"."""
        value: Any = self._report
        for key in path.split("."):
            value = value[int(key)] if isinstance(value, list) else value[key]
        return value

    def show(self, path: str, style: str) -> Markup:
        """Return a number of the report, with its path and full value for machines.

        `style` is "percent", "points" (a signed difference of shares), "number", "decimal" or
        "odds", which turns a p-value into "once in n".
        """
        value = self.value(path)
        if value is None:
            return escape(DASH)
        if style == "odds":
            text = self._translator.number(1 / value)
        else:
            text = getattr(self._translator, style)(value)
        return Markup('<data data-path="{}" value="{!r}">{}</data>').format(path, value, text)

    def bars(self, path: str) -> Sequence[tuple[str, str, str]]:
        """Return what to draw of a finding with shares: (name, path before, path now) a bar.

        Of a category's many values the three that moved most.
        """
        finding = self.value(path)
        if finding["kind"] == "flag":
            return [("", f"{path}.before", f"{path}.now")]
        before, now = finding["before"], finding["now"]
        if finding["signal"] == "language":
            words = self._translator.section("drift_report.languages")
            names = {key: words.get(key, key) for key in before}
        else:
            mix = self._report["class_mix"]
            names = {str(entry["code"]): entry["label"][self.language] for entry in mix}
        keys = sorted(before, key=lambda key: -abs(now[key] - before[key]))[:3]
        return [(names[key], f"{path}.before.{key}", f"{path}.now.{key}") for key in keys]

    def mix_bars(self, rows: Sequence[int]) -> Sequence[tuple[str, str, str]]:
        """Return what to draw of the classes at these positions of the mix."""
        mix = self._report["class_mix"]
        return [
            (mix[i]["label"][self.language], f"class_mix.{i}.before", f"class_mix.{i}.now")
            for i in rows
        ]
