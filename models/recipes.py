"""What each transformer recipe is made of, for people and programs; the networks are never filled."""

from typing import Any

from models.transformer.recipe import Design, Recipe, load_recipe, recipe_names

GENES = 20_000


def about_recipes(*, count: bool) -> list[dict[str, Any]]:
    """All recipes: name, parts, source, what is ours; parameters where asked to ``count`` (loads torch)."""
    return [about(load_recipe(name), count=count) for name in recipe_names()]


def about(recipe: Recipe, *, count: bool) -> dict[str, Any]:
    """One recipe as plain values; ``parameters`` are those with 20,000 genes, or as many as a size takes."""
    about = {
        "recipe": recipe.name,
        "parts": parts(recipe),
        "source": recipe.source,
        "ours": recipe.ours,
    }
    if count:
        about["parameters"] = {name: parameters(recipe.design(name)) for name in recipe.sizes}
    return about


def parts(recipe: Recipe) -> dict[str, str]:
    """The choices in a few words each."""
    value, backbone, pooler = recipe.value, recipe.backbone, recipe.pooler
    return {
        "tokeniser": recipe.tokeniser.kind,
        "value": value.kind if value.kind == "none" else f"{value.kind} of {value.scale}",
        "identity": recipe.identity.kind,
        "backbone": f"{backbone.mixer}, {backbone.mask}, {backbone.norm} norm, {backbone.feed}",
        "objectives": " + ".join(_objective(o.weight, o.kind) for o in recipe.objectives),
        "pooler": f"{pooler.kind}, layer {pooler.layer}",
    }


def parameters(design: Design) -> int:
    """Weights of the network, frozen gene vectors included."""
    import torch

    from models.transformer.checkpoint import build
    from models.transformer.tokenise import specials_of

    specials = 2 + len(specials_of(design.tokeniser))
    genes = min(design.size.genes or GENES, GENES)
    with torch.device("meta"):
        network = build(design, vocabulary=genes + specials, specials=specials)
    frozen = sum(t.numel() for name, t in network.encoder.named_buffers() if name.endswith("vectors"))
    return sum(t.numel() for t in network.parameters() if t.requires_grad) + frozen


def _objective(weight: float, kind: str) -> str:
    return kind if weight == 1 else f"{weight:g} {kind}"
