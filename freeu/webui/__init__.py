"""The extension: FreeU in a WebUI. The only package that imports gradio and the WebUI's `modules`."""
