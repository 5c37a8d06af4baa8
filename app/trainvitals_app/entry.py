"""What every page has around it: the navigation, the banner, the controls of refreshing."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import streamlit as st

from trainvitals_app import address, live, shared, text
from trainvitals_app.roots import Roots

# Name in the URL: title and icon.
PAGES = {
    "overview": ("Overview", ":material/list_alt:"),
    "run": ("Run", ":material/monitor_heart:"),
    "curves": ("Curves", ":material/show_chart:"),
    "compare": ("Compare", ":material/compare_arrows:"),
}


def show() -> None:
    """Show the app; called once at every run of the script."""
    # An icon by name would be fetched from another machine.
    st.set_page_config("trainvitals", Path(__file__).with_name("icon.svg"), layout="wide")
    pages = {name: _page(name) for name in PAGES}
    address.register(pages)
    chosen = st.navigation(list(pages.values()), position="top")
    with st.container(key="banner", horizontal=True, vertical_alignment="center"):
        st.markdown(_banner(shared.roots()))
        live.bar()
    chosen.run()


def _page(name: str) -> st.Page:
    title, icon = PAGES[name]
    module = f"trainvitals_app.pages.{name}"
    body = import_module(module).page if find_spec(module) else _not_here_yet
    return st.Page(body, title=title, icon=icon, url_path=name, default=name == "overview")


def _not_here_yet() -> None:
    st.info("This page is still to be built.")


def _banner(shown: Roots) -> str:
    if shown.origin == "samples":
        return (
            "**These are the sample runs that come with trainvitals.** There is no `./runs`, `./lightning_logs` or "
            "`./logs` here; for your own: `trainvitals app PATH`, or `streamlit run app/main.py -- PATH`."
        )
    return "Showing " + " · ".join(text.code(str(path), longest=60) for path in shown.paths)
