"""Score rows → intervals over units and seeds → gains over a reference with a word → one static HTML file.

``intervals``  what is known about a mean difference from few independent units
``gain``       one contestant against another: paired, with its interval
``verdict``    the word that a gain earns
``evidence``   all gains of a study over its reference: one family, one error rate
``render``     the page, a pure function of results and evidence
``export``     the same for other programs: ``leaderboard.json``
``page``       ``python -m board page``: the leaderboard of a study
``merge``      ``python -m board merge``: one leaderboard of several machines' results
``compare``    ``python -m board compare``: what changed between two leaderboards
``quick``      ``python -m board quick``: an embedding of one's own beside the baselines
``maps``       ``python -m board map`` and ``maps``: UMAPs, to look at
``check``      ``python -m board check``: did anything fail that was not expected to?
"""
