"""The extension: FreeU's core in a WebUI. The only package that imports gradio and the host's `modules`.

host.py       what differs from host to host
script.py     the Script class: life cycle only
arguments.py  a script's arguments, from the page or the API, to Settings
controls.py   table -> gradio controls, and their rows
answers.py    what the page asks: the status line, a preset's values, what a pasted picture says
presets.py    the presets: built in, one's own, and the one that depends on the loaded model
preset_bar.py one's own presets on the page
options.py    the WebUI's settings: what the page starts with
status.py     what would happen now, in a line
run.py        FreeU for one job, on whichever UNet is loaded
wishes.py     what a job asks to see
look.py       plots and pictures to compare, added to a job's own
look_plot.py  the plot: matplotlib, loaded when there is something to draw
xyz.py        table -> axes of the X/Y/Z plot
api.py        table -> routes
"""
