"""Rows of tables that several chapters fill, and the protocols of GAN losses and of disentanglement."""

import math

import nbformat
import pytest
import torch
import torch.nn.functional as F

import genlib
from genlib import mime, protocols, rows
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
    assert bundle[mime.ROW]["columns"] == [("error", [1.0, 2.0, 3.0]), ("share, %", [4.0, 5.0, 6.0])]
    assert bundle[mime.ROW] | {"columns": 0} == {
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


def in_short(monkeypatch, made):
    """The ring for both tasks, and every fit cut to so many steps; returns the list of those asked for."""
    monkeypatch.setattr(protocols, "_digits", lambda name, device: protocols._ring(device))
    kind, asked = type(run_of("cpu")), []
    fit = kind.fit

    def short(self, *given, steps, **named):
        asked.append(steps)
        return fit(self, *given, steps=made, **named)

    monkeypatch.setattr(kind, "fit", short)
    return asked


def test_gan_losses_choose_the_rate_on_another_seed(monkeypatch):
    """The ring twice, 30 updates a fit: four rates under seed 100, then three seeds with the best of them."""
    asked = in_short(monkeypatch, 30)
    calls, run = [], run_of("cpu")
    row = protocols.gan_losses(run, "GAN", trainer_of(calls))
    rates = [rate for rate, *_ in calls]
    assert len(rates) == 14 and rates[:4] == [3e-4, 1e-3, 3e-3, 1e-2] and rates[4] == rates[5] == rates[6]
    assert asked == [2000] * 7 + [1000] * 7
    assert not torch.equal(calls[4][2], calls[0][2]) and not torch.equal(calls[4][2], calls[5][2])  # other seeds
    assert all(len(values) in (3, 6) for _, values in row.columns)


def test_the_generator_that_is_scored_is_the_one_that_the_step_trained(monkeypatch):
    """Samples drawn to their nearest data points, and these to them, come nearer; so the scores must see them move."""
    in_short(monkeypatch, 60)

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


SCORES = ["MIG", "SAP", "DCI", "FactorVAE score", "total correlation, nats", "reconstruction, nats"]


def beta_vae(calls=None, parts=1, moves=True, told=False):
    """A trainer of a β-VAE; told: the encoder learns place and area of the shape instead, which no chapter may do."""
    at = torch.linspace(-1, 1, 32)

    def place(x):
        x = x.view(-1, 32, 32)
        area = x.sum((1, 2))
        return torch.stack([(area - 80) / 40, 3 * (x.sum(1) @ at) / area, 3 * (x.sum(2) @ at) / area], 1)

    def trainer(encoder, decoder, opt, strength):
        if calls is not None:
            group = opt.param_groups[0]
            calls.append((strength, encoder[0].weight.detach().clone(), group["lr"], len(group["params"])))
            calls[-1] += (encoder, decoder)

        def step(x):
            assert x.shape == (128 * parts, 1024) and set(x.unique().tolist()) == {0.0, 1.0}
            mu, logvar = encoder(x).chunk(2, 1)
            logits = decoder(mu + (logvar / 2).exp() * torch.randn_like(mu))
            loss = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1).mean()
            loss = loss + strength * 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1).mean()
            if told:
                loss = loss + 1000 * ((mu[:, :3] - place(x)) ** 2).sum(1).mean() + 1000 * (mu[:, 3:] ** 2).mean()
            opt.zero_grad()
            loss.backward()
            if moves:
                opt.step()
            return {"loss": loss.detach()}

        return step, ()

    return trainer


def shortened(monkeypatch, steps, asked):
    kind = type(run_of("cpu"))
    fit = kind.fit

    def short(self, *given, **named):
        asked.append(named["steps"])
        return fit(self, *given, **(named | {"steps": steps}))

    monkeypatch.setattr(kind, "fit", short)
    monkeypatch.setattr(protocols.metrics, "split_rate", lambda *given: torch.zeros(1, 3))  # some seconds each


