"""The course in the forms in which other systems hand it out and grade it: one module for each system. They know the
lessons and those systems' files; what is right they may not know, and none of them runs a learner's code.
"""
