"""What a question means: which cells train, which test, which metrics answer.

``study``        a study file as a frozen value (light)
``table``        the tasks and their metrics (light)
``integration``  how well an embedding keeps types apart and mixes batches
``annotation``   how well a simple probe on an embedding names the types of held-out units
``protocol``     what is held out, how many labels are told, which types are hidden (light)
``folds``        the folds and questions of a protocol; ``make_folds`` writes them
``mapping``      how well held-out groups' cells were named; ``novelty``: were hidden types noticed
``score``        embeddings of one data set to score rows
"""
