"""From a notebook to the program that is graded: which of its cells answer an exercise, and what they need. It may
not run anything of a notebook unless it is told that the notebook is trusted.
"""
