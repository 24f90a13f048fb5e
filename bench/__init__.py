"""Speed, memory and response of the scores, each measured by a command; results in ``RESULTS.md``."""
