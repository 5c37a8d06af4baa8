"""Small trainings that go wrong on purpose, and mend when the advice is followed. ``trainvitals demo`` shows them."""
