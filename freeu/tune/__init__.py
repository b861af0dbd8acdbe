"""Finding the values for a model: `python -m freeu tune`, a command that draws through the API of one or more WebUIs.

main.py            the commands
run.py             the command without a name: study, page and workers in one process
options.py         command line options, and what they say about a study
plan.py            what a study draws: job, prompts, fixed settings, searched ranges
client.py          client for one WebUI
database.py        the database and the folder or bucket of images
study.py           Optuna studies: create, continue, take and return trials
worker.py          draw trials with one WebUI until there is nothing to draw
page.py            optuna-dashboard, where a person chooses
scoring.py         scores that replace the person, and examples
preferences.py     what a person's choices say about the values, and which values to show next
sampler.py         these values for Optuna
result.py          the best values of a study
report.py          one HTML page about a study

Optuna keeps the trials, hands out the work, and suggests the values for scores.
Install: `pip install -r requirements/tune.txt`, or the package with its extra `tune`. Needs no torch.
"""
