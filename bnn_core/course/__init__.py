"""The tools of the course: its command line, and the building, opening and checking of its notebooks. It may use
everything else of `bnn_core`; nothing else may use it.
"""
