"""Grading on the workers of a Dask cluster: what travels there and back, what runs there, and who hands out the work.

A worker keeps a process of its own beside it, the station, which has the sandbox and grades as one machine does; so
that nothing of a submission comes near the worker, and a station that is lost costs one submission's time.
"""
