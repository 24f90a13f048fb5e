"""Published bugs, brought back on demand: for whoever wants the published numbers, not better ones.

They act in embedding alone; how the published networks were trained is not known that exactly.
"""

from typing import Literal

Quirk = Literal["pads_score_one", "pads_in_mean", "bias_on_itself"]
"""``pads_score_one``: padding is not masked, its score is raised by 1, so a cell depends on its batch (UCE).
``pads_in_mean``: cells are padded to ``size.length``, and the mean runs over padding, too (Nicheformer, C2S).
``bias_on_itself``: the bias by log(1 + count) counts for a gene's own score, too (TranscriptFormer)."""
