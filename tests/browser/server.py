"""The app as a person starts it, and when it answers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[2]
# Nothing here takes so long on a machine that works at all.
PATIENCE_S = 120.0


@contextmanager
def serving(*paths: Path | str, cache: Path, cwd: Path = ROOT, options: Sequence[str] = ()) -> Iterator[str]:
    """The address of an app that shows these paths, started as ``streamlit run app/main.py -- PATH...``.

    Args:
        cache: a folder for kept diagnoses; tests share none with each other or with a person.
        cwd: where it is started.
        options: more of them for ``streamlit run``.
    """
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app" / "main.py")]
    command += ["--server.port", str(port), "--server.headless", "true", *options, "--", *map(str, paths)]
    environment = os.environ | {"TRAINVITALS_CACHE": str(cache)}
    environment.pop("PYTHONPATH", None)
    log = cache.parent / f"server-{port}.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=cwd, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        address = f"http://127.0.0.1:{port}"
        _until_ready(server, address, log)
        yield address
    finally:
        server.terminate()
        try:
            server.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until_ready(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        if server.poll() is not None:
            raise AssertionError(f"the server ended with {server.returncode}: {log.read_text()}")
        try:
            with urlopen(f"{address}/_stcore/health", timeout=PATIENCE_S) as answer:
                if answer.status == 200:
                    return
        except (URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(f"the server does not answer: {log.read_text()}")
