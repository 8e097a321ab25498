"""Every number of a report is recomputed here, and the page shows no other number."""

from __future__ import annotations

import dataclasses
import html
import json
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix

from src.labels import Labels
from src.monitoring.drift import calibrate, compare, estimate_accuracy
from src.monitoring.reference import QUANTILES, Reference, from_json, to_json, without_images
from src.monitoring.report.build import BatchInfo, build_report, report_table
from src.monitoring.report.labels import with_labels
from src.monitoring.report.page import report_html
from src.monitoring.signals import ANSWER_SIGNALS
from tests.monitoring.conftest import reference_of

if TYPE_CHECKING:
    from src.monitoring.signals import Signals
    from tests.monitoring.conftest import MakeSignals

NAMES = {10: ("Livres", "Books"), 40: ("Jeux", "Games"), 2583: ("Piscines", "Pools")}
LABELS = Labels({c: {"fr": fr, "en": en} for c, (fr, en) in NAMES.items()}, {}, {})
INFO = BatchInfo(
    name="batch-a",
    date="2026-01-31",
    created_at="2026-01-31T06:00:00+00:00",
    source="batch <a>.csv",
    false_alarm_rate=0.05,
    resamples=199,
    in_training=7,
)
NASTY = "<script>alert('1')</script> & 12 \"cartes\""


@pytest.fixture
def drifted(make_signals: MakeSignals) -> Signals:
    """English, without pictures, more of the second class."""
    signals = make_signals(150, 3, pictured=0.3)
    proba = 0.5 * signals.proba + 0.5 * np.array([0.1, 0.8, 0.1])
    language = np.where(np.arange(150) % 2 == 0, "en", signals.language).astype(object)
    return dataclasses.replace(signals, proba=proba, language=language)


@pytest.fixture
def y(drifted: Signals) -> np.ndarray:
    """The truth: the second class is taken for the first; two products have no label."""
    codes = np.random.default_rng(0).choice(np.array([10, 40, 2583]), 150)
    codes[:2] = -1
    return codes


def report_of(reference: Reference, signals: Signals) -> dict[str, Any]:
    calibration = calibrate(reference, len(signals), false_alarm_rate=0.05, resamples=199, seed=0)
    rows = len(signals)
    items, known = titled(np.arange(rows) - 1, NASTY), titled(np.arange(len(reference)), "known ")
    findings = compare(reference, signals, calibration)
    accuracy = estimate_accuracy(reference, signals)
    return build_report(INFO, reference, signals, findings, accuracy, items, LABELS, known)


def titled(productids: np.ndarray, title: str) -> pd.DataFrame:
    """Products with a title each, in letters; the first of a batch has no productid."""
    ends = [title + "".join(chr(97 + int(d)) for d in str(i)) for i in range(len(productids))]
    return pd.DataFrame({"productid": productids, "designation": ends})


def test_before_and_now_are_those_of_the_signals(reference: Reference, drifted: Signals) -> None:
    report = json.loads(json.dumps(report_of(reference, drifted), allow_nan=False))
    found = {f["signal"]: f for f in report["findings"]}
    for name, values in drifted.numbers.items():
        present = values[~np.isnan(values)]
        assert found[name]["now"] == pytest.approx(np.quantile(present, QUANTILES))
        assert found[name]["before"] == reference.quantiles[name].tolist()
        assert found[name]["measured"] == len(present)
    assert found["missing_image"]["now"] == drifted.flags["missing_image"].mean()
    assert found["language"]["now"] == pytest.approx(
        {k: (drifted.language == k).mean() for k in ("de", "en", "fr", "other")}, abs=1e-6
    )
    assert found["predicted"]["now"] == pytest.approx(
        {str(c): (drifted.predicted == c).mean() for c in NAMES}, abs=1e-6
    )
    mix = [c["now"] for c in report["class_mix"]]
    assert mix == pytest.approx(drifted.proba.mean(axis=0), abs=1e-6)
    projection = reference.discretizer.projection
    assert projection is not None
    assert drifted.embedding is not None
    gap = np.nanmean(drifted.embedding, axis=0) - projection.centre
    expected = np.sqrt((gap**2).sum()) / projection.spread
    assert found["embedding"]["now"] == pytest.approx(expected, rel=1e-5)
    assert report["alert"]
    assert {"missing_image", "language", "class_mix"} <= {s for s, f in found.items() if f["alert"]}


