"""Following a growing log: what was opened, got worse, or was resolved, each after two consecutive looks agree.

``python -m trainvitals.live FOLDER`` writes changes as JSON lines for the process that started it; ``companion`` is
that process's side. Nothing is imported here, so that whoever only starts one loads no more than that.
"""
