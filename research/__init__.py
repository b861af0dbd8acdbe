"""Finished research: the paper's claims measured on the playground's model, and the training of that model."""
