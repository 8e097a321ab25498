"""Files of pretrained networks: fetched once, whole or not at all, and known by their SHA256.

Nothing is fetched unless a setting names a network whose weights are nowhere on this machine. The
hub's own client tries five times and waits a minute for each silent address, so the two requests
of its protocol (list, get) are made here, within bounds of time.
"""

import fnmatch
import hashlib
import http.client
import json
import queue
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from src.errors import BackboneError
from src.files import sha256, write_atomically

RECORD = "files.json"
SAFETENSORS = ".safetensors"
# What models of before 2023 have instead; transformers reads them without running their pickles.
TORCH_WEIGHTS = ("pytorch_model*.bin", "pytorch_model.bin.index.json")
# An answer must begin within the first; then every stretch of the second must bring that many
# bytes, or the download is given up.
ANSWER_S = 8.0
STRETCH_S = 8.0
LEAST_BYTES = 400_000
_FAULTS = (OSError, http.client.HTTPException, ValueError)


def model_files(name: str, revision: str, patterns: Sequence[str], networks_dir: Path) -> Path:
    """Return the folder with the files of a model of Hugging Face that fit any of the patterns.

    Where it has no weights as safetensors, those of torch are among them (`TORCH_WEIGHTS`).
    What is not there yet is fetched, all or nothing, from `HF_ENDPOINT` and with the token of
    Hugging Face's own client, into a folder of `networks_dir`. Beside the files stand their SHA256
    and the commit that the revision was at first: the folder never mixes two.

    Raises
    ------
    BackboneError
        The hub is silent, slow or refuses, or a file is another than the recorded or listed one.
    """
    from huggingface_hub import constants, get_token

    folder = networks_dir / "hub" / f"{name}@{revision}".replace("/", "--")
    record: dict[str, Any] = {"commit": revision, "patterns": [], "files": {}}
    if (folder / RECORD).is_file():
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    there = {file for file in record["files"] if (folder / file).is_file()}
    wanted = _fitting(record["files"], patterns)
    for file in wanted & there:
        if sha256(folder / file) != record["files"][file]:
            found = f"{folder / file} is not the file that was fetched"
            raise _fault(name, found, f"rm -r {folder}")
    if set(patterns) <= set(record["patterns"]) and wanted <= there:
        return folder
    commit = quote(record["commit"], safe="")
    url = f"{constants.ENDPOINT}/api/models/{name}/revision/{commit}?blobs=true"
    try:
        if constants.HF_HUB_OFFLINE:
            raise OSError("HF_HUB_OFFLINE is set")
        listing = json.loads(b"".join(_blocks(url, get_token())))
        listed = {item["rfilename"]: item.get("lfs") or {} for item in listing["siblings"]}
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-") as aside:
            fetched = sorted(_fitting(listed, patterns) - there)
            for file in fetched:
                if not (Path(aside) / file).resolve().is_relative_to(Path(aside).resolve()):
                    raise ValueError(f"a file named {file!r}")
                source = f"{constants.ENDPOINT}/{name}/resolve/{listing['sha']}/{quote(file)}"
                expected = record["files"].get(file) or listed[file].get("sha256", "")
                record["files"][file] = fetch(source, Path(aside) / file, expected, get_token())
            for file in fetched:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (Path(aside) / file).replace(folder / file)
    except _FAULTS as error:
        raise _fault(name, f"{url}: {error or type(error).__name__}", f"curl -sS {url}") from error
    record |= {"commit": listing["sha"], "patterns": sorted({*record["patterns"], *patterns})}
    with write_atomically(folder / RECORD) as out:
        json.dump(record, out, indent=1, sort_keys=True)
    return folder


def fetch(url: str, path: Path, digest: str = "", token: str | None = None) -> str:
    """Fetch a file, whole or not at all, and return its SHA256, which must begin with `digest`.

    Raises
    ------
    OSError
        No answer in time, too few bytes a second, another file than expected, or no room.
    """
    seen, part = hashlib.sha256(), path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with part.open("wb") as file:
            for block in _blocks(url, token):
                file.write(block)
                seen.update(block)
        if not seen.hexdigest().startswith(digest):
            raise OSError(f"{url} has the sha256 {seen.hexdigest()}, expected {digest}")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return seen.hexdigest()


def _fitting(files: Iterable[str], patterns: Sequence[str]) -> set[str]:
    """Return the files that fit; of weights those as safetensors, or else those of torch."""
    wants_weights = any(SAFETENSORS in pattern for pattern in patterns)
    if wants_weights and not any(file.endswith(SAFETENSORS) for file in files):
        patterns = [*patterns, *TORCH_WEIGHTS]
    return {file for file in files if any(fnmatch.fnmatchcase(file, p) for p in patterns)}


def _blocks(url: str, token: str | None) -> Iterator[bytes]:
    """Yield what an address answers, within the bounds of time."""
    with _open(url, token) as answer:
        n_bytes, began = 0, time.monotonic()
        while block := answer.read1(1 << 16):
            yield block
            n_bytes += len(block)
            if time.monotonic() - began > STRETCH_S:
                if n_bytes < LEAST_BYTES:
                    raise TimeoutError(f"{url}: {n_bytes:,} bytes in {STRETCH_S:g} s")
                n_bytes, began = 0, time.monotonic()
        if answer.length:  # of what the head announced, this is left
            raise http.client.IncompleteRead(b"", answer.length)


def _open(url: str, token: str | None) -> http.client.HTTPResponse:
    """Return the answer once its head is there; a head that comes in drops counts as none."""
    request = Request(url)  # noqa: S310 - the hub's, or torchvision's
    if token:  # not for the address that the hub points to
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    found: queue.Queue[Any] = queue.Queue()
    given_up = threading.Event()

    def ask() -> None:
        try:
            answer = urlopen(request, timeout=ANSWER_S)  # noqa: S310
            answer.close() if given_up.is_set() else found.put(answer)
        except HTTPError as error:
            error.close()
            found.put(OSError(f"{error.code} {error.reason}"))
        except _FAULTS as error:
            found.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = found.get(timeout=ANSWER_S)
    except queue.Empty:
        given_up.set()
        raise TimeoutError(f"no answer within {ANSWER_S:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _fault(name: str, found: str, next_command: str) -> BackboneError:
    return BackboneError(
        f"no files of {name}: {found}. There are two other ways: in place of the name the path of "
        "a local folder (of save_pretrained), or of images a network whose weights a package "
        "carries",
        next_command=next_command,
    )
