"""Reading: one log format a module, each giving a ``Run``; and finding which files belong to one run."""

from trainvitals.formats.read import read_run, read_runs

__all__ = ["read_run", "read_runs"]
