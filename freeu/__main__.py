"""`python -m freeu`: FreeU settings out of pictures."""

from freeu.cli.main import main

main()
