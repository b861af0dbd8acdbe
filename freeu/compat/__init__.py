"""Reading FreeU settings of other tools. One file per tool holds all that is known of it.

The tools share detect.py, flat_names.py, request.py, preset_import.py (which of them wrote this?), unreadable.py,
switch.py, metadata.py, steps.py, factors.py and node_graph.py.
"""
