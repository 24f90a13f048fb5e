"""Contestants: what turns the counts of N cells into N rows of numbers, and the one door they pass.

``catalogue``  ``models.yaml`` as values              ``protocol``   what a contestant is
``registry``   adapters by name, lazily               ``door``       what every embedding must be
``options``    their options, typed and closed        ``card``       what is known about a contestant
``controls``   noise, shuffled rows, batch only       ``oracles``    controls that are handed the truth
``baselines``  HVG, PCA, on ``normalise``             ``harmony``, ``scvi_baseline``  the other two
``outside``    a command or a ready-made array        ``pretrained`` transformers that are trained here
``embed``, ``pretrain``  steps of the workflow, run by ``supervise`` in a ``child``

The first three and the steps import neither numpy nor torch.
"""
