"""``trainvitals app``: starts the server with the safe options, whatever settings of Streamlit lie about."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from trainvitals.errors import MissingExtraError

# A folder of its own: Streamlit puts it on the path of imports, and takes a folder `pages` beside it for its own.
SCRIPT = Path(__file__).with_name("installed") / "main.py"
NEEDED = ("streamlit", "plotly", "tsdownsample")
LOADED_AHEAD = ("pandas", "pyarrow", "trainvitals_app.pages.overview")
LOOK_AGAIN_S = 0.02

OPTIONS: Mapping[str, bool | int | float | str | tuple[str, ...]] = {
    "server.address": "127.0.0.1",
    # Not another name that a stranger's page has pointed to this machine.
    "server.allowedHosts": ("localhost", "127.0.0.1"),
    "server.enableCORS": True,
    "server.enableXsrfProtection": True,
    "server.enableStaticServing": False,
    "server.maxUploadSize": 1,
    # The app does not change while it runs, and the logs that do are no part of it.
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": False,
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "viewer",
    # No message is ever sent as a reference to an earlier one: a browser may forget one between asking for a run of
    # the script and getting it, and then gives up its connection ("Cached ForwardMsg MISS"). No message is so large.
    "global.minCachedMessageSize": 1e12,
    # After each part of a page, Streamlit would look through all that Python holds for cycles: 0.1 s, again and again.
    "runner.postScriptGC": False,
    # Streamlit's own is a red, which here means sick.
    "theme.light.primaryColor": "#0f6a8b",
    "theme.dark.primaryColor": "#58b5d6",
}
"""What the server is started with, by Streamlit's names."""

TOLD_OTHERWISE = {
    "server.address": "STREAMLIT_SERVER_ADDRESS",
    "server.allowedHosts": "STREAMLIT_SERVER_ALLOWED_HOSTS",
}
"""The environment variables by which a person opens the server to others on purpose; ``docs/remote.md`` says when."""


def arguments(paths: Sequence[str], *, port: int | None, browser: bool) -> list[str]:
    """What ``streamlit`` is called with.

    Args:
        paths: to show, as the person gave them.
        port: to listen on; the first free one from 8501 on if None.
        browser: whether to open one.
    """
    told = {name for name, variable in TOLD_OTHERWISE.items() if variable in os.environ}
    options: dict[str, object] = {name: value for name, value in OPTIONS.items() if name not in told}
    if port is not None:
        options["server.port"] = port
    if not browser:
        options["server.headless"] = True
    flags = [flag for name, value in options.items() for flag in _flags(name, value)]
    return ["run", str(SCRIPT), *flags, "--", *paths]


def launch(paths: Sequence[str], *, port: int | None = None, browser: bool = True) -> None:
    """Run the server until it is stopped; the arguments are those of ``arguments``.

    Raises:
        MissingExtraError: what the app is made of is not installed.
        ConfigError: the settings cannot be understood.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise MissingExtraError(f"the app needs {' and '.join(missing)}", hint="pip install 'trainvitals[app]'")
    from trainvitals_app import shared

    # Runs are read while the server still starts, and Streamlit itself is still to be loaded.
    shared.begin(paths)
    from streamlit.web.cli import main

    threading.Thread(target=_load_ahead, name="trainvitals-load-ahead", daemon=True).start()
    try:
        main(arguments(paths, port=port, browser=browser), prog_name="trainvitals app", standalone_mode=False)
    finally:
        shared.let_go()


def _load_ahead() -> None:
    """Load what the first page needs while the browser still loads what it needs: the server is idle then."""
    from streamlit import runtime

    while not runtime.exists():
        time.sleep(LOOK_AGAIN_S)
    for name in LOADED_AHEAD:
        import_module(name)


def _flags(name: str, value: object) -> list[str]:
    """An option with its value; once for each of several values."""
    values = value if isinstance(value, tuple) else (value,)
    words = [str(each).lower() if isinstance(each, bool) else str(each) for each in values]
    return [part for word in words for part in (f"--{name}", word)]
