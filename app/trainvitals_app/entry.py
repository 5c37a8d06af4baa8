"""What every page has around it: the navigation, the banner, the controls of refreshing."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import streamlit as st

from trainvitals.errors import TrainvitalsError
from trainvitals_app import address, live, news, shared, text
from trainvitals_app.serving import safety
from trainvitals_app.serving.roots import Roots

# Name in the URL: title and icon.
PAGES = {
    "overview": ("Overview", ":material/list_alt:"),
    "run": ("Run", ":material/monitor_heart:"),
    "curves": ("Curves", ":material/show_chart:"),
    "compare": ("Compare", ":material/compare_arrows:"),
}

PATHS_NAMED = 3


def show() -> None:
    """Show the app; called once at every run of the script."""
    # An icon by name would be fetched from another machine.
    st.set_page_config("trainvitals", Path(__file__).with_name("icon.svg"), layout="wide")
    if (refusal := safety.refusal()) is not None:
        st.error(refusal, icon=":material/public_off:")
        return
    if not safety.has_entered():
        return
    pages = {name: _page(name) for name in PAGES}
    address.register(pages)
    chosen = st.navigation(list(pages.values()), position="top")
    st.html(Path(__file__).with_name("look.css"))
    with st.container(key="banner"):
        what, how_often = st.columns([3, 1], vertical_alignment="center")
        what.markdown(_banner(shared.roots()))
        with how_often:
            live.bar()
    for warning in safety.warnings():
        st.warning(warning, icon=":material/public:")
    try:
        shared.catalogue()
    except TrainvitalsError as error:
        st.error(text.markdown(error.message()), icon=":material/settings:")
        return
    if chosen is not pages["run"]:
        # That page tells of its own run, and sooner.
        st.fragment(news.tell, run_every=live.refresh_s())()
    chosen.run()


def _page(name: str) -> st.Page:
    title, icon = PAGES[name]

    def body() -> None:
        # Only now: what the other pages are made of need not be loaded before this one is seen.
        import_module(f"trainvitals_app.pages.{name}").page()

    return st.Page(body, title=title, icon=icon, url_path=name, default=name == "overview")


def _banner(shown: Roots) -> str:
    if shown.origin == "samples":
        return (
            "**Sample runs**, since there is no `./runs`, `./lightning_logs` or `./logs` here. "
            "Your own: `trainvitals app PATH`"
        )
    paths = " · ".join(text.code(str(path), longest=60) for path in shown.paths[:PATHS_NAMED])
    more = len(shown.paths) - PATHS_NAMED
    return f"Showing {paths}{f' and {more:,} more' if more > 0 else ''}"
