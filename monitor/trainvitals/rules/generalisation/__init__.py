"""Whether what is learnt holds for data that was not trained on."""
