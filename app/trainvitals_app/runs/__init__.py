"""What all sessions share: every run with its verdict, and the few that pages look into."""
