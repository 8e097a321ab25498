"""Why one product got its class: blocks, words for and against, experts' weights."""

import dataclasses
import re
from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from src.errors import UsageError
from src.evaluation.shap.blocks import block_contributions
from src.evaluation.shap.classifiers import LinearExplainer
from src.evaluation.shap.experts import ExpertPart, take_apart
from src.evaluation.shap.words import (
    Occurrence,
    Span,
    find_places,
    occurrences,
    place_scores,
    share_out,
)
from src.features.tfidf.vectorizers import TfidfBase
from src.models.late_fusion import LateFusion
from src.pipelines.extractor import HAS_IMAGE
from src.pipelines.image_pipeline import BUILDERS
from src.pipelines.table import HAS_TEXT
from src.pipelines.text_pipeline import ENCODER, TRANSFORMERS

_EDGES = re.compile(r"^\W+|\W+$")
# The text as it came, of each clean text.
RAW = {"clean_title": "designation", "clean_description": "description"}


@dataclasses.dataclass(frozen=True)
class Field:
    """One clean text cut at white space, and what each word's n-grams add to the margin.

    `placed` says which words stand in the product's own text: the cleaner made up the others.
    """

    words: tuple[str, ...]
    scores: np.ndarray
    placed: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Contributions:
    """What makes up one class's margin for one product."""

    code: int
    margin: float  # the fused one
    base: float  # that of the mean product, with what this one lacks: `margin` less all `blocks`
    blocks: dict[str, float]  # contribution of each block of columns that was read
    weights: dict[str, float]  # of each expert that was read
    # The words and sequences of words that add and take away most, the strongest first, each once:
    # pieces of a word count to the word. All of them are in the product's text.
    terms_for: tuple[tuple[str, float], ...]
    terms_against: tuple[tuple[str, float], ...]
    # Each text by its column ("clean_title", "clean_description"). The scores of their words and
    # the n-grams that the product lacks make up the blocks of n-grams.
    fields: dict[str, Field]

    def words(self) -> dict[str, float]:
        """Return the score of each distinct word over all fields, the largest first."""
        total: dict[str, float] = defaultdict(float)
        for field in self.fields.values():
            for word, score in zip(field.words, field.scores.tolist(), strict=True):
                total[word] += score
        return dict(sorted(total.items(), key=lambda item: -item[1]))


def explain_product(model: LateFusion, X: pd.DataFrame, code: int, top: int = 10) -> Contributions:
    """Explain the margin of class `code`, which the model must know, for the one product of `X`."""
    if len(X) != 1:
        raise ValueError(f"one product is explained at a time, found {len(X)} rows")
    if code not in model.classes_:
        known = ", ".join(map(str, model.classes_.tolist()))
        raise UsageError(f"class {code}: the model does not know it; it knows {known}")
    fused = take_apart(model, X)
    by_block = block_contributions(model, fused)
    column = int(np.searchsorted(model.classes_, code))
    weights = dict(zip(by_block.experts, by_block.weights[0].tolist(), strict=True))
    values = by_block.values[0, :, column]
    was_read = np.array(
        [
            weights[expert] > 0 and _was_read(X, block)
            for block, expert in zip(by_block.blocks, by_block.block_experts, strict=True)
        ],
        dtype=bool,
    )
    blocks = zip(by_block.blocks, values.tolist(), was_read, strict=True)
    texts = [text for part in filter(None, fused.experts) for text in _texts(part, X, column)]
    fields = _fields(texts, X)
    terms = sorted(_terms(texts, fields).items(), key=lambda term: -abs(term[1]))
    return Contributions(
        code=int(code),
        margin=float(by_block.margins[0, column]),
        base=float(by_block.base[0, column] + values[~was_read].sum()),
        blocks={name: value for name, value, of_product in blocks if of_product},
        weights={name: weight for name, weight in weights.items() if weight > 0},
        terms_for=tuple(term for term in terms if term[1] > 0)[:top],
        terms_against=tuple(term for term in terms if term[1] < 0)[:top],
        fields=fields,
    )


def _was_read(X: pd.DataFrame, block: str) -> bool:
    """Tell whether the product has what a branch reads."""
    of_text = block in TRANSFORMERS or block == ENCODER
    flag = HAS_TEXT if of_text else HAS_IMAGE if block in BUILDERS else ""
    return flag not in X or bool(X[flag].iloc[0])


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

    columns: tuple[str, ...]
    occurrences: list[Occurrence]
    contributions: dict[str, float]


def _texts(part: ExpertPart, X: pd.DataFrame, column: int) -> Iterator[_Text]:
    """Give the branches of an expert that count n-grams; trees read their components alone."""
    explainer = part.explainer
    if not isinstance(explainer, LinearExplainer):
        return
    for number, (_, steps) in enumerate(part.union.transformer_list):
        if not isinstance(steps, Pipeline) or not isinstance(steps[-1], TfidfBase):
            continue
        columns, counter = tuple(steps[0].get_feature_names_out()), steps[-1]
        counted = list(occurrences(counter, _words(counter, X, columns)))
        present, by_output = explainer.of_columns(part.parts, number)
        fused = part.fused(by_output[None, :, :])[0, :, column]
        by_column = dict(zip(present.tolist(), fused.tolist(), strict=True))
        grams = list(dict.fromkeys(gram for gram, _ in counted))
        places = counter.columns(grams).tolist()
        shared = Counter(places)  # hashed n-grams may share a column
        contributions = {
            gram: by_column[place] / shared[place]
            for gram, place in zip(grams, places, strict=True)
            if place in by_column
        }
        yield _Text(columns, counted, contributions)


def _words(counter: TfidfBase | None, X: pd.DataFrame, columns: tuple[str, ...]) -> list[str]:
    texts = [X[name].iloc[0] for name in columns]
    return " ".join(counter.preprocess(texts) if counter else texts).split()


def _terms(texts: list[_Text], fields: dict[str, Field]) -> dict[str, float]:
    """Add up what is in one word under that word, and longer sequences under their own name."""
    as_written: dict[str, float] = defaultdict(float)
    for text in texts:
        words = [word for name in text.columns for word in fields[name].words]
        placed = np.concatenate([fields[name].placed for name in text.columns])
        times = Counter(gram for gram, _ in text.occurrences)
        for gram, places in text.occurrences:
            if gram in text.contributions and placed[list(places)].all():
                name = gram if len(set(places)) > 1 else words[places[0]]
                as_written[name] += text.contributions[gram] / times[gram]
    # A word may have as many n-grams as letters: each name is read once.
    total: dict[str, float] = defaultdict(float)
    for name, contribution in as_written.items():
        total[_EDGES.sub("", name).casefold()] += contribution
    total.pop("", None)  # signs alone
    return total


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
    return {
        name: Field(tuple(words[name]), scores[name], _placed(X, name, words[name]))
        for name in names
    }


def _placed(X: pd.DataFrame, name: str, words: list[str]) -> np.ndarray:
    """Tell which words stand in the raw text; all of them where it is not at hand."""
    if RAW.get(name) not in X:
        return np.ones(len(words), dtype=bool)
    found = find_places(X[RAW[name]].iloc[0], words)
    return np.array([place is not None for place in found], dtype=bool)