def test_disentanglement_in_small():
    calls = []
    row = protocols.disentanglement(run_of(), "β-VAE", beta_vae(calls, 2), parts=2)
    [(strength, _, rate, n, encoder, decoder)] = calls  # smoke: one strength, one seed
    assert (strength, rate, n) == (1, 3e-3, 12)
    assert [name for name, _ in row.columns] == SCORES and row.table == protocols.DISENTANGLEMENT
    assert row.notes == "Strength: 1." and "10 updates" in row.conditions
    v = torch.cartesian_prod(*(torch.arange(n) for n in protocols.SPRITES))
    x, told = genlib.data.sprites(v, protocols.SPRITES, ("heart", "ellipse"), 32).flatten(1), dict(row.columns)
    with torch.no_grad():
        mu, logvar = encoder(x).chunk(2, 1)
        z = mu + (logvar / 2).exp() * torch.randn_like(mu)
        error = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="sum") / len(x)
        correlation = genlib.metrics.split_rate(z, mu, logvar)[:, 1]
    assert {name: told[name] for name in SCORES[:4]} == {n: [s] for n, s in protocols.code_scores(mu).items()}
    assert told[SCORES[5]] == [pytest.approx(error.item(), rel=0.02)]
    assert told[SCORES[4]] == [pytest.approx(correlation.mean().item(), abs=6 * correlation.std().item() / 192**0.5)]
    again = protocols.disentanglement(run_of(), "β-VAE", beta_vae(parts=2), parts=2)
    assert again.columns == row.columns  # the same seed, the same numbers


def test_the_factors_score_one_and_an_untrained_encoder_does_not(monkeypatch):
    v = torch.cartesian_prod(*(torch.arange(n) for n in protocols.SPRITES))[:, [1, 3, 4]].double()
    assert all(value == pytest.approx(1, abs=1e-3) for value in protocols.code_scores(v).values())
    shortened(monkeypatch, 0, [])
    row = protocols.disentanglement(run_of("cpu"), "untrained", None)
    found = dict(row.columns)
    assert row.notes == "Not trained." and all(len(values) == 3 for values in found.values())
    assert max(found["MIG"]) < 0.15 and max(found["FactorVAE score"]) < 0.9 and min(found["reconstruction, nats"]) > 100


def test_disentanglement_chooses_the_strength_without_labels_on_another_seed(monkeypatch):
    """The nearest reconstruction error to the target in ratio; scores are not asked for before it is chosen."""
    asked, calls, scored = [], [], []
    shortened(monkeypatch, 12, asked)
    scores = protocols.code_scores
    monkeypatch.setattr(protocols, "code_scores", lambda *a: scored.append(len(calls)) or scores(*a))
    row = protocols.disentanglement(run_of("cpu"), "β-VAE", beta_vae(calls), strengths=(1, 1000, 4, 8))
    strengths = [strength for strength, *_ in calls]
    assert strengths[:4] == [1, 1000, 4, 8] and len(calls) == 7 and asked == [800] * 7 and scored == [5, 6, 7]
    assert strengths[4] == strengths[5] == strengths[6] != 1000  # whose error stays at that of an empty code
    starts = [start for _, start, *_ in calls]
    assert torch.equal(starts[0], starts[3]) and not torch.equal(starts[0], starts[4])
    assert not torch.equal(starts[4], starts[5]) and all(len(values) == 3 for _, values in row.columns)
    monkeypatch.setattr(protocols, "TARGET", 1e6)
    far = protocols.disentanglement(run_of("cpu"), "β-VAE", beta_vae(), strengths=(1, 1000))
    assert far.notes == "Strength: 1000."


def test_the_encoder_that_is_scored_is_the_one_that_the_step_trained(monkeypatch):
    """An encoder told place and area scores by them; the same steps without an update score as no training at all."""
    shortened(monkeypatch, 80, [])
    score = lambda **how: dict(protocols.disentanglement(run_of("cpu"), "it", beta_vae(**how), strengths=(1,)).columns)
    told, still = score(told=True), score(moves=False)
    assert min(told["SAP"]) > 0.5 > 0.2 > max(still["SAP"])
    untrained = dict(protocols.disentanglement(run_of("cpu"), "untrained", None).columns)
    assert all(untrained[name] == still[name] for name in SCORES[:4])
    assert max(told["reconstruction, nats"]) < 0.8 * min(still["reconstruction, nats"])


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


# --- few labels -------------------------------------------------------------------------------------------------------


def test_a_split_has_as_many_labels_of_each_class_and_depends_on_the_seed():
    y = torch.randint(10, (5000,), generator=torch.Generator().manual_seed(1))
    own, held = protocols.labelled(y, 100, 0)
    assert y[own].bincount().tolist() == [10] * 10 and len(held) == 1000
    assert len(set(own.tolist()) | set(held.tolist())) == 1100  # none is in both, none twice
    assert all(torch.equal(a, b) for a, b in zip(protocols.labelled(y, 100, 0), (own, held), strict=True))
    assert len(set(own.tolist()) & set(protocols.labelled(y, 100, 1)[0].tolist())) < 20
    more, _ = protocols.labelled(y, 1000, 0)
    assert set(own.tolist()) < set(more.tolist())  # more labels are those, and others


