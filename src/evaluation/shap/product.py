"""Why one product got its class: blocks, words and n-grams for and against, experts' weights."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator
from typing import Literal

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from src.errors import UsageError
from src.evaluation.shap.blocks import block_contributions
from src.evaluation.shap.classifiers import LinearExplainer
from src.evaluation.shap.experts import ExpertPart, take_apart
from src.evaluation.shap.words import Occurrence, Span, occurrences, place_scores, share_out
from src.features.tfidf.vectorizers import TfidfBase, TfidfWords
from src.models.late_fusion import LateFusion

Kind = Literal["words", "characters"]


@dataclasses.dataclass(frozen=True)
class Term:
    """An n-gram of the product.

    Attributes
    ----------
    kind : {"words", "characters"}
    text : str
        Readable: "lampe led", "lamp…" (a word begins so), "…pe" (ends), "…amp…" (holds it).
    contribution : float
        What it adds to the class's margin, over all branches that count it.
    branches : tuple of str
        Those branches.
    """

    kind: Kind
    text: str
    contribution: float
    branches: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Field:
    """One clean text cut at white space, and what each word's n-grams add to the margin."""

    words: tuple[str, ...]
    scores: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Contributions:
    """What makes up one class's margin for one product.

    Attributes
    ----------
    margin, base : float
        Fused margin, and that of the mean product: their difference is the sum of `blocks`.
    weights : dict of str to float
        Weight of each expert; 0 where it has no input.
    terms_for, terms_against : tuple of Term
        The n-grams that add and take away most, the strongest first.
    fields : dict of str to Field
        Each text by its column ("clean_title", "clean_description"). The scores of
        their words and the n-grams that the product lacks make up the blocks of n-grams.
    """

    code: int
    margin: float
    base: float
    blocks: dict[str, float]
    weights: dict[str, float]
    terms_for: tuple[Term, ...]
    terms_against: tuple[Term, ...]
    fields: dict[str, Field]

    def words(self) -> dict[str, float]:
        """Return the score of each distinct word over all fields, the largest first."""
        total: dict[str, float] = defaultdict(float)
        for field in self.fields.values():
            for word, score in zip(field.words, field.scores.tolist(), strict=True):
                total[word] += score
        return dict(sorted(total.items(), key=lambda item: -item[1]))


def explain_product(model: LateFusion, X: pd.DataFrame, code: int, top: int = 10) -> Contributions:
    """Explain the margin of class `code` for the one product of the table `X`.

    Raises
    ------
    UsageError
        The model does not know the class.
    ValueError
        `X` has not exactly one row.
    """
    if len(X) != 1:
        raise ValueError(f"one product is explained at a time, found {len(X)} rows")
    if code not in model.classes_:
        known = ", ".join(map(str, model.classes_.tolist()))
        raise UsageError(f"class {code}: the model does not know it; it knows {known}")
    fused = take_apart(model, X)
    by_block = block_contributions(model, fused)
    column = int(np.searchsorted(model.classes_, code))
    texts = [text for part in filter(None, fused.experts) for text in _texts(part, X, column)]
    terms = _terms(texts)
    return Contributions(
        code=int(code),
        margin=float(by_block.margins[0, column]),
        base=float(by_block.base[0, column]),
        blocks=dict(zip(by_block.blocks, by_block.values[0, :, column].tolist(), strict=True)),
        weights=dict(zip(by_block.experts, by_block.weights[0].tolist(), strict=True)),
        terms_for=tuple(term for term in terms if term.contribution > 0)[:top],
        terms_against=tuple(term for term in terms[::-1] if term.contribution < 0)[:top],
        fields=_fields(texts, X),
    )


def highlight(text: str, contributions: Contributions, field: str = "clean_title") -> list[Span]:
    """Return the words of a raw `text` that speak for or against the class, by place.

    `field` is "clean_title" or "clean_description". The scores and those of the words that have no
    place in the text add up to what the field's n-grams contributed.
    """
    if field not in contributions.fields:
        return []
    clean = contributions.fields[field]
    return place_scores(text, clean.words, clean.scores.tolist())


@dataclasses.dataclass(frozen=True, eq=False)
class _Text:
    """One branch of n-grams: occurrences by word, and what each n-gram contributes."""

    branch: str
    kind: Kind
    columns: tuple[str, ...]
    occurrences: list[Occurrence]
    contributions: dict[str, float]


def _texts(part: ExpertPart, X: pd.DataFrame, column: int) -> Iterator[_Text]:
    """Give the branches of an expert that count n-grams; trees read their components alone."""
    explainer = part.explainer
    if not isinstance(explainer, LinearExplainer):
        return
    for number, (branch, steps) in enumerate(part.union.transformer_list):
        if not isinstance(steps, Pipeline) or not isinstance(steps[-1], TfidfBase):
            continue
        columns, counter = tuple(steps[0].get_feature_names_out()), steps[-1]
        counted = list(occurrences(counter, _words(counter, X, columns)))
        present, by_output = explainer.of_columns(part.parts, number)
        fused = part.fused(by_output[None, :, :])[0, :, column]
        by_column = dict(zip(present.tolist(), fused.tolist(), strict=True))
        vocabulary = counter.vocabulary_
        places = {gram: vocabulary[gram] for gram, _ in counted if gram in vocabulary}
        contributions = {gram: by_column[place] for gram, place in places.items()}
        kind: Kind = "words" if isinstance(counter, TfidfWords) else "characters"
        yield _Text(branch, kind, columns, counted, contributions)


def _words(counter: TfidfBase | None, X: pd.DataFrame, columns: tuple[str, ...]) -> list[str]:
    texts = [X[name].iloc[0] for name in columns]
    return " ".join(counter.preprocess(texts) if counter else texts).split()


def _terms(texts: list[_Text]) -> list[Term]:
    """Add up n-grams that several branches count; the largest contribution first."""
    total: dict[tuple[Kind, str], float] = defaultdict(float)
    branches: dict[tuple[Kind, str], list[str]] = defaultdict(list)
    for text in texts:
        for gram, contribution in text.contributions.items():
            total[text.kind, gram] += contribution
            branches[text.kind, gram].append(text.branch)
    terms = [
        Term(kind, _readable(kind, gram), contribution, tuple(branches[kind, gram]))
        for (kind, gram), contribution in total.items()
    ]
    return sorted(terms, key=lambda term: -term.contribution)


def _readable(kind: Kind, gram: str) -> str:
    if kind == "words":
        return gram
    before = "" if gram.startswith(" ") else "…"
    after = "" if gram.endswith(" ") else "…"
    return f"{before}{gram.strip()}{after}"


def _fields(texts: list[_Text], X: pd.DataFrame) -> dict[str, Field]:
    """Share the contributions of all branches out over the words of each field."""
    names = dict.fromkeys(name for text in texts for name in text.columns)
    words = {name: _words(None, X, (name,)) for name in names}
    scores = {name: np.zeros(len(words[name])) for name in names}
    for text in texts:
        sizes = [len(words[name]) for name in text.columns]
        shares = share_out(text.occurrences, text.contributions, sum(sizes))
        parts = np.split(shares, np.cumsum(sizes)[:-1])
        for name, part in zip(text.columns, parts, strict=True):
            scores[name] += part
    return {name: Field(tuple(words[name]), scores[name]) for name in names}
