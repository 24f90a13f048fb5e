"""``python -m board maps``: the UMAPs of a study as one page."""

import argparse
import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from board.maps import read_truth
from board.render import asset, environment, hash_source
from board.text import count, without_folders
from contract.errors import UserError
from contract.files import atomic, read_json
from tasks.study import read_study

PANELS = (("label", "cell type", "cell types"), ("batch", "batch", "batches"), ("donor", "donor", "donors"))
LONGEST = 30
NAMED = 20
"""More names than this are not written into a picture, where nobody could read them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m board maps``."""
    parser.add_argument("--study", type=Path, required=True, help="the study's YAML file")
    parser.add_argument("--maps", type=Path, nargs="+", required=True, help="files that `board map` wrote")
    parser.add_argument("--data", type=Path, required=True, help="folder of prepared data sets")
    parser.add_argument("--out", type=Path, required=True, help="the page, maps.html")


def main(args: argparse.Namespace) -> int:
    """Write the page and print where it is."""
    study = read_study(args.study)
    places = [_read(path) for path in args.maps]
    order = {name: place for place, name in enumerate(study.models)}
    places.sort(key=lambda found: (order.get(found["model"], len(order)), found["fit"]))
    truths = {name: read_truth(args.data / name) for name in study.datasets}
    groups = [
        (name, [drawn(found, truths[name]) for found in places if found["dataset"] == name])
        for name in study.datasets
    ]
    style = asset("style.css")
    text = (
        environment()
        .get_template("maps.html.j2")
        .render(
            study=study,
            groups=groups,
            style=Markup(style),
            policy=f"default-src 'none'; img-src data:; style-src '{hash_source(style)}'; "
            "base-uri 'none'; form-action 'none'",
        )
    )
    with atomic(args.out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(args.out)
    return 0


def _read(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise UserError(str(path), found="no such file", todo="run `python -m board map` first")
    return read_json(path)


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """One embedding: its picture as a ``data:`` address, or why there is none; ``alt`` says what is seen."""

    title: str
    picture: str
    alt: str
    reason: str


def drawn(found: Mapping[str, Any], truth: pd.DataFrame) -> Drawn:
    """The picture of one map: the same cells three times, with the names of their groups."""
    title = f"{found['model']}, fitted on {found['fit']}"
    if found["reason"]:
        return Drawn(title=title, picture="", alt="", reason=without_folders(found["reason"]))
    cells = truth.iloc[found["cells"]]
    x, y = np.asarray(found["x"]), np.asarray(found["y"])
    image = base64.b64encode(_png(x, y, [cells[column].astype(str).to_numpy() for column, *_ in PANELS]))
    counts = ", ".join(count(cells[column].nunique(), word, many) for column, word, many in PANELS)
    alt = f"UMAP of {len(cells):,} cells by {title}: {counts}"
    return Drawn(title=title, picture=f"data:image/png;base64,{image.decode()}", alt=alt, reason="")


def _png(x: np.ndarray, y: np.ndarray, groups: Sequence[np.ndarray]) -> bytes:
    """Three panels side by side: types are named where they lie, batches and donors in a legend."""
    figure = Figure(figsize=(12, 4), layout="constrained")
    mixed = np.random.default_rng(0).permutation(len(x))  # so that no group is painted over the others
    for axes, names, (column, word, _) in zip(figure.subplots(1, len(PANELS)), groups, PANELS, strict=True):
        known, codes = np.unique(names, return_inverse=True)
        colours = colormaps["turbo"]((np.arange(len(known)) + 0.5) / len(known))
        axes.set(xticks=[], yticks=[], title=f"by {word} ({len(known)})")
        axes.scatter(x[mixed], y[mixed], s=3, c=colours[codes[mixed]], linewidths=0)
        if len(known) > NAMED:
            continue
        if column == "label":
            _name_islands(axes, x, y, known, codes)
        else:
            marks = [Line2D([], [], ls="", marker="o", ms=4, color=colour) for colour in colours]
            legend = axes.legend(marks, [name[:LONGEST] for name in known], fontsize=6)
            for text in legend.get_texts():
                text.set_parse_math(False)
    out = io.BytesIO()
    FigureCanvasAgg(figure).print_png(out, metadata={"Software": None})
    return out.getvalue()


def _name_islands(axes: Axes, x: np.ndarray, y: np.ndarray, known: np.ndarray, codes: np.ndarray) -> None:
    """Each name at the median of its cells, as it is written: none is taken for a formula."""
    box = {"facecolor": "white", "alpha": 0.7, "pad": 0.5, "linewidth": 0}
    for code, name in enumerate(known):
        at = (np.median(x[codes == code]), np.median(y[codes == code]))
        axes.text(*at, name[:LONGEST], fontsize=7, ha="center", clip_on=True, bbox=box, parse_math=False)
