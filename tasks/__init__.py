"""What a question means: which cells train, which test, which metrics answer.

``study``        a study file as a frozen value (light)
``table``        the tasks and their metrics (light)
``integration``  how well an embedding keeps types apart and mixes batches
``annotation``   how well a simple probe on an embedding names the types of held-out units
``score``        embeddings of one data set to score rows
"""
