"""What each score is: its best, worst and chance value, what it needs, what it is blind to."""

from metrics import rows_annotation, rows_integration, rows_layout, rows_perturbation, rows_structure
from metrics.row import Metric

_ROWS = (
    *rows_integration.ROWS,
    *rows_layout.ROWS,
    *rows_structure.ROWS,
    *rows_annotation.ROWS,
    *rows_perturbation.ROWS,
)
TABLE: dict[str, Metric] = {row.name: row for row in _ROWS}

__all__ = ["TABLE", "Metric"]
