"""What numbers mean in a product text: years, dimensions, ISBN, prices, ages, units, sizes.

All patterns expect text folded to lower-case ASCII (``fold_to_ascii``), look for whole words and
are linear in the length of the text.
"""

import re

UNIT_GROUPS = {
    "length": ("mm", "cm", "dm", "m", "km", "inch", "inches", "pouces", "zoll"),
    "weight": ("mg", "g", "gr", "kg", "grammes"),
    "volume": ("ml", "cl", "dl", "l", "litre", "litres", "liter"),
    "power": ("v", "w", "kw", "wh", "mah", "ah", "lumens", "lm", "hz", "watts"),
    "storage": ("go", "gb", "mo", "mb", "to", "tb"),
}
_GROUP_OF_UNIT = {unit: group for group, units in UNIT_GROUPS.items() for unit in units}
_UNITS = "|".join(sorted(_GROUP_OF_UNIT, key=len, reverse=True))
_AGE_UNIT = r"(?:ans?|mois|years?|yrs|months?|jahren?|monaten?|jaar|maanden|anni|mesi|anos|meses)"
# Patterns begin with what they look for, and look back afterwards: then the engine skips to the
# next digit at once, which makes them two to three times faster than with the check in front.
_START = r"[0-9](?<![\w.,][0-9])"
_NUMBER = r"[0-9]+(?:[.,][0-9]+)?"
_FIRST_NUMBER = rf"{_START}[0-9]*(?:[.,][0-9]+)?"

UNIT = re.compile(rf"{_FIRST_NUMBER}(?:\s?x\s?{_NUMBER}){{0,3}}\s?({_UNITS})(?!\w)")
# A year is no year when a unit follows it: "2000 mah", "1920x1080".
YEAR = re.compile(
    r"(?:19[0-9][0-9]|20[0-4][0-9])(?<![\w.,/]....)"
    rf"(?![\w]|[.,][0-9]|\s?(?:{_UNITS}|x|euros?|eur|pieces|pcs)(?!\w))"
)
DIMENSION = re.compile(rf"{_FIRST_NUMBER}\s?(?:mm|cm|m)?\s?[x*]\s?{_NUMBER}(?![0-9])")
EURO = re.compile(r"eur(?<![a-z]eur)(?:os?)?(?![a-z])")
PERCENT = re.compile(r"[0-9]\s?(?:%|pour ?cent|percent|prozent|procent)(?![a-z])")
AGE = re.compile(
    rf"{_START}[0-9]?(?:\s?(?:-|a|to|bis|tot|/)\s?[0-9]{{1,2}}\s?{_AGE_UNIT}(?!\w)"
    rf"|\s?{_AGE_UNIT}\s?(?:et plus|et \+|and up|old|\+)"
    r"|\+(?!\s?[0-9+]|\w))"
)
AGE_NUMBER = re.compile(rf"{_START}[0-9]?\s?{_AGE_UNIT}(?!\w)")
_AGE_LEAD = re.compile(r"(?<!\w)(?:des|a partir de|from|ab|vanaf|ages?)(?: de)? \Z")
_AGE_LEAD_CHARS = 20
CLOTHING_SIZE = re.compile(
    r"(?:(?:taille|size|grosse|maat|taglia|talla|pointure)\s?:?\s?(?:x{0,3}[sl]|m|[0-9]{1,3})"
    r"|xxs|xs|xl|xxl|xxxl|2xl|3xl|4xl|5xl|6xl)(?!\w)"
)
_ISBN13 = re.compile(r"97[89](?<![0-9-]...)(?:[- ]?[0-9]){10}(?![0-9])")
_ISBN10 = re.compile(r"[0-9](?<![\w-][0-9])(?:[- ]?[0-9]){8}[- ]?[0-9x](?!\w)")


def is_isbn10(digits: str) -> bool:
    """Check ten characters, the last may be "x": sum of digit times weight 10..1 is 0 mod 11.

    Source: ISBN Users' Manual, 4th edition.

    >>> is_isbn10("2070612368"), is_isbn10("080442957x"), is_isbn10("2070612369")
    (True, True, False)
    """
    values = [10 if sign == "x" else int(sign) for sign in digits]
    return (
        sum(weight * value for weight, value in zip(range(10, 0, -1), values, strict=True)) % 11
        == 0
    )


def is_isbn13(digits: str) -> bool:
    """Check thirteen digits: sum with weights 1, 3, 1, 3 ... is 0 mod 10.

    Source: ISBN Users' Manual, International edition, 7th edition.

    >>> is_isbn13("9782070612369"), is_isbn13("9782070612360")
    (True, False)
    """
    return sum(int(sign) * (3 if place % 2 else 1) for place, sign in enumerate(digits)) % 10 == 0


def count_isbn(text: str) -> tuple[int, int]:
    """Count the valid ISBN-10 and ISBN-13 of a folded text; hyphens and spaces may part them."""
    n_thirteen = sum(is_isbn13(_bare(match)) for match in _ISBN13.findall(text))
    rest = _ISBN13.sub(" ", text)
    n_ten = sum(is_isbn10(_bare(match)) for match in _ISBN10.findall(rest))
    return n_ten, n_thirteen


def _bare(number: str) -> str:
    return number.replace("-", "").replace(" ", "")


def count_units(text: str) -> dict[str, int]:
    """Count measures in a folded text by the kind of their unit (keys of `UNIT_GROUPS`)."""
    counts = dict.fromkeys(UNIT_GROUPS, 0)
    for unit in UNIT.findall(text):
        counts[_GROUP_OF_UNIT[unit]] += 1
    return counts


def count_ages(text: str) -> int:
    """Count ages in a folded text: "3-6 ans", "3+", "3 ans et plus", "des 3 ans"."""
    alone = AGE_NUMBER.finditer(text)
    leads = (text[max(0, age.start() - _AGE_LEAD_CHARS) : age.start()] for age in alone)
    return len(AGE.findall(text)) + sum(_AGE_LEAD.search(lead) is not None for lead in leads)


def count_sizes(text: str) -> int:
    """Count clothing sizes in a folded text: "taille m", "xl", "pointure 42"."""
    starts = (size.start() for size in CLOTHING_SIZE.finditer(text))
    return sum(start == 0 or not text[start - 1].isalnum() for start in starts)
