"""The paper's figures, drawn and measured on the playground's own model: `python -m playground figures`.

lab.py         what they are made with: the model, prompts, and runs that are watched
findings.py    what comes out: a picture, and what the paper says beside what was measured
statistics.py  means with their intervals, and the Frechet distance
plots.py       curves, dots and sheets that read well on a phone
denoising.py   low and high frequencies over the steps (Fig. 2 to 4, 13)
features.py    backbone, skip and their mean maps (Fig. 7, 8, 14)
factors.py     what b and s do, from little to much (Fig. 5, 6, 17, 18)
choices.py     what is scaled and how: channels, s, the structure map (Fig. 9, 10, 15, 16, 19)
quality.py     distance to the training pictures, recall and burn (Table 3 and 4)
page.py        the tables of docs/analysis.md
run.py         all of them, or some
"""
