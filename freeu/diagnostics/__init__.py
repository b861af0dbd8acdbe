"""Measuring what FreeU does to features and images.

spectrum.py   amplitude by frequency, changed energy, clipped pixels
recorder.py   Recorder: measures the features of a run
charts.py     charts of a recorder's measurements (needs matplotlib)
"""
