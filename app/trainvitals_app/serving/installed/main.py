"""The script that ``trainvitals app`` has Streamlit run. In a checkout there is ``app/main.py`` as well."""

from trainvitals_app.entry import show

show()