def recorded(seen, kind=None):
    """The supervised baseline, with what its trainer and its step were given."""

    def trainer(classifier, rate):
        step, state = (kind or protocols.supervised())(classifier, rate)
        fit = {"rate": rate, "weights": classifier[0].weight.detach().clone(), "classifier": classifier, "rows": set()}
        seen.append(fit)

        def look(x, x_l, y_l):
            assert len(x) == 100 and len(x_l) == len(y_l) == 50
            fit["rows"] |= {(tuple(a.tolist()), b) for a, b in zip(x_l, y_l.tolist(), strict=True)}
            return step(x, x_l, y_l)

        return look, state

    return trainer


def test_few_labels_in_small():
    seen, run = [], run_of()
    row = protocols.few_labels(run, "supervised", recorded(seen))
    assert [name for name, _ in row.columns] == ["100 labels: error, %", "1,000 labels: error, %"]
    assert [fit["rate"] for fit in seen] == [3e-4, 3e-4] and row.notes == "Rates taken: 0.0003 and 0.0003."
    images = genlib.data.load("digits")
    own, held = protocols.labelled(images.train.y, 100, 0)
    allowed = {(tuple(images.train.x[i].flatten().tolist()), images.train.y[i].item()) for i in own}
    assert seen[0]["rows"] <= allowed and len(seen[0]["rows"]) > 80  # no other label was seen
    with torch.no_grad():
        wrong = seen[1]["classifier"](images.test.x.flatten(1)).argmax(1) != images.test.y
    assert row.columns[1][1] == [pytest.approx(100 * wrong.float().mean().item())]
    assert protocols.few_labels(run_of(), "supervised", protocols.supervised()).columns == row.columns


def test_few_labels_choose_the_rate_on_images_that_are_kept_for_it(monkeypatch):
    """Three rates under seed 100 on images that no training sees, then five seeds with the best and other splits."""
    asked, seen = in_short(monkeypatch, 25), []
    digits = genlib.data.load("digits")
    monkeypatch.setattr(protocols.data, "load", lambda *given: digits)
    tuned = []
    whole = protocols.labelled
    short = lambda y, n, seed: whole(y, min(n, 200), seed, 100)
    monkeypatch.setattr(protocols, "labelled", lambda *given: tuned.append(given[1:]) or short(*given))
    row = protocols.few_labels(run_of("cpu"), "supervised", recorded(seen), rates=(1e-5, 1e-2, 1e-4))
    assert asked == [1000] * 16 and tuned == [(n, s) for n in (100, 1000) for s in (100, 100, 100, 0, 1, 2, 3, 4)]
    assert [fit["rate"] for fit in seen] == 2 * [1e-5, 1e-2, 1e-4, *[1e-2] * 5]
    assert all(len(errors) == 5 and len(set(errors)) > 1 for _, errors in row.columns)
    held = {tuple(digits.train.x[i].flatten().tolist()) for i in short(digits.train.y, 100, 100)[1]}
    assert not held & {image for image, _ in seen[0]["rows"]}


def test_augmentation_moves_an_image_and_keeps_what_it_shows():
    """The centre of a blob moves by at most two pixels along each of two axes, and its ink is kept."""
    x = torch.zeros(400, 28, 28)
    x[:, 11:17, 11:17] = 1.0
    seen = []

    class Look(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(784, 10))

        def forward(self, x):
            seen.append(x.detach())
            return x @ self.weight

    step, _ = protocols.supervised(augment=True)(Look(), 1e-3)
    step(None, x.flatten(1), torch.zeros(400, dtype=torch.long))
    images, at = seen[0].view(400, 28, 28), torch.arange(28.0)
    ink = images.sum((1, 2))
    centre = torch.stack([images.sum(1) @ at, images.sum(2) @ at], 1) / ink[:, None] - 13.5
    assert (ink / 36 - 1).abs().max() < 0.03 and 2.5 < centre.norm(dim=1).max() < 2 * 2**0.5 + 0.01
    assert centre.mean(0).abs().max() < 0.25 and centre.std(0).min() > 1
    same, _ = protocols.supervised()(Look(), 1e-3)
    same(None, x.flatten(1), torch.zeros(400, dtype=torch.long))
    assert torch.equal(seen[1], x.flatten(1))
