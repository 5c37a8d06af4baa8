"""The summaries of runs: those that were kept, and those that have to be made.

What is kept is what was judged, before anybody accepted anything of it. What is accepted counts from one call to the
next, and nothing is judged again for it.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace

from trainvitals.accepted import with_accepted
from trainvitals.config import Config
from trainvitals.engine import judge
from trainvitals.formats.format import RunFiles
from trainvitals.formats.read import read_files
from trainvitals.kept.codec import CodecError, decoded, encoded
from trainvitals.kept.state import State, place_of
from trainvitals.kept.store import Store
from trainvitals.kept.summary import RunSummary, summarise

PASSING = frozenset({"unreadable-file", "rule-failed", "intervention-failed", "plugin-failed"})
"""Problems that may be gone the next time although no file has changed: access, the network, memory."""


@dataclass(frozen=True, slots=True)
class KeptDiagnoses:
    """The summary of any run by some settings. Holds nothing itself, so that it can go to other processes.

    Args:
        config: the settings that judge.
        store: where summaries are kept; None: every run is read and judged.
    """

    config: Config
    store: Store | None

    def summary(self, files: RunFiles, run_id: str) -> RunSummary:
        """The summary of one run under this id: the one that was kept of these very files, or a new one.

        Raises:
            LogError: the run cannot be read.
            ConfigError: as for ``diagnose``.
        """
        return self.find(files, run_id) or self.make(files, run_id)

    def find(self, files: RunFiles, run_id: str) -> RunSummary | None:
        """The summary that was kept of these very files, settings and code, if there is one. Takes milliseconds."""
        if self.store is None:
            return None
        state = State.of(files)
        text = self.store.find(place_of(files, self.config, run_id), state.digest())
        if text is None:
            return None
        try:
            kept = decoded(text)
        except CodecError:
            return None
        # What it is called depends on how one got here.
        diagnosis = replace(kept.diagnosis, id=run_id, path=str(files.root))
        return self._accepting(replace(kept, diagnosis=diagnosis, grew_at_s=state.grew_at_s))

    def make(self, files: RunFiles, run_id: str) -> RunSummary:
        """Read and judge a run, and keep its summary if all of what was read belongs to one state of the files.

        Raises:
            LogError: the run cannot be read.
            ConfigError: as for ``diagnose``.
        """
        began_s = time.time()
        state = State.of(files)
        run = replace(read_files(files, self.config.purge), id=run_id)
        steady = state.rested(began_s) and State.of(files) == state
        summary = summarise(run, judge(run, self.config), state.grew_at_s)
        if steady and not any(each.kind in PASSING for each in summary.diagnosis.problems):
            self._keep(summary, place_of(files, self.config, run_id), state)
        return self._accepting(summary)

    def _keep(self, summary: RunSummary, place: str, state: State) -> None:
        if self.store is not None:
            with suppress(CodecError):
                self.store.keep(place, state.digest(), encoded(summary))

    def _accepting(self, summary: RunSummary) -> RunSummary:
        return replace(summary, diagnosis=with_accepted(summary.diagnosis, self.config.accepted))
