"""Where submitted code runs: shut in by the system, with nothing of the checks, reached by plain messages alone."""
