"""Errors of the engine, each with one line of text."""


class TransformerError(Exception):
    """Base of everything the engine refuses."""


class RecipeError(TransformerError):
    """A recipe breaks its schema."""


class VocabularyError(TransformerError):
    """Cells and vocabulary have too little in common, or no vocabulary can be made."""


class CheckpointError(TransformerError):
    """A checkpoint is incomplete or does not fit its own configuration."""


class TrainingError(TransformerError):
    """Training cannot go on."""
