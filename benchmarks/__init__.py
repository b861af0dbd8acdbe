"""What FreeU costs, side by side with the others.

work.py      what is measured on: the decoder tensors of real models, and a whole UNet
rivals.py    what is compared: ours, the official algorithm, diffusers', and the floor
measure.py   how: interleaved timing, peak memory, counting operations
tables.py    the comparisons
report.py    tables, JSON and the chart
"""
