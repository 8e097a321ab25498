"""Fills the {slots} of titles and sentences with the words of one product.

Every class has its own favourites in every list (``tilted``), a share of its proper names is its
own and the rest is borrowed from its group or from the whole shop (``proper``): what two classes
share does not tell them apart, what is their own does once it has been seen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tools.demo_shop.draws import Draws, cumulative, stable_unit
from tools.demo_shop.labels import GROUP_OF
from tools.demo_shop.names import invented
from tools.demo_shop.vocabulary import Family, Template, Vocabulary

OWN_NAMES = 0.42
GROUP_NAMES = 0.42
NAME_STEEPNESS = 0.72
TILT = 1.0
KEPT = frozenset({"brand", "series", "author", "title", "game", "name", "platform", "code"})


@dataclass
class Product:
    """What is decided about a product before a word of it is written.

    ``kept`` remembers the names of its title, which the description repeats. ``taste`` is the class
    whose favourite words are used: titles are the seller's, descriptions the maker's (0), the same
    whoever sells it.
    """

    code: int
    family: Family
    language: str
    kept: dict[str, str] = field(default_factory=dict)
    taste: int = -1

    def __post_init__(self) -> None:
        if self.taste < 0:
            self.taste = self.code


Slot = Callable[["Wording", Product], str]


class Wording:
    """Turns templates into text.

    Parameters
    ----------
    draws : Draws
        Source of every choice.
    vocabulary : Vocabulary
        The word lists.
    slots : mapping of str to callable
        Slot name -> what fills it; a slot that is not among them is a word list of the grammar.
    """

    def __init__(self, draws: Draws, vocabulary: Vocabulary, slots: Mapping[str, Slot]) -> None:
        self.draws = draws
        self.vocabulary = vocabulary
        self._running: dict[tuple[str, int], list[float]] = {}
        self._sold_by: dict[int, list[Family]] = {}
        for family in vocabulary.families:
            for code in family.mix:
                self._sold_by.setdefault(code, []).append(family)
        self._slots = slots

    def fill(self, template: Template, product: Product, *, again: bool = False) -> str:
        """Return the template with its slots filled.

        Parameters
        ----------
        template : Template
            Of :func:`~tools.demo_shop.vocabulary.compiled`.
        product : Product
            Whose words to use.
        again : bool
            Use the names that the title used, where it used any.
        """
        parts: list[str] = []
        for literal, slot in template:
            parts.append(literal)
            if slot:
                parts.append(self.word(slot, product, again=again))
        return "".join(parts)

    def word(self, slot: str, product: Product, *, again: bool = False) -> str:
        """Return a filling for one slot."""
        if again and slot in product.kept and self.draws.chance(0.8):
            return product.kept[slot]
        maker = self._slots.get(slot)
        text = maker(self, product) if maker else self._from_grammar(slot, product)
        if slot in KEPT:
            product.kept.setdefault(slot, text)
        return text

    def tilted(self, key: str, values: Sequence[str], product: Product) -> str:
        """Return a word: earlier ones more often, and the class's favourites more often."""
        running = self._running.get((key, product.taste))
        if running is None:
            running = cumulative(
                [
                    (0.2 + TILT * stable_unit(key, product.taste, value) ** 3) / (rank + 4)
                    for rank, value in enumerate(values)
                ]
            )
            self._running[key, product.taste] = running
        return self.draws.weighted(values, running)

    def proper(self, kind: str, product: Product, own: float = OWN_NAMES) -> str:
        """Return an invented name of the class, of its group, or of nobody in particular."""
        at = self.draws.unit()
        if at < own:
            space = f"{kind}:{product.code}"
        elif at < own + (1 - own) * GROUP_NAMES / (1 - OWN_NAMES):
            space = f"{kind}:{GROUP_OF[product.code]}"
        else:
            space = kind
        return invented(space, self.draws.rank(NAME_STEEPNESS))

    def family_for(self, code: int) -> Family:
        """Draw a product family that the class sells."""
        sold = self._sold_by[code]
        running = self._running.get(("family", code))
        if running is None:
            running = cumulative([float(family.mix[code]) for family in sold])
            self._running["family", code] = running
        return self.draws.weighted(sold, running)

    def _from_grammar(self, slot: str, product: Product) -> str:
        grammar = self.vocabulary.grammar
        for section in (product.language, "common", "en", "fr"):
            if slot in grammar[section]:
                values = grammar[section][slot]
                return self.tilted(f"{section}.{slot}", values, product)
        return self.tilted(slot, self.vocabulary.worlds[slot], product)
