"""The mathematics of FreeU and its hooks on a UNet. Needs torch and numpy; knows neither gradio nor a WebUI.

The core trusts its values: they are validated once, when Settings are made.

schedule.py   FreeU's strength at a step
backbone.py   the factor b
skip.py       the factor s: a low-pass filter without an FFT
lowpass.py    the filter's matrices
upcast.py     float32 sums for half types
unet.py       a UNet's decoder blocks and their stages
hooks.py      attach(): the context manager that owns the hooks
"""
