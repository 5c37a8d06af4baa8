"""What is measured at a recorded step, one measurement a file."""
