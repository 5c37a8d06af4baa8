"""Who may look: nobody but this machine, unless a person said so.

Streamlit itself would listen to everyone; ``launch.py`` and ``app/.streamlit/config.toml`` tell it not to.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import streamlit as st


def refusal() -> str | None:
    """Why nothing may be shown, as Markdown; None where all is well.

    A server that nobody gave an address listens to everyone on the network.
    """
    if not st.get_option("server.address"):
        return (
            "**Nothing is shown, because this server listens to everyone on the network and nobody asked it to.** "
            "Start it with `trainvitals app PATH`, or add `--server.address 127.0.0.1`. "
            "How others can look on safely: `docs/remote.md`."
        )
    return None


def warnings() -> Iterator[str]:
    """What a person should know about who can see this, a line of Markdown each."""
    address = str(st.get_option("server.address"))
    if not is_local(address) and not is_behind_login():
        yield f"**Everyone who can reach this machine can see these runs**: it listens on `{address}`."
    unprotected = [name for name in ("server.enableCORS", "server.enableXsrfProtection") if not st.get_option(name)]
    if unprotected:
        names = " and ".join(f"`{name}`" for name in unprotected)
        yield f"**Any website that is open in this browser can read these runs**: {names} is switched off."


def is_local(address: str) -> bool:
    """Whether an address can be reached from this machine only."""
    if address == "localhost" or address.startswith("unix://"):
        return True
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def is_behind_login() -> bool:
    """Whether people have to log in, because the secrets of this server name who vouches for them."""
    return st.secrets.load_if_toml_exists() and "auth" in st.secrets


def has_entered() -> bool:
    """Whether this person may look; else draw what they can do about it."""
    if not is_behind_login():
        return True
    if not st.user.get("is_logged_in"):
        st.info("These runs are for people who log in.", icon=":material/lock:")
        st.button("Log in", on_click=st.login, icon=":material/login:")
        return False
    allowed = st.secrets.get("trainvitals", {}).get("emails")
    # Some providers vouch for an account and not for the address that it gives.
    is_theirs = st.user.get("email_verified") is not False
    if allowed is None or (is_theirs and st.user.get("email") in allowed):
        return True
    st.error("This account may not look at these runs.", icon=":material/lock:")
    st.button("Log out", on_click=st.logout, icon=":material/logout:")
    return False
