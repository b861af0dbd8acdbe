"""`python -m freeu`: what a picture, or another tool's request, says of FreeU.

main.py       the commands
sources.py    a file's bytes to settings, and the tool that they are of
pictures.py   the texts in a picture's file (the only file that imports Pillow)
infotexts.py  a WebUI's infotext to keys and values
graphs.py     what ComfyUI, InvokeAI and SwarmUI write
payloads.py   API requests: for ljleb's extension, Forge, diffusers, and ours
"""
