"""``python -m trainvitals`` is the command line."""

from trainvitals.cli import main

main()
