"""Benchmarks: time and memory of FreeU compared with the authors' algorithm and diffusers.

baselines.py   the implementations that are compared
workloads.py   the models, image sizes and decoder features they run on
measure.py     interleaved timing, quartiles
unet_step.py   the share of a UNet step that FreeU takes
busy.py        other processes that keep every core busy
tables.py      the tables, their targets, and how each row is measured
report.py      Markdown, JSON and the chart
"""