def test_examples_show_what_moved(reference: Reference, drifted: Signals) -> None:
    found = {f["signal"]: f["examples"] for f in report_of(reference, drifted)["findings"]}
    rows = {name: [example["row"] for example in examples] for name, examples in found.items()}
    assert drifted.flags["missing_image"][rows["missing_image"]].all()
    assert set(drifted.language[rows["language"]]) == {"en"}
    best = np.sort(drifted.proba[:, 1])[-len(rows["class_mix"]) :]
    assert np.sort(drifted.proba[rows["class_mix"], 1]) == pytest.approx(best, abs=1e-3)
    assert found["language"][0]["designation"].startswith(NASTY)
    assert found["language"][0]["confidence"] == pytest.approx(
        drifted.proba[rows["language"][0]].max(), abs=1e-4
    )
    assert found["title_length"] == []


def test_examples_of_the_reference_show_what_was(reference: Reference, drifted: Signals) -> None:
    found = {f["signal"]: f["examples_before"] for f in report_of(reference, drifted)["findings"]}
    rows = {name: [example["row"] for example in examples] for name, examples in found.items()}
    sample = reference.sample
    assert not sample.bins["missing_image"][rows["missing_image"]].any()
    languages = np.array(reference.discretizer.languages)
    batch = pd.Series(drifted.language).value_counts(normalize=True)
    fewer = [
        name for i, name in enumerate(languages)
        if (sample.bins["language"] == i).mean() > batch.get(name, 0.0)
    ]  # fmt: skip
    assert set(languages[sample.bins["language"][rows["language"]]]) <= set(fewer)
    first = found["language"][0]
    assert first["designation"] == titled(np.arange(1500), "known ")["designation"][first["row"]]
    assert first["predicted"] == reference.classes[sample.proba[first["row"]].argmax()]
    assert found["title_length"] == []


def test_no_title_is_an_example_twice(reference: Reference, drifted: Signals) -> None:
    calibration = calibrate(reference, 150, false_alarm_rate=0.05, resamples=199, seed=0)
    findings = compare(reference, drifted, calibration)
    items = pd.DataFrame({"productid": range(150), "designation": ["same"] * 149 + ["other"]})
    report = build_report(INFO, reference, drifted, findings, None, items, LABELS)
    for finding in report["findings"]:
        titles = [example["designation"] for example in finding["examples"]]
        assert len(set(titles)) == len(titles)
        assert finding["examples_before"] == []


def test_the_bars_of_a_number_are_shares_between_its_edges(
    reference: Reference, drifted: Signals
) -> None:
    signals = make_longer(drifted)
    found = {f["signal"]: f for f in report_of(reference, signals)["findings"]}
    histogram = found["title_length"]["histogram"]
    assert len(histogram["edges"]) == 6
    bins = [-np.inf, *np.nextafter(histogram["edges"], -np.inf), np.inf]
    counts, _ = np.histogram(signals.numbers["title_length"], bins)
    assert histogram["now"] == pytest.approx(counts / 150, abs=1e-6)
    assert sum(histogram["before"]) == pytest.approx(1.0, abs=1e-5)
    assert histogram["before"][0] == pytest.approx(0.05, abs=0.01)
    assert found["title_length"]["alert"]
    page = report_html(report_of(reference, signals))
    assert "The median went from" in page
    assert "La médiane est passée de" in page
    assert "The largest shift, " in page


def make_longer(signals: Signals) -> Signals:
    lengths = signals.numbers["title_length"] + 100
    return dataclasses.replace(signals, numbers={**signals.numbers, "title_length": lengths})


