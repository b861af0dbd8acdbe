"""The mathematics of FreeU and its hooks on a UNet. Needs torch and numpy; knows neither gradio nor a WebUI.

The core trusts its values: they are validated once, when Settings are made.
"""
