"""One row of a table that several chapters fill, each with the thing it is about. It travels in the notebook's output,
as the record of a claim does, and the book's page of results puts the rows side by side."""

import math
from dataclasses import asdict, dataclass

from . import mime


@dataclass
class Row:
    """One row of a table that several chapters fill. columns: (name, one number for each seed), in order; conditions:
    one sentence, the same in all rows that may be compared; notes: what is particular to this row."""

    table: str
    row: str
    columns: list
    conditions: str
    notes: str
    preset: str
    seed: int
    device: str

    def _shown(self):
        from .tables import table

        names, values = zip(*self.columns, strict=True)
        return table(
            [[self.row, *values]], ("compared", *names), caption=f"{self.table}. {self.conditions} {self.notes}".strip()
        )

    def _repr_mimebundle_(self, include=None, exclude=None):
        shown = self._shown()
        return {mime.ROW: asdict(self), "text/html": shown._repr_html_(), "text/plain": repr(shown)}


def record(run, table, row, numbers, conditions, notes=""):
    """Record a row of a table that several chapters fill, and show it.

    table, row: their names; numbers: {column: one number for each of the seeds run.seed, run.seed + 1, …}; conditions:
    what is equal in all rows, one sentence. Raises ValueError for a number that is not finite, or for columns of
    different numbers of seeds.
    """
    if cut := getattr(run, "cut", ()):
        notes = f"{notes} Not to be compared: a fit was cut short ({', '.join(dict.fromkeys(cut))}).".strip()
    columns = [(name, [float(v) for v in values]) for name, values in numbers.items()]
    lengths = {len(values) for _, values in columns}
    if len(lengths) != 1 or not all(math.isfinite(v) for _, values in columns for v in values):
        raise ValueError(f"The row {row!r} needs finite numbers, as many in each column as there are seeds.")
    return Row(table, row, columns, conditions, notes, run.preset, run.seed, str(run.device))
