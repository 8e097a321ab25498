"""The extraction cache: rows come back as they went in, whatever happens to its files."""

from __future__ import annotations

import multiprocessing
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from src.cache import ExtractionCache, Namespace, content_key
from src.errors import ArtifactError

SPACE = Namespace.of("demo", {"version": 1})


def keys_of(*words: str) -> list[bytes]:
    return [content_key(word.encode()) for word in words]


def columns_of(*words: str) -> dict[str, np.ndarray]:
    texts = np.empty(len(words), dtype=object)
    texts[:] = [word.upper() for word in words]
    vectors = np.array([[len(word), ord(word[0]) if word else 0] for word in words], np.float32)
    return {"text": texts, "vector": vectors}


def assert_columns(found: dict[str, np.ndarray], *words: str) -> None:
    expected = columns_of(*words)
    assert found.keys() == expected.keys()
    assert found["text"].tolist() == expected["text"].tolist()
    np.testing.assert_array_equal(found["vector"], expected["vector"])
    assert found["vector"].dtype == np.float32


def test_rows_come_back_in_the_order_asked(tmp_path: Path) -> None:
    cache = ExtractionCache(tmp_path)
    cache.put_many(SPACE, keys_of("a", "bb"), columns_of("a", "bb"))
    cache.put_many(SPACE, keys_of("ccc", ""), columns_of("ccc", ""))
    found, mask = cache.get_many(SPACE, keys_of("", "x", "bb", "bb", "ccc"))
    assert mask.tolist() == [True, False, True, True, True]
    assert_columns(found, "", "bb", "bb", "ccc")


def test_nothing_known(tmp_path: Path) -> None:
    found, mask = ExtractionCache(tmp_path / "none").get_many(SPACE, keys_of("a"))
    assert found == {}
    assert mask.tolist() == [False]
    ExtractionCache(tmp_path / "none").put_many(SPACE, [], {})
    assert not (tmp_path / "none").exists()


def test_text_keeps_every_character(tmp_path: Path) -> None:
    texts = np.array(["é\x00\n", "\ud800 lone", "🎮" * 3, ""], dtype=object)
    cache = ExtractionCache(tmp_path)
    cache.put_many(SPACE, keys_of("1", "2", "3", "4"), {"text": texts})
    found, _ = cache.get_many(SPACE, keys_of("1", "2", "3", "4"))
    assert found["text"].tolist() == texts.tolist()


def test_other_settings_are_another_folder(tmp_path: Path) -> None:
    cache, other = ExtractionCache(tmp_path), Namespace.of("demo", {"version": 2})
    cache.put_many(SPACE, keys_of("a"), columns_of("a"))
    assert not cache.get_many(other, keys_of("a"))[1].any()
    cache.put_many(other, keys_of("a"), columns_of("b"))
    cache.forget(SPACE)
    assert not cache.get_many(SPACE, keys_of("a"))[1].any()
    assert_columns(cache.get_many(other, keys_of("a"))[0], "b")


def test_damaged_and_half_written_segments_are_passed_over(tmp_path: Path) -> None:
    cache = ExtractionCache(tmp_path)
    cache.put_many(SPACE, keys_of("a"), columns_of("a"))
    folder = tmp_path / SPACE.folder
    whole = next(folder.glob("*.npz")).read_bytes()
    (folder / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.npz").write_bytes(b"")
    (folder / ".half.tmp").write_bytes(whole[:100])
    found, mask = cache.get_many(SPACE, keys_of("a"))
    assert mask.all()
    assert_columns(found, "a")


def write_many(root: Path, start: int) -> None:
    cache = ExtractionCache(root)
    for number in range(start, start + 20):
        word = f"w{number}"
        cache.put_many(SPACE, keys_of(word), columns_of(word))


def test_two_processes_write_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A process that is spawned runs its parent's main file anew, and Streamlit's AppTest leaves a
    # script of its own there that can't be run alone.
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=write_many, args=(tmp_path, s)) for s in (0, 10)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    words = [f"w{number}" for number in range(30)]
    found, mask = ExtractionCache(tmp_path).get_many(SPACE, keys_of(*words))
    assert mask.all()
    assert_columns(found, *words)


def test_purge_counts_what_it_frees(tmp_path: Path) -> None:
    cache = ExtractionCache(tmp_path / "cache")
    cache.put_many(SPACE, keys_of("a"), columns_of("a"))
    size = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert cache.namespaces() == [(SPACE.folder, size)]
    assert cache.purge() == size
    assert cache.namespaces() == []


def test_wrong_height_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'vector' has 1 rows for 2 keys"):
        columns = {"vector": np.zeros((1, 2), np.float32)}
        ExtractionCache(tmp_path).put_many(SPACE, keys_of("a", "b"), columns)


def test_keys_separate_their_parts() -> None:
    assert content_key(b"ab", b"c") != content_key(b"a", b"bc")
    assert len(content_key(b"")) == 16


def test_flipped_bits_are_passed_over_or_harmless(tmp_path: Path) -> None:
    """No single damaged byte may raise, or give rows to keys that were not asked for."""
    cache = ExtractionCache(tmp_path)
    cache.put_many(SPACE, keys_of("a", "bb"), columns_of("a", "bb"))
    segment = next((tmp_path / SPACE.folder).glob("*.npz"))
    whole = bytearray(segment.read_bytes())
    for place in range(0, len(whole), 3):
        damaged = whole.copy()
        damaged[place] ^= 0x41
        segment.write_bytes(damaged)
        found, mask = cache.get_many(SPACE, keys_of("a", "bb"))
        assert {len(column) for column in found.values()} <= {int(mask.sum())}


def test_a_segment_of_another_shape_is_passed_over(tmp_path: Path) -> None:
    cache = ExtractionCache(tmp_path)
    cache.put_many(SPACE, keys_of("a"), columns_of("a"))
    cache.put_many(SPACE, keys_of("b"), {"text": columns_of("b")["text"]})
    _, mask = cache.get_many(SPACE, keys_of("a", "b"))
    assert mask.sum() == 1


def test_an_unwritable_cache_is_an_error_with_a_next_command(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = ExtractionCache(tmp_path / "file" / "cache")
    with pytest.raises(ArtifactError, match=r"can't be written .*\nnext: df -h"):
        cache.put_many(SPACE, keys_of("a"), columns_of("a"))
