"""Cells: which data sets there are, how their bytes get here, and what is made of them.

``catalogue``  ``datasets.yaml`` as values          ``prepare``   h5ad → ``cells.h5ad``, ``truth.parquet``
``fetch``      one entry → one verified local h5ad  ``split``     whole units → train and test
``discover``   CELLxGENE Discover's REST answers    ``simulate``  counts along the Cell Ontology
``search``     which public data sets there are     ``add``       one of them → an entry of ``datasets.yaml``
``download``   bytes over HTTP, resumed, checked    ``corpus``    cells that a model is trained on
"""
