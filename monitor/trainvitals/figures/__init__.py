"""Charts of runs and of what was found in them, for the report and the app alike.

Plotly is loaded here and nowhere else.
"""
