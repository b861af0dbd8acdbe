"""The embedded default: a small real model, so that everything runs with no WebUI and no download.

model.py      the network: a real ldm UNet and the words it knows
sampling.py   pictures from prompts, through the schedulers of diffusers
files.py      written whole or not at all
pictures.py   enlarged, labelled, side by side
demo.py       the main job on a fresh machine: FreeU off and on, side by side
emoji.py      the training data
train.py      training
evaluate.py   how good the model is: a sheet to look at, and recall
figures/      the paper's figures, drawn and measured on the model
"""
