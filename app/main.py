"""The app in a checkout: ``streamlit run app/main.py [-- PATH...]``, whether trainvitals is installed or not."""

import sys
from pathlib import Path

for source in ("monitor", "hooks", "app"):
    if (folder := str(Path(__file__).resolve().parents[1] / source)) not in sys.path:
        sys.path.insert(0, folder)

from trainvitals_app.entry import show  # noqa: E402 - found only now where nothing is installed

show()
