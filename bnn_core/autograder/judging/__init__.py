"""What requirements are made of: whether values, draws, gradients and KL divergences are right, and if they aren't,
which mistake they look like. It is given numbers, and may not know how a learner's code is called, nor in which
exercise.
"""
