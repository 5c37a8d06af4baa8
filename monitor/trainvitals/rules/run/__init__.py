"""What kind of recording this is, before anything in it is judged."""