def test_products_are_those_least_like_the_reference(
    reference: Reference, make_signals: MakeSignals
) -> None:
    """Forty of a batch have titles longer than any: they come first, and for that reason."""
    signals = make_signals(150, 5)
    odd = np.arange(150) % 15 < 4
    lengths = np.where(odd, 400.0, signals.numbers["title_length"])
    signals = dataclasses.replace(signals, numbers={**signals.numbers, "title_length": lengths})
    report = report_of(reference, signals)
    assert [f["signal"] for f in report["findings"] if f["alert"]] == ["title_length"]
    named = report["products"]
    assert len(named) <= 50
    longest = lengths >= reference.discretizer.edges["title_length"][-1]
    first = {p["productid"] for p in named[: longest.sum() - longest[0]]}
    assert first == {*(np.flatnonzero(longest) - 1).tolist()} - {-1}
    assert {p["reason"] for p in named} == {"title_length"}
    row = named[0]["productid"] + 1
    assert named[0]["designation"] == titled(np.arange(150), NASTY)["designation"][row]
    assert all(product["productid"] >= 0 for product in named)
    assert "Products to look at" in report_html(report)


def test_a_calm_batch_names_no_product(reference: Reference, make_signals: MakeSignals) -> None:
    report = report_of(reference, make_signals(150, 11))
    assert (report["alert"], report["products"]) == (False, [])
    assert "Products to look at" not in report_html(report)


def test_labels_are_compared_with_the_baseline(
    reference: Reference, drifted: Signals, y: np.ndarray
) -> None:
    plain = report_of(reference, drifted)
    told = with_labels(plain, reference, drifted, y, LABELS)["labels"]
    codes = list(NAMES)
    expected = confusion_matrix(y[2:], drifted.predicted[2:], labels=codes)
    assert told["confusion"] == expected.tolist()
    assert told["rows"] == 148
    assert told["accuracy"] == pytest.approx(accuracy_score(y[2:], drifted.predicted[2:]))
    known = reference.answers.confusion
    usual = known.diagonal() / known.sum(axis=1)
    assert told["change"]["accuracy"] == told["accuracy"]
    assert told["change"]["expected"] == pytest.approx(expected.sum(axis=1) @ usual / 148)
    for i, of_class in enumerate(told["classes"]):
        assert of_class["recall"] == pytest.approx(expected[i, i] / expected[i].sum())
        assert of_class["baseline_recall"] == pytest.approx(known[i, i] / known[i].sum())
        assert of_class["low"] < of_class["delta"] < of_class["high"]
    for c in told["confusions"]:
        t, p = codes.index(c["true"]), codes.index(c["predicted"])
        assert c["count"] == expected[t, p]
        assert c["rate"] == pytest.approx(expected[t, p] / expected[t].sum())
        assert c["baseline_rate"] == pytest.approx(known[t, p] / known[t].sum())


def test_a_fallen_class_alarms_alone(reference: Reference, make_signals: MakeSignals) -> None:
    signals = make_signals(150, 11)
    plain = report_of(reference, signals)
    assert not plain["alert"]
    wrong = np.where(signals.predicted == 10, 40, 10)
    told = with_labels(plain, reference, signals, wrong, LABELS)
    assert told["alert"]
    assert {c["code"] for c in told["labels"]["classes"] if c["change"] == "fell"} == {10, 40}
    assert told["labels"]["fell"]
    page = report_html(told)
    assert "moins de réponses justes · des classes moins bien reconnues" in page
    assert "For these classes the reference gives" in page


def test_without_pictures_it_says_what_was_not_looked_at(
    reference: Reference, make_signals: MakeSignals
) -> None:
    signals = dataclasses.replace(make_signals(150, 5, pictured=0.0), embedding=None)
    report = report_of(reference, signals)
    assert {"image_entropy", "embedding"} < set(report["not_looked_at"])
    json.dumps(report, allow_nan=False)
    assert "Content of the images (network)" in report_html(report)


