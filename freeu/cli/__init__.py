"""`python -m freeu`: reads the FreeU settings in images and API requests."""
