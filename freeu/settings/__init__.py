"""What a user can set: parameters, their values, and how images store them. Needs neither torch nor a WebUI.

parameter.py        one parameter: default, range, choices, label, help; reading a value
stage.py            the parameters of one decoder stage
settings.py         the table of parameters; Settings; JSON schema
builtin_presets.py  values of the built-in presets
presets.py          the built-in presets as Settings
extra_outputs.py    what a job can output besides its images
infotext.py         FreeU's own keys in an image's metadata
"""
