"""`python -m freeu`: reads the FreeU settings in images and API requests."""

from freeu.cli.main import main

main()
