"""Score rows → intervals over units and seeds → gains over a reference with a word → one static HTML file.

``intervals``  what is known about a mean difference from few independent units
``evidence``   gains over the reference, their intervals, and the word each one earns
``page``       ``python -m board page``: the leaderboard of a study
``check``      ``python -m board check``: did anything fail that was not expected to?
"""
