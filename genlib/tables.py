"""Tables in a cell's output: HTML that fits a phone, and the same as text."""

import html
import math

import torch


def table(rows, columns, caption="", digits=3):
    """A Table. rows: lists of cells, or {first cell: the others, or one}; columns: the headers, the first included.
    With two columns a dict's list of numbers is one cell, {name: [one for each seed]}, however many seeds there are.

    A cell is a text, a number (``digits`` significant ones), or several numbers, one a seed: three or more are shown
    as mean ± standard deviation, two as mean and range. A column of numbers alone is aligned on the right.
    Raises ValueError if a row has more or fewer cells than there are columns.
    """
    if isinstance(rows, dict):
        alone = lambda rest: not isinstance(rest, (tuple, list)) or (len(columns) == 2 and len(rest) > 1)
        rows = [[first, *([rest] if alone(rest) else rest)] for first, rest in rows.items()]
    rows = [list(row) for row in rows]
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"The row {row[0]!r} has {len(row)} cells, and there are {len(columns)} columns.")
    numeric = [bool(rows) and not any(isinstance(row[i], str) for row in rows) for i in range(len(columns))]
    return Table([[_cell(value, digits) for value in row] for row in rows], list(columns), caption, numeric)


class Table:
    """What a cell ends with: cells and headers as text, a caption, and which columns hold numbers."""

    def __init__(self, cells, columns, caption, numeric):
        self.cells, self.columns, self.caption, self.numeric = cells, columns, caption, numeric

    def __repr__(self):
        wide = [max(map(len, column)) for column in zip(self.columns, *self.cells, strict=True)]
        align = lambda text, n, right: text.rjust(n) if right else text.ljust(n)
        line = lambda row: "  ".join(map(align, row, wide, self.numeric)).rstrip()
        return "\n".join([self.caption] * bool(self.caption) + [line(row) for row in (self.columns, *self.cells)])

    def _repr_html_(self):
        """Colours and faces are the page's; digits are of one width, and a table that is too wide scrolls by itself."""
        style = [
            f"padding: .25em .5em; text-align: {side}; white-space: {wrap}; font-variant-numeric: tabular-nums"
            for side, wrap in (("right", "nowrap") if numeric else ("left", "normal") for numeric in self.numeric)
        ]
        cell = lambda tag, text, i, more="": f'<{tag}{more} style="{style[i]}">{html.escape(text)}</{tag}>'
        head = "".join(cell("th", text, i, ' scope="col"') for i, text in enumerate(self.columns))
        body = "".join(f"<tr>{''.join(cell('td', text, i) for i, text in enumerate(row))}</tr>" for row in self.cells)
        caption = f'<caption style="text-align: left">{html.escape(self.caption)}</caption>' * bool(self.caption)
        return (
            f'<div style="overflow-x: auto" tabindex="0"><table class="genlib-table">{caption}'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )


def _number(value, digits):
    """``digits`` significant digits, thousands set apart, no powers of ten between 10⁻⁴ and 10⁹."""
    if isinstance(value, int) or not math.isfinite(value):
        return f"{value:,}".replace("-", "−")
    exponent = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}")))) if value else 0
    if not -4 <= exponent < 9:
        return f"{value:.{digits - 1}e}".replace("-", "−")
    return f"{value:,.{max(0, digits - 1 - exponent)}f}".replace("-", "−")


def _cell(value, digits):
    if isinstance(value, str):
        return value
    if value is None:
        return "–"
    if hasattr(value, "tolist"):  # tensors and arrays
        value = value.tolist()
    if not isinstance(value, (tuple, list)) or len(value) == 1:
        return _number(value[0] if isinstance(value, (tuple, list)) else value, digits)
    seeds = torch.tensor(value, dtype=torch.float64)
    mean = _number(seeds.mean().item(), digits)
    if len(value) == 2:
        return f"{mean} ({_number(min(value), digits)} to {_number(max(value), digits)})"
    return f"{mean} ± {_number(seeds.std().item(), 2)}"
