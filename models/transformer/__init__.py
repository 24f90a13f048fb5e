"""One transformer engine for every recipe: small parts, chosen by a YAML file.

``recipe``      closed YAML of choices → frozen ``Design``
``counts``      compressed rows of counts, in memory or behind a reader
``vocabulary``  gene identifiers ↔ tokens, gene medians, and how well data match
``tokenise``    counts → ragged token sequences
``data``        shuffled, length-bucketed batches
``block``, ``model``, ``pool``, ``objectives``  the network
``engine``      the training loop: repeatable, resumable
``infer``       cell embeddings, independent of batch and order
``checkpoint``  safetensors and JSON; nothing is ever unpickled

Imports torch, numpy, safetensors and yaml only, and nothing of ours, so that
it runs on a bare GPU machine. Errors are ``TransformerError``; the adapter
``models.pretrained`` turns them into results.
"""
