"""One transformer engine for every recipe: small parts, chosen by a YAML file.

``choices``, ``token_choices``, ``schema``, ``recipe``  closed YAML of choices → frozen ``Design``
``counts``      compressed rows of counts, in memory or behind a reader
``vocabulary``  gene identifiers ↔ tokens, what is usual for a gene, and how well data match
``tokenise``, ``sample``, ``values``, ``keyed``  counts → ragged token sequences; draws keyed by the cell
``data``, ``batch``  shuffled, length-bucketed batches
``embedding``, ``mixers``, ``mamba``, ``sight``, ``block``, ``patches``, ``model``, ``pool``  the network
``masking``, ``decoder``, ``heads``, ``told``, ``objectives``  what pre-training asks of it
``quirk_names``, ``quirks``  published bugs, on demand
``gene_vectors``  frozen gene vectors from the corpus
``schedule``, ``engine``, ``step``, ``resume``  the training loop: repeatable, resumable, in parts
``ranks``       several processes, one training
``room``, ``ahead``  how much goes through the network at once; work done while a GPU is busy
``flops``, ``progress``  arithmetic, MFU, and what is told
``infer``       cell embeddings, independent of batch and order
``checkpoint``  safetensors and JSON; nothing is ever unpickled

Imports torch, numpy, safetensors and yaml only, and nothing of ours, so that
it runs on a bare GPU machine. Errors are ``TransformerError``; the adapter
``models.pretrained`` turns them into results.
"""
