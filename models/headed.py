"""Any embedder with a classifier on it: fitted on training cells, applied to test cells."""

from collections.abc import Callable
from typing import Self

import numpy as np
from anndata import AnnData

from models.classifiers import classify
from models.door import embed_checked
from models.labelled import Labels, Prediction
from models.protocol import Embedder


class Headed:
    """Embed, then classify. Questions that give the same training cells share one fitted embedder.

    ``make`` makes a new embedder; ``fitted`` says whether it learns from the training cells or is
    frozen. ``head`` is a name of ``models.classifiers.HEADS``.
    """

    def __init__(self, make: Callable[[], Embedder], *, head: str, fitted: bool) -> None:
        self.make, self.head, self.fitted = make, head, fitted
        self.embedder = make()
        self.card = self.embedder.card
        self.labels: Labels | None = None
        self.seed = 0
        self._seen: list[str] | None = None
        self._train = self._test = np.zeros((0, 0), dtype=np.float32)
        self._test_names: list[str] | None = None

    def fit(self, train: AnnData, *, labels: Labels, seed: int) -> Self:
        """Fit the embedder on all training cells, unless it is frozen or saw the same ones last."""
        names = train.obs_names.tolist()
        if names != self._seen:
            if self.fitted:
                self.embedder = self.make().fit(train.copy(), seed=seed)
                self._test_names = None
            self._train = embed_checked(self.embedder, train, may_be_constant=True).values
            self._seen = names
        self.labels, self.seed = labels, seed
        return self

    def predict(self, cells: AnnData) -> Prediction:
        """Name the cells by the head."""
        if self.labels is None:
            raise RuntimeError("fit comes first")
        names = cells.obs_names.tolist()
        if names != self._test_names:
            self._test = embed_checked(self.embedder, cells, may_be_constant=True).values
            self._test_names = names
        return classify(self.head, self._train, self.labels, self._test, seed=self.seed)
