"""Rows of tables that several chapters fill, and the protocol of GAN losses."""

import math

import nbformat
import pytest
import torch
import torch.nn.functional as F

import genlib
from genlib import protocols, rows
from genlib.course import results

pytestmark = pytest.mark.usefixtures("own")


def run_of(preset="smoke"):
    return genlib.start(preset, 0, smoke={"n": 1}, cpu={"n": 1}, gpu={"n": 1})


def test_a_row_carries_its_numbers():
    run = run_of()
    row = rows.record(
        run, "a table", "ours", {"error": [1, 2, 3], "share, %": torch.tensor([4.0, 5, 6])}, "Equal.", "Own."
    )
    bundle = row._repr_mimebundle_()
    assert bundle[rows.MIME]["columns"] == [("error", [1.0, 2.0, 3.0]), ("share, %", [4.0, 5.0, 6.0])]
    assert bundle[rows.MIME] | {"columns": 0} == {
        "table": "a table", "row": "ours", "columns": 0, "conditions": "Equal.", "notes": "Own.", "preset": "smoke",
        "seed": 0, "device": "cpu",
    }  # fmt: skip
    assert "2.00 ± 1.0" in bundle["text/plain"] and "a table. Equal. Own." in bundle["text/html"]


@pytest.mark.parametrize("numbers", [{"a": [1.0], "b": [1.0, 2.0]}, {"a": [math.nan]}, {}])
def test_a_row_without_its_numbers_is_one_sentence(numbers):
    with pytest.raises(ValueError, match="The row 'ours' needs finite numbers"):
        rows.record(run_of(), "a table", "ours", numbers, "")


def trainer_of(calls, critic_steps=1):
    def trainer(G, D, rate):
        calls.append((rate, [tuple(p.shape) for p in G.parameters()], G[0].weight.detach().clone()))
        opt_G, opt_D = (torch.optim.Adam(net.parameters(), rate, betas=(0.5, 0.9)) for net in (G, D))

        def step(x):
            assert len(x) == 64 * critic_steps
            x_tilde = G(torch.randn(len(x), G[0].in_features))
            d = F.softplus(-D(x)).mean() + F.softplus(D(x_tilde.detach())).mean()
            opt_D.zero_grad()
            d.backward()
            opt_D.step()
            g = F.softplus(-D(x_tilde)).mean()
            opt_G.zero_grad()
            g.backward()
            opt_G.step()
            return {"D": d.detach(), "G": g.detach()}

        return step, (G, D, opt_G, opt_D)

    return trainer


def test_gan_losses_in_small():
    run, calls = run_of(), []
    row = protocols.gan_losses(run, "GAN", trainer_of(calls, 2), critic_steps=2)
    assert [rate for rate, *_ in calls] == [3e-4, 3e-4]  # smoke: the ring and the digits, one rate, one seed
    assert calls[0][1][-1] == (2,) and calls[1][1][-1] == (784,)
    names = [name for name, _ in row.columns]
    assert names[0] == "ring: W₁" and "digits: Fréchet" in names and row.table == protocols.GAN_LOSSES
    again = protocols.gan_losses(run_of(), "GAN", trainer_of([], 2), critic_steps=2)
    assert again.columns == row.columns  # the same seed, the same numbers
    assert "updates of D for each of G: 2" in row.notes


def test_gan_losses_choose_the_rate_on_another_seed(monkeypatch):
    """The ring twice, 30 updates a fit: four rates under seed 100, then three seeds with the best of them."""
    monkeypatch.setattr(protocols, "_digits", lambda name, device: protocols._ring(device))
    kind, asked = type(run_of("cpu")), []
    fit = kind.fit

    def short(self, *given, steps, **named):
        asked.append(steps)
        return fit(self, *given, steps=30, **named)

    monkeypatch.setattr(kind, "fit", short)
    calls, run = [], run_of("cpu")
    row = protocols.gan_losses(run, "GAN", trainer_of(calls))
    rates = [rate for rate, *_ in calls]
    assert len(rates) == 14 and rates[:4] == [3e-4, 1e-3, 3e-3, 1e-2] and rates[4] == rates[5] == rates[6]
    assert asked == [2000] * 7 + [1000] * 7
    assert not torch.equal(calls[4][2], calls[0][2]) and not torch.equal(calls[4][2], calls[5][2])  # other seeds
    assert all(len(values) in (3, 6) for _, values in row.columns)


def test_the_generator_that_is_scored_is_the_one_that_the_step_trained(monkeypatch):
    """Samples drawn to their nearest data points, and these to them, come nearer; so the scores must see them move."""
    monkeypatch.setattr(protocols, "_digits", lambda name, device: protocols._ring(device))
    kind = type(run_of("cpu"))
    fit = kind.fit
    monkeypatch.setattr(kind, "fit", lambda self, *given, steps, **named: fit(self, *given, steps=60, **named))

    def distances(moves):
        def trainer(G, D, rate):
            opt = torch.optim.Adam(G.parameters(), rate)

            def step(x):
                apart = torch.cdist(G(torch.randn(len(x), G[0].in_features)), x)
                loss = apart.amin(0).mean() + apart.amin(1).mean()
                opt.zero_grad()
                loss.backward()
                if moves:
                    opt.step()
                return {"apart": loss.detach()}

            return step, (G, opt)

        return dict(protocols.gan_losses(run_of("cpu"), "near", trainer, rates=(3e-3,)).columns)["ring: W₁"]

    assert max(distances(True)) < 0.75 * min(distances(False))


def test_rows_of_several_chapters_stand_side_by_side(tmp_path):
    def stored(name, *made):
        outputs = [nbformat.v4.new_output("display_data", data=r._repr_mimebundle_()) for r in made]
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("row", outputs=outputs)])
        book.metadata["genlib"] = {"chapter": {"title": name.upper()}}
        path = tmp_path / "gan" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        nbformat.write(book, path)
        return path

    def row(name, preset="cpu", same="Equal."):
        return rows.Row("T", name, [("error", [1.0, 2.0, 3.0])], same, "Own.", preset, 0, "cpu")

    paths = [
        stored("a", row("A")),
        stored("b", row("B"), row("B, other", same="More.")),
        stored("c", row("C", "smoke")),
    ]
    found = results.side_by_side(paths)
    assert [(same, preset, [r["row"] for r in rs]) for same, preset, rs in found["T"]] == [
        ("Equal.", "cpu", ["A", "B"]),
        ("More.", "cpu", ["B, other"]),
    ]
    text = results.side_by_side_markdown("T", found["T"])
    assert "Equal. Preset cpu." in text and "[{doc}`B </chapters/gan/b>`]{.run}\n  - 2 ± 1\n  - Own.\n" in text
    assert results.side_by_side(paths[2:]) == {}
