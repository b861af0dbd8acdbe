"""Nothing to install: FreeU needs only what the WebUI brings."""