def test_images_that_were_not_given_are_not_judged(make_signals: MakeSignals) -> None:
    """A shop whose images count, and a batch of it without them, answered by the text alone."""
    whole, text_alone = make_signals(1500, 1), make_signals(1500, 2)
    flat = (text_alone.proba + 1 / 3) / 2
    text_alone = dataclasses.replace(
        text_alone, proba=flat, numbers={**text_alone.numbers, "confidence": flat.max(axis=1)}
    )
    batch = text_alone.take(np.arange(200, 500))
    flags = {**batch.flags, "missing_image": np.ones(300, dtype=bool)}
    batch = dataclasses.replace(batch, flags=flags, embedding=None)
    content = to_json(reference_of(whole, 2))
    content["text_alone"] = to_json(reference_of(text_alone, 2))
    content = json.loads(json.dumps(content))
    assert report_of(from_json(content), batch)["alert"]
    reference = without_images(content)
    report = report_of(reference, batch)
    assert not report["alert"]
    judged = {f["signal"] for f in report["findings"]}
    assert judged == {
        "title_length", "description_length", "unknown_words", "missing_description", "language",
        "confidence", "doubt", "predicted", "class_mix",
    }  # fmt: skip
    assert {"missing_image", "image_entropy", "embedding"} <= set(report["not_looked_at"])
    told = with_labels(report, reference, batch, np.full(300, 10), LABELS)
    assert told["labels"]["baseline_accuracy"] == reference.answers.accuracy
    del content["text_alone"]  # one expert reads texts and images: its answers can't be compared
    fewer = report_of(without_images(content), batch)
    assert {f["signal"] for f in fewer["findings"]} == judged - set(ANSWER_SIGNALS)
    assert fewer["accuracy"] is None
    assert {entry["now"] for entry in fewer["class_mix"]} == {None}
    page = report_html({**fewer, "images_given": False})
    assert "Nothing to estimate: this model answers from images" in page
    assert "Classes before and now" not in page
    assert "Images were not given: nothing is judged about them" in page
    assert "Les images n&#39;étaient pas fournies" in page


def nothing_at_all(signals: Signals) -> Signals:
    """Titles of signs only, no description, no picture."""
    kept = {"title_length", "confidence", "doubt"}
    blank = np.full(len(signals), np.nan)
    numbers = {name: v if name in kept else blank for name, v in signals.numbers.items()}
    return dataclasses.replace(signals, numbers=numbers)


def all_one_class(signals: Signals) -> Signals:
    proba = np.tile([1.0, 0.0, 0.0], (len(signals), 1))
    certain = {"confidence": np.ones(len(signals)), "doubt": np.zeros(len(signals))}
    return dataclasses.replace(signals, proba=proba, numbers={**signals.numbers, **certain})


@pytest.mark.parametrize("rows", [1, 2, 150])
def test_odd_batches_are_told(reference: Reference, make_signals: MakeSignals, rows: int) -> None:
    """One product, nothing but titles, one class: numbers or dashes, never a NaN or a refusal."""
    plain, bare = make_signals(rows, 5), make_signals(rows, 5, pictured=0.0, described=0.0)
    for signals in (plain, nothing_at_all(bare), all_one_class(plain)):
        for y in (np.full(rows, 10), np.full(rows, -1)):
            report = with_labels(report_of(reference, signals), reference, signals, y, LABELS)
            json.dumps(report, allow_nan=False)
            assert report_html(report).count("<tr") > 2 * len(report["findings"])
            for finding in report["findings"]:
                lacking = finding["measured"] == 0
                assert (finding["threshold"] is None) == (finding["now"] is None) == lacking
                assert not (lacking and finding["alert"])
    bare_report = report_of(reference, nothing_at_all(bare))
    lacking = [f["signal"] for f in bare_report["findings"] if not f["measured"]]
    assert sorted(lacking) == sorted(bare_report["not_looked_at"])
    assert report_html(bare_report).count(">not measured<") == len(lacking) == 10
    assert bare_report["alert"] == (rows == 150)


def escaped(text: str) -> str:
    return html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


