"""Files of a hub that behaves badly: a real HTTP server in its place."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from src.errors import BackboneError
from src.features.networks import hub

CONTENT = {"config.json": b"{}", "model.safetensors": b"weights" * 1000, "deep/extra.txt": b"text"}
COMMIT = "0123abcd"


class Hub(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[str] = []
        self.authorised: list[str | None] = []
        self.content = dict(CONTENT)
        self.fault = ""


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        server = self.server
        server.asked.append(self.path)
        server.authorised.append(self.headers.get("Authorization"))
        if self.path.startswith("/api/models/some/model/revision/"):
            names = ["../evil.txt"] if server.fault == "path" else list(server.content)
            lfs = {"sha256": hashlib.sha256(CONTENT["model.safetensors"]).hexdigest()}
            siblings = [
                {"rfilename": name, "lfs": lfs} if name.endswith("s") else {"rfilename": name}
                for name in names
            ]
            self.send(json.dumps({"sha": COMMIT, "siblings": siblings}).encode())
        elif self.path.startswith(f"/some/model/resolve/{COMMIT}/"):
            self.send(server.content[self.path.removeprefix(f"/some/model/resolve/{COMMIT}/")])
        else:
            self.send_error(404)

    def send(self, body: bytes) -> None:
        fault = self.server.fault if "/resolve/" in self.path else ""
        self.send_response(503 if fault == "refuses" else 200)
        if fault == "head in drops":
            self.drip(b"X: " + b"x" * 100)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault == "cut":
            body = body[:-1]
        if fault == "drops":
            self.drip(body)
        elif fault == "stalls":
            self.wfile.write(body[:1])
            time.sleep(5)
        else:
            self.wfile.write(body)

    def drip(self, data: bytes) -> None:
        try:
            for number in range(50):
                self.wfile.write(data[number : number + 1])
                self.wfile.flush()
                time.sleep(0.1)
        except OSError:  # given up
            self.close_connection = True


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub() as running:
        Thread(target=running.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{running.server_port}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        yield running
        running.shutdown()


def recorded(folder: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder / "files.json").read_text())["files"]
    return found


def files_below(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_files_are_fetched_once_and_recorded(server: Hub, tmp_path: Path) -> None:
    patterns = ["config.json", "*.safetensors"]
    folder = hub.model_files("some/model", "main", patterns, tmp_path)
    assert folder == tmp_path / "hub/some--model@main"
    assert files_below(tmp_path / "hub") == [
        f"some--model@main/{name}" for name in ("config.json", "files.json", "model.safetensors")
    ]
    assert recorded(folder) == {
        name: hashlib.sha256(CONTENT[name]).hexdigest()
        for name in patterns[:1] + ["model.safetensors"]
    }
    assert json.loads((folder / "files.json").read_text())["commit"] == COMMIT
    assert set(server.authorised) == {"Bearer hf_secret"}
    n = len(server.asked)
    assert n == 3
    assert hub.model_files("some/model", "main", patterns, tmp_path) == folder
    assert hub.model_files("some/model", "main", patterns[:1], tmp_path) == folder
    assert len(server.asked) == n
    # Another pattern: of the commit that is recorded, and only what is not there.
    hub.model_files("some/model", "main", ["deep/*", "config.json"], tmp_path)
    assert server.asked[n:] == [
        f"/api/models/some/model/revision/{COMMIT}?blobs=true",
        f"/some/model/resolve/{COMMIT}/deep/extra.txt",
    ]
    assert (folder / "deep/extra.txt").read_bytes() == b"text"
    assert len(recorded(folder)) == 3


def test_weights_of_torch_are_fetched_where_there_are_no_others(
    server: Hub, tmp_path: Path
) -> None:
    patterns = ["config.json", "model*.safetensors*"]
    server.content["pytorch_model.bin"] = b"torch"
    whole = hub.model_files("some/model", "main", patterns, tmp_path / "both")
    assert sorted(recorded(whole)) == ["config.json", "model.safetensors"]
    del server.content["model.safetensors"]
    folder = hub.model_files("some/model", "main", patterns, tmp_path)
    assert sorted(recorded(folder)) == ["config.json", "pytorch_model.bin"]
    n = len(server.asked)
    assert hub.model_files("some/model", "main", patterns, tmp_path) == folder
    assert len(server.asked) == n
    (folder / "pytorch_model.bin").write_bytes(b"other")
    with pytest.raises(BackboneError, match="pytorch_model.bin is not the file"):
        hub.model_files("some/model", "main", patterns, tmp_path)


@pytest.mark.parametrize(
    ("fault", "limits_s", "said"),
    [
        ("refuses", (60, 60), "503"),
        ("head in drops", (0.5, 60), "no answer within 0.5 s"),
        ("drops", (60, 0.3), "bytes in 0.3 s"),
        ("stalls", (0.5, 60), "timed out"),
        ("cut", (60, 60), "IncompleteRead"),
        ("path", (60, 60), "a file named '../evil.txt'"),
    ],
)
def test_a_hub_that_behaves_badly_is_given_up(
    server: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    limits_s: tuple[float, float],
    said: str,
) -> None:
    """Only what the fault is about has little time: the rest may take as long as it does."""
    for name, limit_s in zip(("ANSWER_S", "STRETCH_S"), limits_s, strict=True):
        monkeypatch.setattr(hub, name, limit_s)
    server.fault = fault
    with pytest.raises(BackboneError) as caught:
        hub.model_files("some/model", "main", ["*"], tmp_path)
    assert said in str(caught.value)
    assert "a local folder" in str(caught.value)
    assert "a package" in str(caught.value)
    assert files_below(tmp_path) == []


def test_the_bounds_are_below_half_a_minute() -> None:
    """At worst a head takes the first, and a body two silences of the socket's own."""
    assert hub.ANSWER_S + hub.STRETCH_S + hub.ANSWER_S < 30


def test_another_file_than_the_listed_or_recorded_one_is_refused(
    server: Hub, tmp_path: Path
) -> None:
    server.content["model.safetensors"] = b"something else"
    with pytest.raises(BackboneError, match="model.safetensors has the sha256 .* expected"):
        hub.model_files("some/model", "main", ["*"], tmp_path)
    assert files_below(tmp_path) == []
    server.content = dict(CONTENT)
    folder = hub.model_files("some/model", "main", ["*"], tmp_path)
    (folder / "config.json").unlink()
    server.content["config.json"] = b"[]"
    with pytest.raises(BackboneError, match="config.json has the sha256 .* expected"):
        hub.model_files("some/model", "main", ["*"], tmp_path)
    assert not (folder / "config.json").exists()
    server.content = dict(CONTENT)
    hub.model_files("some/model", "main", ["*"], tmp_path)
    (folder / "config.json").write_bytes(b"altered")
    with pytest.raises(BackboneError, match="is not the file that was fetched"):
        hub.model_files("some/model", "main", ["config.json"], tmp_path)


def test_an_address_where_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        with pytest.raises(BackboneError, match="refused.*two other ways"):
            hub.model_files("some/model", "main", ["*"], tmp_path)


def test_offline_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BackboneError, match="HF_HUB_OFFLINE is set"):
        hub.model_files("some/model", "main", ["*"], tmp_path)


def test_hf_endpoint_is_followed(server: Hub, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from src.features.networks.hub import model_files; "
        f"print(model_files('some/model', 'main', ['config.json'], Path({str(tmp_path)!r})))"
    )
    env = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout.strip() == str(tmp_path / "hub/some--model@main"), done.stderr
