"""The stand-in WebUI: the part of AUTOMATIC1111's `modules` that the extension and its tests use.

Module names, function names, parameters and the order of calls are those of AUTOMATIC1111 1.10; the code is our own.
A name that begins with an underscore does not exist there.
"""