def at(report: dict[str, Any], path: str) -> object:
    value: Any = report
    for key in path.split("."):
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def test_the_page_shows_the_reports_numbers_and_no_others(
    reference: Reference, drifted: Signals, y: np.ndarray
) -> None:
    report = with_labels(report_of(reference, drifted), reference, drifted, y, LABELS)
    page = report_html(report)
    page = page[page.index('<main lang="en"') :]
    shown = re.findall(r'<data data-path="([^"]+)" value="([^"]+)">(.*?)</data>', page)
    assert len(shown) > 100
    for path, value, text in shown:
        assert float(value) == at(report, path), path
        number = float(re.sub("[^0-9.e+-]", "", text.replace("\N{MINUS SIGN}", "-")))
        candidates = (float(value), 100 * float(value), 1 / float(value) if float(value) else 0.0)
        assert any(math.isclose(number, c, rel_tol=0.05, abs_tol=0.06) for c in candidates), path
    body = page.replace(escaped(NASTY), "")
    assert "The model judges itself" in body
    noise = r"<data .*?</data>|<code>.*?</code>|<h1>.*?</h1>|<[^>]*>"
    rest = re.sub(noise, "", body, flags=re.DOTALL)
    assert re.findall(r"\d+", html.unescape(rest)) == []


def test_the_page_asks_nobody_and_escapes(reference: Reference, drifted: Signals) -> None:
    page = report_html(report_of(reference, drifted))
    assert "<script" not in page
    assert escaped(NASTY) in page
    assert escaped(INFO.source) in page
    assert re.findall(r"(?:src|href)=|url\(|@import|https?:", page) == []
    assert "SYNTHETIC" in page
    real = dataclasses.replace(reference.about, synthetic=False)
    calm = report_html(report_of(dataclasses.replace(reference, about=real), drifted))
    assert "SYNTHETIC" not in calm


def test_products_of_the_log_are_named_by_their_number(
    reference: Reference, drifted: Signals
) -> None:
    report = report_of(reference, drifted)
    shown = next(f["examples"] for f in report["findings"] if f["examples"])
    for example in shown:
        example["designation"] = ""
    shown[0]["productid"], shown[1]["productid"] = 4711, -1
    page = report_html(report)
    assert "<li>product 4711 <small>" in page
    assert f"<li>row {shown[1]['row']} <small>" in page


def test_both_languages_show_the_same_numbers(reference: Reference, drifted: Signals) -> None:
    french, english = report_html(report_of(reference, drifted)).split("<main ")[1:]
    assert french.startswith('lang="fr"')
    assert english.startswith('lang="en"')
    values = [re.findall(r'data-path="([^"]+)" value="([^"]+)"', page)
              for page in (french, english)]  # fmt: skip
    # Languages and classes stand in one order, the numbers' own.
    assert values[0] == values[1]


def test_bars_are_as_long_as_their_numbers(reference: Reference, drifted: Signals) -> None:
    report = report_of(reference, drifted)
    page = report_html(report)
    mix = page[page.index("Classes before and now") :]
    drawn = [float(w) for w in re.findall(r'<i style="width: ([\d.]+)%', mix)[:6]]
    pairs = sorted(report["class_mix"], key=lambda c: -abs(c["now"] - c["before"]))
    largest = max(max(c["now"], c["before"]) for c in pairs)
    expected = [100 * c[k] / largest for c in pairs for k in ("before", "now")]
    assert drawn == pytest.approx(expected, abs=0.01)


def test_the_table_is_the_report(reference: Reference, drifted: Signals, y: np.ndarray) -> None:
    report = with_labels(report_of(reference, drifted), reference, drifted, y, LABELS)
    table = report_table(report)
    signals = table[table["part"] == "signal"]
    assert signals["name"].tolist() == [f["signal"] for f in report["findings"]]
    assert signals["statistic"].tolist() == [f["statistic"] for f in report["findings"]]
    classes = table[table["part"] == "class"]
    assert classes["now"].tolist() == [c["recall"] for c in report["labels"]["classes"]]
    assert classes["support"].tolist() == [c["support"] for c in report["labels"]["classes"]]
    assert (table["part"] == "class_mix").sum() == 3
