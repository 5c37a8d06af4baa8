"""The training behind `sample_logs/`: models, data, what goes wrong, and the formats it is logged in."""
