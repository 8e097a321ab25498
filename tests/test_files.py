"""Files are written whole or not at all, and what is no plain file is never replaced by one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from src.config import REPOSITORY
from src.errors import ArtifactError
from src.files import write_atomically


def write(path: Path, text: str) -> None:
    with write_atomically(path) as file:
        file.write(text)


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "answers.csv"
    write(path, "é\n")
    with pytest.raises(RuntimeError), write_atomically(path) as file:
        file.write("half")
        raise RuntimeError
    assert path.read_bytes() == "é\n".encode()
    assert [p.name for p in path.parent.iterdir()] == ["answers.csv"]


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    chain, link, target = (tmp_path / name for name in ("chain", "link", "there/target"))
    link.symlink_to(target)
    chain.symlink_to("link")
    for text in ("the link dangles", "the target is there"):
        write(chain, text)
        assert (chain.readlink(), link.readlink()) == (Path("link"), target)
        assert (target.is_symlink(), target.read_text()) == (False, text)
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    with pytest.raises(ArtifactError, match="symbolic links"):
        write(loop, "nowhere")
    assert loop.is_symlink()


def test_a_device_and_a_pipe_are_written_through(tmp_path: Path) -> None:
    pipe, link, terminal = tmp_path / "pipe", tmp_path / "link", os.openpty()
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    read: list[str] = []
    for path in (pipe, link):
        reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
        reader.start()
        write(path, path.name)
        reader.join()
    assert read == ["pipe", "link"]
    assert pipe.is_fifo()
    device = Path(os.ttyname(terminal[1]))
    write(device, "answers")
    assert os.read(terminal[0], 100) == b"answers"
    assert device.is_char_device()
    if os.getuid() == 0:
        null = tmp_path / "null"
        os.mknod(null, 0o20666, os.makedev(1, 3))
        write(null, "gone")
        assert null.is_char_device()


def test_what_stdout_leads_to_goes_on_to_be_written(tmp_path: Path) -> None:
    program = """
from pathlib import Path
from src.files import write_atomically
for place in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
    with write_atomically(Path(place), "wb") as file:
        file.write(place.encode())
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True)
    assert done.stdout == b"/dev/stdout/dev/fd/1/proc/self/fd/1"
    with (tmp_path / "log").open("wb") as log:
        inode = os.fstat(log.fileno()).st_ino
        subprocess.run(command, cwd=REPOSITORY, stdout=log, check=True)
    assert (tmp_path / "log").stat().st_ino == inode


@pytest.mark.parametrize("place", ["file/below", "a" * 256, ".", "file/below/that"])
def test_a_place_that_can_hold_no_file_is_an_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(ArtifactError, match="can.t be written"):
        write(tmp_path / place, "lost")
    assert (tmp_path / "file").read_text() == "kept"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_name_may_be_as_long_as_a_name_may_be(tmp_path: Path) -> None:
    write(tmp_path / ("é" * 127), "kept")
    assert (tmp_path / ("é" * 127)).read_text() == "kept"
