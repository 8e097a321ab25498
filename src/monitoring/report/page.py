"""The drift report as one page that a person understands in a minute, in French and English.

The page (`drift_report.html.j2`) asks nobody for anything: style and charts are inside, the
language is switched by two radio buttons. Every number carries its path in the report's JSON and
its full value. Text from products is escaped.
"""

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
    return _rendered("drift_report.html.j2", report, LANGUAGES)


def report_part(report: dict[str, Any], language: str) -> str:
    """Return what the page says in one language, for a page that has a heading of its own."""
    said = _rendered("drift_body.html.j2", report, [language])
    style = Path(__file__).with_name("drift_report.css").read_text(encoding="utf-8")
    return f'<style>{style}</style><div class="drift" lang="{language}">{said}</div>'


def _rendered(template: str, report: dict[str, Any], languages: Sequence[str]) -> str:
    mix = list(enumerate(report["class_mix"] if report["accuracy"] else ()))
    mix.sort(key=lambda entry: -abs(entry[1]["now"] - entry[1]["before"]))
    classes = list(enumerate(report["labels"]["classes"] if report["labels"] else ()))
    classes.sort(key=lambda entry: (VERDICTS.index(entry[1]["change"]), entry[1]["delta"] or 0.0))
    words = [ReportWords(report, language) for language in languages]
    return str(
        _environment()
        .get_template(template)
        .render(
            report=report,
            languages=words,
            t=words[0],
            moved=[(i, f) for i, f in enumerate(report["findings"]) if f["alert"]],
            class_fell=any(entry["change"] == "fell" for _, entry in classes),
            mix=[i for i, _ in mix],
            classes=classes,
            statistics=STATISTICS,
        )
    )


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


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

        Of a category's many values the three that moved most; none of the images' content.
        """
        finding = self.value(path)
        if finding["kind"] == "flag":
            return [("", f"{path}.before", f"{path}.now")]
        if finding["kind"] in {"number", "embedding"}:
            edges = finding.get("histogram", {}).get("edges", ())
            place, keys = f"{path}.histogram", range(len(edges) + 1 if edges else 0)
            names: Any = [self._between(path, key, len(edges)) for key in keys]
            return [(names[key], f"{place}.before.{key}", f"{place}.now.{key}") for key in keys]
        before, now = finding["before"], finding["now"]
        if finding["signal"] == "language":
            words = self._translator.section("drift_report.languages")
            names = {key: words.get(key, key) for key in before}
        else:
            mix = self._report["class_mix"]
            names = {str(entry["code"]): entry["label"][self.language] for entry in mix}
        moved = sorted(before, key=lambda key: -abs(now[key] - before[key]))[:3]
        return [(names[key], f"{path}.before.{key}", f"{path}.now.{key}") for key in moved]

    def _between(self, path: str, place: int, edges: int) -> Markup:
        """Say between which edges of a histogram one of its bars is."""
        low, high = (
            self._number(path, f"histogram.edges.{k}") if 0 <= k < edges else ""
            for k in (place - 1, place)
        )
        which = "from_to" if low and high else "above" if low else "below"
        return self.say(which, low=low, high=high)

    def _number(self, path: str, key: str) -> Markup:
        """Return a value of a number's, as numbers of this signal are written."""
        style = "percent" if self.value(path)["signal"] in SHARES else "decimal"
        return self.show(f"{path}.{key}", style)

    def moved(self, path: str) -> Markup:
        """Say in a sentence or two what a signal was and is, and where it moved most."""
        kind, bars, told = self.value(path)["kind"], self.bars(path), []
        if kind == "embedding":
            told.append(self.say("far", now=self.show(f"{path}.now", "decimal")))
        if kind == "number":
            before, now = self._number(path, "before.2"), self._number(path, "now.2")
            told.append(self.say("median", before=before, now=now))
        if bars:
            far = [abs(self.value(now) - self.value(before)) for _, before, now in bars]
            name, *pair = bars[far.index(max(far))]
            before, now = (self.show(share, "percent") for share in pair)
            told.append(self.say("most" if name else "share", name=name, before=before, now=now))
        return Markup(" ").join(told)

    def mix_bars(self, rows: Sequence[int]) -> Sequence[tuple[str, str, str]]:
        """Return what to draw of the classes at these positions of the mix."""
        mix = self._report["class_mix"]
        return [
            (mix[i]["label"][self.language], f"class_mix.{i}.before", f"class_mix.{i}.now")
            for i in rows
        ]
