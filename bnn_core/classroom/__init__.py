"""Grading a class: every learner's notebook, with the checks that the learner ran, in a sandbox, into reports.

It uses the autograder; the autograder knows nothing of it.
"""
