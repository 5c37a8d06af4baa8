"""Reading: one log format a module, each giving a ``Run``; and finding which files belong to one run."""
