"""Hidden states of a cell's tokens → one vector a cell."""

from torch import Tensor

from models.transformer.recipe import Pooler


def pool(hidden: Tensor, ids: Tensor, *, pooler: Pooler, specials: int) -> Tensor:
    """(B, T, D) → float32 (B, D).

    ``mean`` runs over the gene tokens alone (neither padding nor special tokens); a cell
    without any gene has no mean and gives NaN. ``cls`` is the first token.
    """
    hidden = hidden.float()
    if pooler.kind == "cls":
        return hidden[:, 0]
    gene = (ids >= specials).unsqueeze(-1)
    return (hidden * gene).sum(1) / gene.sum(1)
