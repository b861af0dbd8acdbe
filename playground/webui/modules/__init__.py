"""The small host: what AUTOMATIC1111's WebUI promises an extension, on the playground's own model.

Names, parameters and the order of calls are the real host's, module by module; the code is our own. A name that
begins with an underscore has no counterpart there.
"""
