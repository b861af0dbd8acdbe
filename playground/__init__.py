"""A small trained text-to-image model and a stand-in WebUI, so that everything runs with no WebUI and no download.

model.py         the network: an ldm UNet and a text encoder with a fixed vocabulary
sampling.py      generate images from prompts, with the schedulers of diffusers
images.py        enlarge, label, arrange and save images
demo.py          compare images with FreeU off and on
command_line.py  what the command lines of the playground and of research/ share
serve.py         start the stand-in WebUI
webui_host.py    its server: page, API, reload
webui/           its modules, under the names of AUTOMATIC1111's WebUI
"""
