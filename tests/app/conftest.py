"""The app in this process: with the address of a server as it should be, as it has none, and leaving nothing behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from streamlit import config


@pytest.fixture(autouse=True)
def local_server() -> Iterator[None]:
    before = config.get_option("server.address")
    config.set_option("server.address", "127.0.0.1")
    yield
    config.set_option("server.address", before)


@pytest.fixture(autouse=True)
def own_main() -> Iterator[None]:
    """A script that Streamlit tests becomes the main module, which processes of later tests would run again."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before
