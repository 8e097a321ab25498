"""Plans the pictures: which products have one, who shares whose, which files are broken.

13.6 % of the pictures are shared with another product; in 63 % of those pairs the labels agree.
A few products show their seller's placeholder; a few files are missing or can't be read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tools.demo_shop.catalogue import Catalogue, Item
from tools.demo_shop.draws import Draws, stable_seed
from tools.demo_shop.labels import NEIGHBOURS
from tools.demo_shop.statistics import DUPLICATE_IMAGES, DUPLICATE_IMAGES_SAME_LABEL

# Strangers in a group of three or more may agree by chance: a little less is enough.
_SAME_LABEL = DUPLICATE_IMAGES_SAME_LABEL - 0.11
PLACEHOLDERS = 0.0015
FAULTS = (("missing", 0.002), ("empty", 0.0005), ("truncated", 0.001), ("text", 0.0005))


@dataclass(frozen=True)
class PictureTask:
    """One picture file.

    Attributes
    ----------
    file : str
        Path under the images folder.
    seed : int
        Of this file's own accidents.
    source_seed, code, picture, title : int, int, str, str
        What is drawn: the product's own picture, or that of the product whose picture it shares.
    copied : bool
        Shown by another product as well.
    fault : str
        "", "missing", "empty", "truncated", "text" or "placeholder".
    label : int
        What the product's label says.
    """

    file: str
    seed: int
    source_seed: int
    code: int
    picture: str
    title: str
    copied: bool
    fault: str
    label: int


def picture_path(item: Item, split: str) -> str:
    """Return where a product's picture lies under the images folder."""
    return f"images/image_{split}/image_{item.imageid}_product_{item.productid}.jpg"


def _chosen(draws: Draws, items: Sequence[Item], n: int) -> list[Item]:
    rows = sorted(draws.shuffled(range(len(items)))[:n])
    return [items[row] for row in rows]


def plan_pictures(catalogue: Catalogue, images: int) -> list[PictureTask]:
    """Plan the pictures of a shop.

    Parameters
    ----------
    catalogue : Catalogue
        The products.
    images : int
        How many pictures; shared out over training and test products in proportion, at most one a
        product.

    Returns
    -------
    list of PictureTask
    """
    draws = Draws(stable_seed("pictures", catalogue.seed))
    total = len(catalogue.train) + len(catalogue.test)
    images = min(images, total)
    of_train = round(images * len(catalogue.train) / total)
    train = _chosen(draws, catalogue.train, of_train)
    test = _chosen(draws, catalogue.test, images - of_train)
    items = train + test
    sources = _shared_sources(draws, items)
    shown = {source for row, source in enumerate(sources) if source != row}
    splits = ["train"] * len(train) + ["test"] * len(test)
    return [
        _task(draws, catalogue.seed, items, row, sources, shown, split)
        for row, split in enumerate(splits)
    ]


def _shared_sources(draws: Draws, items: Sequence[Item]) -> list[int]:
    """Return for every row the row whose picture it shows."""
    sources = list(range(len(items)))
    free: dict[int, list[int]] = {}
    for row in draws.shuffled(range(len(items))):
        free.setdefault(items[row].label, []).append(row)
    wanted = round(DUPLICATE_IMAGES * len(items))
    codes = [item.label for item in items]
    while wanted > 1:
        source_code = codes[draws.below(len(codes))]
        size = 2 if draws.chance(0.75) else draws.between(3, 5)
        if len(free[source_code]) < 1:
            if not any(free.values()):
                break
            continue
        source = free[source_code].pop()
        members = _members(draws, free, source_code, size - 1)
        for row in members:
            sources[row] = source
        wanted -= len(members) + 1 if members else 0
    return sources


def _members(draws: Draws, free: dict[int, list[int]], code: int, n: int) -> list[int]:
    members = []
    same = draws.chance(_SAME_LABEL)
    for _ in range(n):
        other = code if same else draws.pick(NEIGHBOURS[code])
        if free.get(other):
            members.append(free[other].pop())
    return members


def _task(
    draws: Draws,
    seed: int,
    items: Sequence[Item],
    row: int,
    sources: Sequence[int],
    shown: set[int],
    split: str,
) -> PictureTask:
    item, source = items[row], items[sources[row]]
    return PictureTask(
        file=picture_path(item, split),
        seed=stable_seed("file", seed, item.productid),
        source_seed=stable_seed("picture", seed, source.productid),
        code=source.true_code,
        picture=source.picture,
        title=source.designation,
        copied=sources[row] != row or row in shown,
        fault=_fault(draws),
        label=item.label,
    )


def _fault(draws: Draws) -> str:
    at = draws.unit()
    for name, share in (*FAULTS, ("placeholder", PLACEHOLDERS)):
        if at < share:
            return name
        at -= share
    return ""
