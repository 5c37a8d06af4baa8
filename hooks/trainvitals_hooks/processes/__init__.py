"""A training of several processes: who writes, what the others tell, and how shards are added up."""
