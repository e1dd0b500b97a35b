"""What commands print: tables and JSON."""

import json
import sys


def print_json(rows):
    """Rows of JSON types, indented; escaped where the terminal or file has another encoding than UTF-8."""
    print(json.dumps(rows, ensure_ascii="utf" not in (sys.stdout.encoding or "utf").lower(), indent=1))


def print_table(columns, rows):
    """A table with a head (none if the columns are empty); as wide as the terminal, or in a file as it needs."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 1000, highlight=False)
    table = Table(box=None, pad_edge=False, show_header=any(columns), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    with console.capture() as capture:
        console.print(table)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))
