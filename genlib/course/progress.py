"""What the terminal shows while chapters run: a live table, or plain lines where nobody watches."""

import sys
import time


class Progress:
    """A context: ``update`` takes what runs, a list of (chapter, seed), (cell, cells, heading); ``say`` an Outcome."""

    def __init__(self, preset, total):
        self.preset, self.total, self.ended = preset, total, 0
        self.since, self.shown, self.reached, self.live = {}, {}, {}, None

    def __enter__(self):
        if sys.stdout.isatty():
            from rich.live import Live

            self.live = Live(transient=True, refresh_per_second=4)
            self.live.start()
        return self

    def __exit__(self, *_):
        if self.live:
            self.live.stop()

    def update(self, running):
        rows = []
        for (chapter, seed), (cell, cells, heading) in running:
            if cells:
                now = time.monotonic()
                if cell < self.reached.get((chapter, seed), 0):
                    self.line(f"{chapter.name} · seed {seed} · begun again: the process that ran it died")
                    self.since[chapter, seed] = now
                self.reached[chapter, seed] = cell
                elapsed = now - self.since.setdefault((chapter, seed), now)
                rows.append((f"{chapter.name} · {self.preset} · seed {seed}", cell, cells, heading or "Setup", elapsed))
        if self.live:
            self.live.update(self.table(rows))
            return
        for who, cell, cells, heading, elapsed in rows:
            if self.shown.get(who) != heading:
                self.shown[who] = heading
                print(f"{who} · cell {cell}/{cells} · {heading} · {elapsed:.0f} s", flush=True)

    def table(self, rows):
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        table = Table(box=None, show_header=False, caption=f"{self.ended} of {self.total} chapters ended")
        for who, cell, cells, heading, elapsed in rows:
            bar = ProgressBar(total=cells, completed=cell - 1, width=12)
            table.add_row(who, bar, f"cell {cell}/{cells}", heading, f"{elapsed:.0f} s")
        return table

    def say(self, outcome):
        self.ended += 1
        mark = "✗" if outcome.what == "failed" else "✓"
        self.line(f"{mark} {outcome.chapter.name} · {outcome.what} in {outcome.seconds:.0f} s · {outcome.note}")

    def line(self, line):
        if self.live:
            self.live.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, flush=True)
