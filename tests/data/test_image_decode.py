"""Every kind of file that a product feed may hold, against Pillow's own plain reading."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from src.data.image_decode import ImageFault, ImageSource, decode_image, inspect_image

RNG = np.random.default_rng(0)
REASONS = {
    *("missing", "empty", "not_an_image", "truncated", "corrupt", "too_large", "unreadable"),
}


def smooth(height: int = 60, width: int = 90, seed: int = 0) -> np.ndarray:
    """A picture that JPEG hardly changes."""
    small = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def jpeg(pixels: np.ndarray | None = None, **options: object) -> bytes:
    return saved(Image.fromarray(smooth() if pixels is None else pixels), "JPEG", **options)


def reason_of(source: ImageSource, **options: object) -> str:
    with pytest.raises(ImageFault, match=r"^[a-z_]+: .") as caught:
        decode_image(source, **options)
    assert caught.value.reason in REASONS
    assert str(caught.value).startswith(f"{caught.value.reason}: ")
    return caught.value.reason


def png_of_one_bit(width: int, height: int) -> bytes:
    """A valid black-and-white PNG, small on disk whatever its size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    rows = zlib.compress(bytes((1 + -(-width // 8)) * height), 1)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_jpeg_is_read_as_pillow_reads_it_from_bytes_and_from_a_file(tmp_path: Path) -> None:
    data = jpeg(quality=95)
    path = tmp_path / "a b é.jpg"
    path.write_bytes(data)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    for source in (data, bytearray(data), memoryview(data), path, str(path)):
        found, size, damaged = inspect_image(source)
        assert (size, damaged) == ((90, 60), False)
        assert found.shape == (60, 90, 3)
        # The fast transform may differ in the last bits.
        assert np.abs(found - expected).max() <= 40
        assert np.abs(found - expected).mean() < 3


@pytest.mark.parametrize(
    ("size", "min_side", "side", "expected"),
    [
        ((400, 800), 100, "long", (50, 100)),
        ((400, 800), 101, "long", (100, 200)),
        ((400, 800), 100, "short", (100, 200)),
        ((400, 800), 800, "long", (400, 800)),
        ((400, 800), 5000, "long", (400, 800)),
        ((399, 801), 200, "long", (100, 201)),
        ((400, 800), None, "long", (400, 800)),
    ],
)
def test_large_jpegs_are_decoded_smaller_but_never_below_what_is_asked(
    size: tuple[int, int], min_side: int | None, side: str, expected: tuple[int, int]
) -> None:
    pixels = smooth(*size)
    data = jpeg(pixels, quality=95)
    found, whole, _ = inspect_image(data, min_side_px=min_side, side=side)
    assert found.shape[:2] == expected
    assert whole[::-1] == size
    reference = cv2.resize(pixels, expected[::-1], interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(found - reference).mean() < 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(smooth()), kind, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    found, size, _ = inspect_image(data)
    assert size[::-1] == expected.shape[:2]
    assert found.flags.c_contiguous
    assert np.abs(found.astype(int) - expected).mean() < 3


def test_a_damaged_note_about_the_orientation_costs_nothing() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = bytearray(jpeg(exif=exif))
    place = data.find(b"Exif\0\0") + 6
    data[place : place + 8] = b"\xff" * 8
    assert decode_image(bytes(data)).shape == (60, 90, 3)


def test_cmyk_from_a_print_shop() -> None:
    image = Image.fromarray(smooth()).convert("CMYK")
    data = saved(image, "JPEG", quality=95)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(decode_image(data), expected)
    assert decode_image(data, min_side_px=45).shape == (30, 45, 3)


def test_grey_palette_and_black_and_white() -> None:
    colours = Image.fromarray(smooth())
    for mode, kind in (("L", "JPEG"), ("L", "PNG"), ("P", "GIF"), ("P", "PNG"), ("1", "PNG")):
        data = saved(colours.convert(mode), kind)
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
        assert np.abs(decode_image(data) - expected).max() <= 3, (mode, kind)


def test_transparent_places_are_white() -> None:
    pixels = np.zeros((4, 6, 4), dtype=np.uint8)
    pixels[:, :2] = (200, 10, 30, 255)
    pixels[:, 2:4] = (200, 10, 30, 128)
    expected = np.full((4, 6, 3), 255, dtype=int)
    expected[:, :2] = (200, 10, 30)
    expected[:, 2:4] = (227, 132, 142)  # half of the colour, half of white
    for kind in ("PNG", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        found = decode_image(saved(Image.fromarray(pixels), kind, **options))
        assert np.abs(found - expected).max() <= 1, kind
    grey = Image.fromarray(pixels).convert("LA")
    assert decode_image(saved(grey, "PNG"))[0, 5].tolist() == [255, 255, 255]
    indexed = Image.new("P", (2, 1))
    indexed.putpalette([0, 0, 0, 9, 8, 7])
    indexed.putdata([0, 1])
    found = decode_image(saved(indexed, "PNG", transparency=0))
    assert found.tolist() == [[[255, 255, 255], [9, 8, 7]]]


def test_sixteen_bits_keep_their_range() -> None:
    values = np.array([[0, 257, 32896], [65535, 65278, 514]], dtype=np.uint16)
    grey = cv2.imencode(".png", values)[1].tobytes()
    found = decode_image(grey)
    assert found[:, :, 0].tolist() == [[0, 1, 128], [255, 254, 2]]
    assert (found == found[:, :, :1]).all()
    colours = cv2.imencode(".png", np.dstack([values] * 3))[1].tobytes()
    assert np.abs(decode_image(colours).astype(int) - found).max() <= 1
    tiff = cv2.imencode(".tiff", values)[1].tobytes()
    np.testing.assert_array_equal(decode_image(tiff), found)
    floats = saved(Image.fromarray(np.array([[0.0, 0.5, 1.0]], dtype=np.float32)), "TIFF")
    assert decode_image(floats)[0, :, 1].tolist() == [0, 128, 255]


def test_one_pixel() -> None:
    for kind in ("JPEG", "PNG", "GIF", "BMP", "WEBP"):
        white = saved(Image.new("RGB", (1, 1), (255, 255, 255)), kind)
        found, size, _ = inspect_image(white, min_side_px=9)
        assert (found.tolist(), size) == ([[[255, 255, 255]]], (1, 1)), kind


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    assert reason_of(tmp_path / "no.jpg") == "missing"
    assert [reason_of(source) for source in (None, "", float("nan"))] == ["missing"] * 3
    assert reason_of(tmp_path / "empty.jpg") == reason_of(b"") == "empty"
    assert reason_of(tmp_path) == "unreadable"
    assert reason_of("a\0b.jpg") == "unreadable"


def test_no_pictures() -> None:
    assert reason_of(b"<html><body>404 Not Found</body></html>") == "not_an_image"
    assert reason_of(b"\x00" * 5000) == "not_an_image"
    assert reason_of(b"\xff\xd8\xff" + b"no jpeg" * 99) in ("not_an_image", "corrupt", "truncated")


def test_cut_and_damaged_images_are_never_half_grey() -> None:
    data = jpeg(RNG.integers(0, 256, (200, 200, 3), dtype=np.uint8))
    assert reason_of(data[: len(data) // 2]) == "truncated"
    assert reason_of(data[: len(data) // 2] + b"\xff\xd9") == "corrupt"
    damaged = bytearray(data)
    damaged[len(data) // 2 : len(data) // 2 + 2] = b"\xff\xd9"
    assert reason_of(bytes(damaged)) == "corrupt"
    assert reason_of(data[: data.find(b"\xff\xda")]) in ("truncated", "corrupt", "not_an_image")
    png = saved(Image.fromarray(smooth()), "PNG")
    assert reason_of(png[: len(png) // 2]) in ("truncated", "corrupt")
    progressive = jpeg(RNG.integers(0, 256, (200, 200, 3), dtype=np.uint8), progressive=True)
    first_scan = progressive.find(b"\xff\xda")
    assert reason_of(progressive[: first_scan + 200]) == "truncated"


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("reduced", [None, 100])
def test_what_browsers_show_is_used_and_called_damaged(
    options: dict[str, object], mode: str, reduced: int | None
) -> None:
    pixels = RNG.integers(0, 256, (200, 320, 3), dtype=np.uint8)
    data = saved(Image.fromarray(pixels).convert(mode), "JPEG", **options)
    whole, size, damaged = inspect_image(data, min_side_px=reduced)
    assert (size, damaged) == ((320, 200), False)
    scan = data.rfind(b"\xff\xda")
    start = data.find(b"\xff\xdb")
    for changed, rows_lost in {
        data[:-2]: 0.0,
        data[:-100]: 0.1,
        data[: scan + (len(data) - scan) * 96 // 100]: 0.1,
        data[:start] + b"\0\0\0" + data[start:]: 0.0,
    }.items():
        found, size, damaged = inspect_image(changed, min_side_px=reduced)
        assert (found.shape, size, damaged) == (whole.shape, (320, 200), True)
        sound = round((1 - rows_lost) * len(whole))
        difference = np.abs(found[:sound].astype(int) - whole[:sound])
        assert difference.mean() < (40 if "progressive" in options else 3)


def test_a_print_shops_image_without_its_end_is_always_damaged() -> None:
    """About one in 16 of these is decoded by Pillow without a complaint."""
    rng = np.random.default_rng(0)
    for _ in range(60):
        pixels = rng.integers(0, 256, (200, 320, 3), dtype=np.uint8)
        image = Image.fromarray(pixels).convert("CMYK")
        data = saved(image, "JPEG", restart_marker_rows=1)
        flags = [inspect_image(d, min_side_px=100)[2] for d in (data, data[:-2], data + b"end")]
        assert flags == [False, True, False]


def test_a_damaged_image_that_lies_on_its_side_is_measured_as_it_is_stored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = jpeg(RNG.integers(0, 256, (200, 320, 3), dtype=np.uint8), exif=exif)
    scan = data.rfind(b"\xff\xda")
    assert reason_of(data[: scan + (len(data) - scan) * 3 // 4]) == "truncated"
    found, size, damaged = inspect_image(data[:-2])
    assert (found.shape[:2], size, damaged) == ((320, 200), (200, 320), True)


def test_bytes_after_the_end_are_no_damage() -> None:
    data = jpeg()
    whole = decode_image(data)
    found, _, damaged = inspect_image(data + b"trailing bytes")
    np.testing.assert_array_equal(found, whole)
    assert not damaged


def test_bombs_are_refused_from_their_header() -> None:
    bomb = png_of_one_bit(20_000, 20_000)
    assert len(bomb) < 1_000_000
    assert reason_of(bomb) == "too_large"
    assert reason_of(png_of_one_bit(8_000, 8_000)) == "too_large"  # Pillow would read this one
    data = bytearray(jpeg())
    frame = data.find(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 20_000, 20_000)
    assert reason_of(bytes(data), min_side_px=224) == "too_large"
    assert decode_image(jpeg(), max_pixels=60 * 90).shape == (60, 90, 3)
    assert reason_of(jpeg(), max_pixels=60 * 90 - 1) == "too_large"


def test_files_too_large_for_a_picture_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(100_000_001)  # sparse: takes no space
    assert reason_of(path) == "too_large"


@pytest.mark.filterwarnings("ignore")  # Pillow remarks on what it finds in damaged files
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
def test_whatever_bytes_there_are_the_answer_is_a_picture_or_a_reason(kind: str) -> None:
    valid = saved(Image.fromarray(smooth(20, 30)), kind)
    rng = np.random.default_rng(1)
    for _ in range(150):
        data = np.frombuffer(valid, dtype=np.uint8).copy()
        places = rng.integers(0, len(data), rng.integers(1, 6))
        data[places] = rng.integers(0, 256, len(places))
        cut = data[: rng.integers(1, len(data) + 1)] if rng.random() < 0.3 else data
        try:
            found, size, _ = inspect_image(cut.tobytes(), max_pixels=1_000_000)
        except ImageFault as fault:
            assert fault.reason in REASONS
        else:
            assert found.dtype == np.uint8
            assert found.shape == (*size[::-1], 3)


def test_the_reason_names_the_file() -> None:
    with pytest.raises(ImageFault, match=r"missing: .*nowhere\.jpg does not exist"):
        decode_image(Path("nowhere.jpg"))
