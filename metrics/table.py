"""What each score is: its best, worst and chance value, what it needs, what it is blind to."""

from metrics import rows_annotation, rows_integration
from metrics.row import Metric

TABLE: dict[str, Metric] = {row.name: row for row in (*rows_integration.ROWS, *rows_annotation.ROWS)}

__all__ = ["TABLE", "Metric"]
