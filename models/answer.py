"""The process in which a contestant answers the questions of one fold: ``python -m models.answer``.

It is handed training rows with labels and test cells without; what a contestant gets is a copy, so
that it cannot leave anything for the next question but what it keeps itself.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract.errors import NotApplicable
from models.child import device, import_torch_for, make_repeatable, one_line, read_cells, run
from models.supervise import end_with_parent

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from models.fold import Fold
    from models.labelled import Labelled, Prediction


def _predict(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Predictions of every question of the fold; a question that cannot be answered has a reason."""
    import pandas as pd

    from models.fold import read_fold
    from models.labelled import Choosy

    contestant, seed = request["contestant"], request["seed"]
    cells = read_cells(Path(request["data"]) / "cells.h5ad")
    fold = read_fold(Path(request["fold"]), cells.obs_names)
    import_torch_for(contestant)
    make_repeatable(seed)
    model = _model(request)
    train, test = cells[fold.train].copy(), cells[fold.test].copy()
    del cells
    if isinstance(model, Choosy):
        _model(request).check(test.copy())  # another one: what it sees of the test cells is forgotten
    answers = list(_answers(model, fold, train, test, seed=seed))
    found = [answer for answer in answers if "table" in answer]
    if found:
        table = pd.concat([answer.pop("table") for answer in found], ignore_index=True)
        table.insert(0, "fold", fold.name)
        table.to_parquet(folder / "predictions.parquet", index=False, compression="zstd")
    seconds = {key: sum(answer["seconds"][key] for answer in answers) for key in ("fit", "embed")}
    return {
        "made": ["predictions.parquet"] if found else [],
        "n": test.n_obs * len(found),
        "questions": {answer.pop("question"): answer for answer in answers},
        "seconds": seconds,
        "card": model.card.as_dict(),
        **device(),
    }


def _model(request: dict[str, Any]) -> "Labelled":
    from models.build import construct, construct_labelled, restore
    from models.headed import Headed

    contestant, seed = request["contestant"], request["seed"]
    state = None if request["state"] is None else Path(request["state"])
    if contestant["head"] is None:
        return construct_labelled(contestant, state=state, workdir=Path(request["work"]))
    if state is not None:
        return Headed(lambda: restore(contestant, state), head=contestant["head"], fitted=False)
    return Headed(
        lambda: construct(contestant, seed=seed),
        head=contestant["head"],
        fitted="train" in contestant["fits"],
    )


def _answers(
    model: "Labelled", fold: "Fold", train: "AnnData", test: "AnnData", *, seed: int
) -> Iterator[dict[str, Any]]:
    """One answer a question: status, reason, what was chosen, seconds, and a table where it is ok."""
    from models.labelled import predict_checked

    for question, (rows, _) in fold.questions.items():
        labels = fold.labels_of(question)
        own = train[rows].copy() if len(rows) < train.n_obs else train.copy()
        make_repeatable(seed)
        clock = fitted = time.perf_counter()
        answer: dict[str, Any] = {"question": question, "status": "ok", "reason": ""}
        try:
            model.fit(own, labels=labels, seed=seed)
            fitted = time.perf_counter()
            found = predict_checked(model, test.copy(), told=labels.classes)
            answer |= {"table": _table(found, question, test), "chosen": found.chosen}
            answer["curve"] = list(found.curve)
        except NotApplicable as why:
            answer |= {"status": "not_applicable", "reason": one_line(str(why))}
        answer["seconds"] = {"fit": fitted - clock, "embed": time.perf_counter() - fitted}
        yield answer


def _table(found: "Prediction", question: str, test: "AnnData") -> "pd.DataFrame":
    """A row a cell; a class that the question did not tell has no column, and null where others have one."""
    import numpy as np
    import pandas as pd

    best = found.probabilities.argmax(axis=1)
    columns = {
        "question": question,
        "cell": test.obs_names.to_numpy(dtype=str),
        "predicted": np.array(found.classes, dtype=object)[best],
        "unseen_score": found.unseen_score.astype(np.float64),
    }
    probabilities = found.probabilities.astype(np.float32).T
    columns |= {f"p:{name}": column for name, column in zip(found.classes, probabilities, strict=True)}
    return pd.DataFrame(columns)


if __name__ == "__main__":
    end_with_parent()
    run(Path(sys.argv[1]), {"predict": _predict})
