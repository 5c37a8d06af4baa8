"""What a tag in an event file is called in the run that the file belongs to."""

from __future__ import annotations

import re

HPARAMS_FOLDER = re.compile(r"\d{9,}(\.\d+)?")
"""The folder that ``SummaryWriter.add_hparams`` makes for its metrics: called after the time."""


def tag_in_run(prefix: str, tag: str, *, only_tag: bool) -> str:
    """The name of a tag in the run.

    A tag in a subfolder is ``<subfolder>/<tag>``. Two kinds of subfolders are made by a writer, not by a person:
    ``<main tag>_<name>`` of ``add_scalars``, which holds the main tag alone and gives ``<main tag>/<name>``; and that
    of ``add_hparams``, whose name is a time and says nothing.

    Args:
        prefix: the subfolder, with ``/`` between its parts; ``""`` for the run's own folder.
        tag: the tag in the file.
        only_tag: whether the subfolder holds no other tag.
    """
    above, _, last = prefix.rpartition("/")
    if HPARAMS_FOLDER.fullmatch(last):
        return _below(above, tag if tag.startswith("hparam") else f"hparams/{tag}")
    if only_tag:
        # The folder is called after the main tag without its slashes; the name of the curve may have some.
        main = re.escape(tag.replace("/", "_"))
        match = re.fullmatch(rf"(?P<above>.*/)?{main}_(?P<curve>.+)", prefix, re.DOTALL)
        if match:
            return f"{match['above'] or ''}{tag}/{match['curve']}"
    return _below(prefix, tag)


def _below(prefix: str, tag: str) -> str:
    return f"{prefix}/{tag}" if prefix else tag
