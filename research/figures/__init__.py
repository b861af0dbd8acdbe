"""The paper's figures (https://arxiv.org/abs/2309.11497), drawn and measured on the playground's model.

registry.py         all figures by name; draw some or all of them: `python -m research figures`
experiment.py       the model, prompts, steps and seed that all figures share
results.py          the image and the claims of a figure; results.json
markdown_tables.py  the tables of docs/analysis.md
plots.py            curves, intervals, heat maps and sheets of images
metrics.py          detail, difference and amplitude profile of images
statistics.py       means with confidence intervals, and the Frechet distance
denoising.py        low and high frequencies during denoising (Fig. 2 to 4, 13)
features.py         backbone features, skip features and their mean maps (Fig. 7, 8, 14)
factor_sweeps.py    images over ranges of b and s (Fig. 5, 6, 17, 18)
ablations.py        channels, s and structure map, with and without each (Fig. 9, 10, 15, 16, 19)
sample_quality.py   Frechet distance, recall and clipped pixels (Tables 3, 4)
unfinished_models.py  FreeU on models that are not finished; subjects.py, trials.py, scores.py and gains.py measure it
"""
