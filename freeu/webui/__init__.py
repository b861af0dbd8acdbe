"""The extension: FreeU in a WebUI. The only package that imports gradio and the WebUI's `modules`.

script.py          the Script class: life cycle only
job.py             FreeU for one job; which job's hooks are on the UNet
refusal.py         stopping a job whose settings are bad
script_args.py     a script's arguments, from the page or the API, as Settings
diagnostics.py     a job's extra outputs: plot, and comparison with FreeU off
host.py            differences between AUTOMATIC1111, Forge and reForge
gradio_compat.py   differences between gradio 3 and gradio 4
controls.py        the accordion: controls from the table, laid out in rows
callbacks.py       what the page's events do
preset_catalog.py  all presets: built-in, the user's own, those of other tools
preset_panel.py    the inner accordion "My presets"
status.py          what FreeU would do now, in one line
options.py         FreeU's section in the WebUI's settings
xyz.py             axes of the X/Y/Z plot
api.py             HTTP routes
"""
