"""Contestants: what turns the counts of N cells into N rows of numbers, and the one door they pass.

``catalogue``, ``entry``  ``models.yaml`` as values    ``protocol``   what a contestant is
``registry``   adapters by name, lazily               ``door``       what every embedding must be
``options``    their options, typed and closed        ``card``       what is known about a contestant
``controls``   noise, shuffled rows, batch only       ``oracles``    controls that are handed the truth
``baselines``  HVG and PCA of ``variable_genes``      ``harmony``, ``scvi_baseline``  the other two
``outside``    a command or a ready-made array        ``pretrained`` transformers that are trained here
``embed``, ``pretrain``  commands; both are a ``step`` that ``supervise`` runs in a ``child``
``normalise``  log-normalised counts                 ``scvi_training``  what needs scvi-tools
``labelled``   contestants that are given labels; ``fold``, ``predict``, ``answer``  their step
``classifiers``, ``headed``  a head on any embedding; ``validation`` the units that choose for it
``build``      from an entry to an embedder           ``state``      fitted baselines on disk

The first three and the steps import neither numpy nor torch.
"""
