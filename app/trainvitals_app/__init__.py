"""The app: runs at a glance, one run in depth, curves, and runs side by side, in a browser.

It draws what `trainvitals` read and diagnosed. Streamlit is loaded here and nowhere else.
"""
