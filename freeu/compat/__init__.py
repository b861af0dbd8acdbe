"""Reading FreeU settings of other tools. One file per tool holds all that is known of it.

ljleb.py       ljleb/sd-webui-freeu: metadata, API payloads, preset file
forge.py       FreeU in Forge and reForge: metadata, API payloads, preset file
sdnext.py      SD.Next: metadata
fooocus.py     Fooocus: metadata
comfyui.py     ComfyUI: the graph in an image
diffusers.py   diffusers: arguments of enable_freeu
invokeai.py    InvokeAI: the graph in an image
swarmui.py     SwarmUI: metadata

What they share:

detect.py         which tool wrote this file or infotext
request.py        API requests, for this extension and for others
preset_files.py   preset files, of this extension and of others
metadata.py       the texts in an image file
steps.py          steps and shares of a run
factors.py        tools that have b1, b2, s1, s2 only
node_graph.py     graphs of nodes
"""
