"""Finished research: the paper's claims measured on the playground's model, and the training of that model.

dataset.py     the training data
training.py    train the model
evaluation.py  measure recall and draw a sheet of samples
figures/       the paper's figures, drawn and measured on the model
closeness.py   a score for `python -m freeu tune`: how close images are to the training data
"""
