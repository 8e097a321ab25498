"""Images of one size: geometry, order, masks, and the threads around them."""

import io
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from src.data.image_decode import ImageFault, ImageSource, decode_image
from src.features.image.loader import (
    letterbox,
    load_batches,
    load_image,
    load_settings,
    map_ordered,
    resize,
    shrink,
)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def plain(colour: tuple[int, int, int], height: int = 20, width: int = 20) -> bytes:
    return png(np.full((height, width, 3), colour, dtype=np.uint8))


@pytest.mark.parametrize(
    ("height", "width", "box"),
    [(20, 40, (4, 12, 0, 16)), (40, 20, (0, 16, 4, 12)), (7, 7, (0, 16, 0, 16))],
)
def test_letterbox_keeps_proportions_and_centres(
    height: int, width: int, box: tuple[int, int, int, int]
) -> None:
    found = load_image(plain((10, 200, 30), height, width), 16, "letterbox")
    top, bottom, left, right = box
    expected = np.full((16, 16, 3), 255, dtype=np.uint8)
    expected[top:bottom, left:right] = (10, 200, 30)
    np.testing.assert_array_equal(found, expected)


def test_a_line_of_pixels_stays_visible() -> None:
    found = load_image(plain((0, 0, 0), 1, 2000), 16, "letterbox")
    assert (found == 0).all(axis=(1, 2)).sum() == 1
    assert (found == 255).all(axis=(1, 2)).sum() == 15


def test_stretch_fills_the_square() -> None:
    assert (load_image(plain((1, 2, 3), 10, 50), 16, "stretch") == (1, 2, 3)).all()


def test_shrinking_averages_areas() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 80, 3), dtype=np.uint8)
    blocks = pixels.reshape(10, 4, 20, 4, 3).mean(axis=(1, 3))
    assert np.abs(resize(pixels, 20, 10) - blocks).max() <= 0.5
    assert resize(pixels, 80, 40) is pixels


def test_a_scaled_decode_looks_like_a_whole_one() -> None:
    pixels = cv2.resize(
        np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8),
        (500, 500),
        interpolation=cv2.INTER_CUBIC,
    )
    data = cv2.imencode(".jpg", pixels[:, :, ::-1])[1].tobytes()
    found = load_image(data, 224, "letterbox").astype(int)
    whole = cv2.resize(decode_image(data), (224, 224), interpolation=cv2.INTER_AREA)
    assert np.abs(found - whole).mean() < 1.5


def test_batches_are_in_order_and_mask_every_gap(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(plain((7, 7, 7)))
    sources = [plain((i, i, i)) for i in range(21)]
    sources[3], sources[8], sources[20] = None, b"<html>", path
    parts, batches, masks = zip(*load_batches(sources, 6, size_px=4, n_threads=2), strict=True)
    assert [(p.start, p.stop) for p in parts] == [(0, 6), (6, 12), (12, 18), (18, 21)]
    images, mask = np.concatenate(batches), np.concatenate(masks)
    expected = list(range(20)) + [7]
    expected[3] = expected[8] = 255
    assert images[:, 0, 0, 0].tolist() == expected
    assert np.flatnonzero(~mask).tolist() == [3, 8]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_one_batch_of_all_is_the_same_as_one_by_one(n_threads: int) -> None:
    rng = np.random.default_rng(2)
    sources = [png(rng.integers(0, 256, (i + 1, 30, 3), dtype=np.uint8)) for i in range(30)]
    ((_, images, mask),) = load_batches(sources, len(sources), size_px=12, n_threads=n_threads)
    one_by_one = [load_image(source, 12, "letterbox") for source in sources]
    np.testing.assert_array_equal(images, np.stack(one_by_one))
    assert mask.all()


def test_no_images_at_all() -> None:
    assert list(load_batches([], 8, size_px=4)) == []
    ((_, images, mask),) = load_batches([None, None], 8, size_px=4)
    assert images.shape == (2, 4, 4, 3)
    assert not mask.any()


def test_one_image_that_can_not_be_read_says_why() -> None:
    with pytest.raises(ImageFault, match="empty: zero bytes"):
        load_image(b"", 4, "letterbox")


def test_settings_change_with_what_changes_pixels() -> None:
    chosen = [(4, "letterbox"), (5, "letterbox"), (4, "stretch")]
    assert len({tuple(load_settings(*options).items()) for options in chosen}) == 3


def test_threads_work_while_the_reader_does_something_else_and_no_further() -> None:
    started = []
    lock = threading.Lock()

    def slow(source: ImageSource) -> ImageSource:
        with lock:
            started.append(source)
        return source

    results = map_ordered(slow, [str(i) for i in range(100)], n_threads=2, chunk=2, n_ahead=5)
    assert next(results) == "0"
    while len(started) < 2:  # goes on for ever where nothing is read ahead
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(started) <= 2 * 5  # ahead of the reader, but bounded
    results.close()
    n_started = len(started)
    time.sleep(0.05)
    assert len(started) == n_started < 100
    assert not [t for t in threading.enumerate() if t.name.startswith("images")]


def test_opencv_gets_its_threads_back() -> None:
    before = cv2.getNumThreads()
    list(map_ordered(lambda source: source, ["a"], n_threads=1))
    assert cv2.getNumThreads() == before


def test_errors_in_threads_reach_the_reader() -> None:
    def fails(source: ImageSource) -> None:
        raise RuntimeError(f"on {source}")

    with pytest.raises(RuntimeError, match="on a"):
        list(map_ordered(fails, ["a"]))


def test_letterbox_of_its_own_size_is_the_image() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    np.testing.assert_array_equal(letterbox(pixels, 4), pixels)


def test_shrinking_keeps_proportions_and_leaves_small_images_alone() -> None:
    assert shrink(np.zeros((100, 400, 3), dtype=np.uint8), 160).shape == (40, 160, 3)
    assert shrink(np.zeros((100, 400, 3), dtype=np.uint8), 50, "short").shape == (50, 200, 3)
    assert shrink(np.zeros((1, 4000, 3), dtype=np.uint8), 160).shape == (1, 160, 3)
    small = np.zeros((10, 20, 3), dtype=np.uint8)
    assert shrink(small, 160) is small
