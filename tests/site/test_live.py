"""Figures that answer: the page computes what torch computes, and every figure opens, by mouse and by keyboard."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from axe import ORDER, PHONE, TAGS, judge, settle
from torch import nn
from torch.distributions import Bernoulli, Normal, kl_divergence

from genlib import live_figures, mime
from genlib.course import live_page, notebooks
from genlib.live_figures import apply, unpack

ROOT = Path(__file__).resolve().parents[2]
TOLD = ["unpacked", "network", "modulus", "densities", "centre", "inSquares"]
TOLD += ["perceptron", "ringStep", "undoing", "reached"]
SEEN = "e => [...e.querySelectorAll('canvas')].map(c => c.toDataURL()).join()"


@pytest.fixture(scope="module")
def workbench(browser, tmp_path_factory):
    """A page with the scripts and nothing else, opened from a folder, with no network."""
    folder = tmp_path_factory.mktemp("live")
    (folder / "live.js").write_text("window.live = {};\n" + live_page.script(ROOT, TOLD), "utf-8")
    (folder / "index.html").write_text('<meta charset="utf-8"><script src="live.js"></script>', "utf-8")
    page = browser.new_page()
    page.goto((folder / "index.html").as_uri())
    return page


def by_page(workbench, network, x):
    """What the page makes of a batch."""
    run = """([{layers, shape}, xs]) => {
      const compute = live.network(live.unpacked(layers), shape);
      return xs.map(x => [...compute(x)]);
    }"""
    return torch.tensor(workbench.evaluate(run, [network, x.flatten(1).tolist()]))


def agree(page, torchs):
    """Within the rounding of float32 along two orders of summation."""
    scale = torchs.abs().max().item()
    return (page - torchs.flatten(1)).abs().max().item() <= 2e-5 * max(scale, 1e-3)


def networks_of_the_book(chapters, notebook):
    for name in chapters:
        for record in notebooks.records(notebook(name), mime.LIVE):
            for label, network in record["networks"].items():
                yield f"{name}, {record['name']}, {label}", network, record["probes"][label]


def every_layer():
    """A network with every kind of layer, as data."""
    torch.manual_seed(5)
    body = nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))
    parts = [
        nn.Conv2d(2, 4, (4, 3), 2, 1), nn.BatchNorm2d(4), nn.LeakyReLU(0.1), ["add", body], nn.ELU(0.5),
        nn.ConvTranspose2d(4, 3, 3, 2, 1, 1), nn.SiLU(), nn.ConvTranspose2d(3, 2, (2, 4), 3), nn.Flatten(),
        nn.LazyLinear(24), nn.Softplus(), nn.LayerNorm(24), nn.Unflatten(1, (2, 3, 4)), nn.Conv2d(2, 5, 2), nn.Tanh(),
        nn.Flatten(), nn.Linear(30, 6), nn.Sigmoid(),
    ]  # fmt: skip
    x = torch.randn(40, 2, 9, 8)
    live_figures._exact(parts, x)  # the lazy layer gets its size
    parts[1].running_mean.normal_()
    parts[1].running_var.uniform_(0.5, 2)
    made, _ = live_figures.layers(parts, [2, 9, 8])
    return {"shape": [2, 9, 8], "layers": made}, x


def test_every_layer_is_computed_as_torch_does(workbench):
    network, x = every_layer()
    assert agree(by_page(workbench, network, x), apply(network["layers"], x))


def test_a_weight_changed_by_hand_is_caught(workbench):
    network, x = every_layer()
    told = apply(network["layers"], x)
    for layer in network["layers"]:
        if layer["kind"] in ("linear", "conv", "up"):
            right = layer["w"]
            steps = unpack(right)
            at = steps.flatten().abs().argmin()
            changed = steps.flatten()
            changed[at] += 40
            packed = live_figures.rounded(changed.view_as(steps), 0) | {"scale": right["scale"]}
            packed["i8"] = live_figures.base64.b64encode(changed.to(torch.int8).numpy().tobytes()).decode()
            layer["w"] = packed
            assert not agree(by_page(workbench, network, x), told), layer["kind"]
            layer["w"] = right


def test_the_page_is_torch_for_every_network_of_the_book(workbench, chapters, notebook):
    torch.manual_seed(7)
    for label, network, probe in networks_of_the_book(chapters, notebook):
        x, y = unpack(probe["x"]), unpack(probe["y"])
        seen = by_page(workbench, network, x)
        assert agree(seen, y), label
        others = x[torch.randperm(len(x))] * torch.rand(len(x), *[1] * (x.dim() - 1)) + 0.1 * torch.randn_like(x)
        assert agree(by_page(workbench, network, others), apply(network["layers"], others)), label


def test_a_flow_is_undone_as_torch_undoes_it(workbench):
    """Couplings of random networks and a scaling, all of them, none, and half of the third, against torch."""
    torch.manual_seed(3)
    masks = [torch.tensor([float(i % 2), float(1 - i % 2)]) for i in range(4)]
    nets = [nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 4)) for _ in masks]
    c, scale, shift, z = torch.rand(4, 2), torch.rand(2) + 0.5, torch.randn(2), torch.randn(9, 2)
    stored = {f"coupling {i}": live_figures.layers(net, [2])[0] for i, net in enumerate(nets)}
    facts = {"couplings": [{"mask": m, "c": k} for m, k in zip(masks, c, strict=True)], "scale": scale, "shift": shift}
    seen = workbench.evaluate(
        """([networks, facts, zs]) => {
          const nets = {};
          for (const name in networks) nets[name] = live.network(live.unpacked(networks[name]), [2]);
          const path = live.undoing(nets, live.unpacked(facts));
          return [0, 2.5, 5].map(done => zs.map(z => live.reached(path(z), done)));
        }""",
        [stored, live_figures.pack(facts), z.tolist()],
    )

    def by_torch(z, done):
        for i in range(3, -1, -1):
            raw, t = apply(stored[f"coupling {i}"], masks[i] * z).chunk(2, 1)
            part = min(1.0, max(0.0, done - (3 - i))) * (1 - masks[i])
            z = (z - part * t) * (-part * c[i] * raw.tanh()).exp()
        return (z - shift) / scale if done == 5 else z

    for done, points in zip((0, 2.5, 5), seen, strict=True):
        assert torch.allclose(torch.tensor(points), by_torch(z, done), atol=1e-5)


def test_the_data_of_the_site_are_those_of_the_run(site, chapters, notebook):
    for name in chapters:
        for record in notebooks.records(notebook(name), mime.LIVE):
            text = (site / "_static" / "live" / name / f"{record['name']}.js").read_text("utf-8")
            assert json.loads(text.removeprefix("live(").removesuffix(");\n")) == record
            page = (site / f"{name}.html").read_text("utf-8")
            assert f'data-name="{record["name"]}"' in page  # and it has its box


def test_the_game_tells_the_modulus_of_its_matrix(workbench):
    for eta in (0.05, 0.4, 0.9):
        for gamma in (0.0, 0.3, 1.9):
            for turns in (0, 1):
                matrix = [[1, -eta], [eta, 1 - eta * gamma - turns * eta**2]]
                told = workbench.evaluate("a => live.modulus(...a)", [eta, gamma, turns])
                assert told == pytest.approx(max(abs(np.linalg.eigvals(matrix))), rel=1e-9)


def test_the_densities_tell_the_divergence(workbench):
    from scipy import integrate, stats

    for theta, w in ((0.0, 0.3), (0.7, 0.4), (-2.0, 1.0), (3.0, 0.1)):
        p, q = stats.norm(0, w), stats.norm(theta, w)

        def integrand(x, p=p, q=q):
            a, b = p.pdf(x), q.pdf(x)
            return 0.5 * sum(d * math.log(2 * d / (a + b)) for d in (a, b) if d > 0)

        low, high = min(0, theta) - 8 * w, max(0, theta) + 8 * w
        exact = integrate.quad(integrand, low, high, points=[0, theta], limit=200)[0]
        jsd, w1 = workbench.evaluate("a => live.densities(...a)", [theta, w])
        assert jsd == pytest.approx(exact, abs=1e-5) and w1 == abs(theta)


def test_pictures_are_measured_as_numpy_does(workbench):
    """The ink and its centre, and the share of the squared change within marked squares."""
    side, own = 12, 4
    x, y = np.random.default_rng(3).random((2, side, side)).astype("f4")
    down, across = np.indices((side, side))
    told = workbench.evaluate("a => live.centre(Float32Array.from(a[0]), a[1])", [x.flatten().tolist(), side])
    assert told == pytest.approx([x.sum(), np.average(across, weights=x), np.average(down, weights=x)], rel=1e-5)
    marked = np.arange(9) % 4 == 1  # two of the nine squares
    run = "([x, y, ...rest]) => live.inSquares(Float32Array.from(x), Float32Array.from(y), ...rest)"
    told = workbench.evaluate(run, [x.flatten().tolist(), y.flatten().tolist(), marked.tolist(), side, own])
    change, inside = (x - y) ** 2, np.kron(marked.reshape(3, 3), np.ones((own, own)))
    assert told == pytest.approx((change * inside).sum() / change.sum(), rel=1e-5)


def test_the_ring_descends_the_losses_that_it_names(workbench):
    """One update of both networks in the page, against torch's gradients and torch's Adam."""
    torch.manual_seed(2)
    sizes, B = {"G": [2, 6, 5, 2], "D": [2, 6, 5, 1]}, 7
    weights = {k: [torch.randn(o, i + 1) * 0.7 for i, o in zip(s, s[1:], strict=False)] for k, s in sizes.items()}
    flat = lambda w: [*w[:, :-1].flatten().tolist(), *w[:, -1].tolist()]
    x, z = torch.randn(B, 2), torch.randn(2, B, 2)
    told = workbench.evaluate(
        """([sizes, weights, x, z, B]) => {
          const nets = {};
          for (const k of ["G", "D"]) {
            nets[k] = live.perceptron(sizes[k], () => 0);
            nets[k].layers.forEach((l, i) => l.w.set(weights[k][i]));
          }
          live.ringStep({...nets, lr: 0.01}, Float32Array.from(x), B, ...z.map(v => Float32Array.from(v)));
          return ["G", "D"].map(k => nets[k].layers.map(l => [...l.w]));
        }""",
        [
            sizes,
            {k: [flat(w) for w in ws] for k, ws in weights.items()},
            x.flatten().tolist(),
            z.flatten(1).tolist(),
            B,
        ],
    )
    leaves = {k: [w.clone().requires_grad_() for w in ws] for k, ws in weights.items()}

    def net(k, h):
        for i, w in enumerate(leaves[k]):
            h = h @ w[:, :-1].T + w[:, -1]
            h = nn.functional.leaky_relu(h, 0.2) if i < len(leaves[k]) - 1 else h
        return h

    adam = {k: torch.optim.Adam(leaves[k], lr=0.01, betas=(0.5, 0.9)) for k in leaves}
    for k, loss in (
        ("D", lambda: -(net("D", x).sigmoid().log() + (1 - net("D", net("G", z[0]).detach()).sigmoid()).log()).mean()),
        ("G", lambda: -net("D", net("G", z[1])).sigmoid().log().mean()),
    ):
        adam[k].zero_grad()
        loss().backward()
        adam[k].step()
    for k, seen in zip(("G", "D"), told, strict=True):
        for w, s, before in zip(leaves[k], seen, weights[k], strict=True):
            assert torch.allclose(torch.tensor(s), torch.tensor(flat(w.detach())), atol=2e-5)
            assert (w - before).abs().max() > 5e-3  # and not by standing still


# --- in the built book ---------------------------------------------------------------------------------------------


def live_pages(site, pages):
    return [name for name in pages if 'class="live"' in (site / f"{name}.html").read_text("utf-8")]


def test_the_kinds_have_a_figure_each_and_the_book_shows_some(site, pages):
    assert len(live_page.kinds(ROOT)) >= 8 and live_pages(site, pages)


@pytest.mark.parametrize("how", [{}, {"viewport": PHONE}], ids=["desk", "phone"])
def test_every_figure_of_the_book_opens_from_a_folder_and_answers(site, pages, browser, how):
    """With no server and no network: a click, then every range by the keyboard, then a drag on every surface."""
    context = browser.new_context(**how)
    context.set_offline(True)
    for name in live_pages(site, pages):
        page = context.new_page()
        page.set_default_timeout(20_000)
        log = []
        page.on("pageerror", lambda error, log=log: log.append(str(error)))
        page.goto((site / f"{name}.html").as_uri())
        for place in page.locator(".live").all():
            place.locator(":scope > button").press("Enter")
            place.locator("canvas").first.wait_for()
            page.wait_for_timeout(100)
            look = lambda place=place: place.evaluate(SEEN)
            for control in place.locator("input[type=range]").all():
                before = look()
                control.focus()
                page.keyboard.press("ArrowRight" if control.evaluate("e => +e.value < +e.max") else "ArrowLeft")
                page.keyboard.press("ArrowRight")
                page.wait_for_timeout(80)
                plays = place.get_by_role("button", name="Train").count()  # then its next steps will tell
                assert plays or look() != before, f"{name}: a range changes nothing"
            for i, surface in enumerate(place.locator("canvas.live-pointed").all()):  # each to a place of its own
                before = look()
                surface.scroll_into_view_if_needed()
                box = surface.bounding_box()
                page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.35)
                page.mouse.down()
                page.mouse.move(box["x"] + box["width"] * (0.55 - 0.15 * i), box["y"] + box["height"] * 0.6, steps=4)
                page.mouse.up()
                page.wait_for_timeout(80)
                assert look() != before, f"{name}: pointing changes nothing"
            wide = place.evaluate("e => e.scrollWidth > e.clientWidth + 1")
            assert not wide, f"{name}: a live figure is wider than its place"
        assert not log, (name, log)
        page.close()
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_open_figure_keeps_the_rules_of_access(site, pages, open_page, theme):
    for name in live_pages(site, pages):
        page = open_page(name)
        for place in page.locator(".live").all():
            place.locator(":scope > button").click()
            place.locator("canvas").first.wait_for()
        settle(page, theme)
        found = judge(page, TAGS) + judge(page, ORDER)
        assert not [f"{v['rule']}: {v['where']}" for v in found if any("live" in w for w in v["where"])]
        page.close()


def page_with(folder, kind, scripts=True):
    """The address of a page with one figure, in a folder of its own."""
    box = live_page.box(kind, "What?").replace('class="live"', 'class="live" data-script="live.js"')
    html = f'<meta charset="utf-8"><article>{box}</article><script src="page.js"></script>'
    (folder / "index.html").write_text(html, "utf-8")
    (folder / "page.js").write_text(live_page.loader(ROOT), "utf-8")
    if scripts:
        (folder / "live.js").write_text(live_page.script(ROOT), "utf-8")
    return (folder / "index.html").as_uri()


def test_without_motion_a_click_makes_many_steps(browser, tmp_path):
    still = browser.new_context(reduced_motion="reduce").new_page()
    still.goto(page_with(tmp_path, "ring"))
    still.get_by_role("button", name="Try it").click()
    still.get_by_role("button", name="Train: 100 steps").click()
    assert still.locator(".live-said").text_content().startswith("100 updates of D")
    still.wait_for_timeout(200)
    assert still.locator(".live-said").text_content().startswith("100 updates of D")  # and nothing moves by itself


def test_an_author_sees_the_figures_of_a_chapter_alone(browser, tmp_path):
    chapter = notebooks.find_chapter(ROOT, "gan/gan")
    path, weights = live_page.write(ROOT, chapter, tmp_path)
    assert [kind for kind, _, _ in weights] == ["game", "ring"]
    page = browser.new_page()
    page.goto(path.as_uri())
    for _ in weights:
        page.get_by_role("button", name="Try it").first.click()
        page.wait_for_timeout(200)
    assert page.locator("canvas").count() == 2
    with pytest.raises(notebooks.CourseError, match="no live figure"):
        live_page.write(ROOT, notebooks.find_chapter(ROOT, "flow/glow"), tmp_path)


def opened(kind, browser, folder, notebook):
    """A live figure of the VAE, opened: its record, its page and its place there."""
    (record,) = (r for r in notebooks.records(notebook("chapters/vae/vae"), mime.LIVE) if r["kind"] == kind)
    path, _ = live_page.write(ROOT, notebooks.find_chapter(ROOT, "vae/vae"), folder)
    page = browser.new_page()
    page.goto(path.as_uri())
    place = page.locator(f".live[data-kind={kind}]")
    place.get_by_role("button", name="Try it").click()
    place.locator("canvas").first.wait_for()
    return record, page, place


def test_the_digit_tells_the_terms_of_its_bound(browser, tmp_path, notebook):
    """For the picture it opens with, and for the same turned by a quarter, with the run's own draws."""
    record, page, place = opened("digit", browser, tmp_path, notebook)
    encoder, decoder = (record["networks"][name]["layers"] for name in ("encoder", "decoder"))
    side, eps = record["facts"]["side"], unpack(record["facts"]["eps"])
    x = unpack(record["facts"]["examples"])[0].view(side, side)
    for turned in (x, x.rot90()):
        page.wait_for_timeout(150)
        told = place.locator(".live-said").text_content()
        seen = [float(number) for number in re.findall(r"-?\d+", told.replace("−", "-"))]
        q = Normal(*(lambda mu, logvar: (mu, (logvar / 2).exp()))(*apply(encoder, turned.reshape(1, -1)).chunk(2, 1)))
        z = q.loc + q.scale * eps
        r = Bernoulli(logits=apply(decoder, z)).log_prob(turned.flatten()).sum(1).mean().item()
        kl = kl_divergence(q, Normal(torch.zeros_like(q.loc), 1.0)).sum().item()
        assert seen == pytest.approx([r, kl, r - kl], abs=0.51), told
        place.get_by_role("button", name="Quarter turn").click()


def test_the_plane_decodes_where_it_is_pointed_at(browser, tmp_path, notebook):
    record, page, place = opened("plane", browser, tmp_path, notebook)
    facts, side = record["facts"], record["facts"]["side"]
    for i, name in enumerate(sorted(record["networks"], key=str.lower)):
        canvas = place.locator("canvas.live-pointed").nth(i)
        canvas.click(position={"x": 60, "y": 130})
        page.wait_for_timeout(150)
        told = place.locator(".live-said").text_content().replace("−", "-")
        z = torch.tensor([float(v) for v in re.search(rf"{name} at (\S+), ([^;\s]+)", told).groups()])
        low, high = (torch.tensor(facts[k][name]) for k in ("low", "high"))
        low, high = low.minimum(unpack(facts["ends"][name]).amin(0)), high.maximum(unpack(facts["ends"][name]).amax(0))
        wide, tall = canvas.evaluate("c => [c.clientWidth, c.clientHeight]")
        pointed = low + torch.tensor([59 / wide, 1 - 129 / tall]) * (high - low)  # within the border of a pixel
        assert torch.allclose(z, pointed, atol=0.01 * (high - low).max().item()), told
        image = place.locator("canvas").nth(2 * i + 1)
        seen = image.evaluate(
            """(c, side) => {
              const at = i => Math.floor((i + 0.5) * c.width / side), pen = c.getContext("2d");
              const grey = i => pen.getImageData(at(i % side), at(Math.floor(i / side)), 1, 1).data[0];
              return [...Array(side * side).keys()].map(grey);
            }""",
            side,
        )
        decoded = apply(record["networks"][name]["layers"], z[None]).sigmoid()[0]
        assert torch.allclose(1 - torch.tensor(seen) / 255, decoded, atol=0.02)


@pytest.mark.parametrize("kind, body, words", [("game", "No question", "question mark"), ("gmae", "What?", "game")])
def test_a_directive_that_is_none_says_so(kind, body, words):
    with pytest.raises(notebooks.CourseError, match=words):
        live_page.question_of(kind, body, ROOT)


def test_data_that_cannot_be_loaded_can_be_asked_for_again(browser, tmp_path):
    page = browser.new_page()
    page.goto(page_with(tmp_path, "game", scripts=False))
    page.get_by_role("button", name="Try it").click()
    again = page.get_by_role("button", name="Try again")
    again.wait_for()
    (tmp_path / "live.js").write_text(live_page.script(ROOT), "utf-8")
    again.click()
    page.locator("canvas").first.wait_for()
    assert page.locator("canvas").count() == 1 and not page.locator(".live > button").count()


def test_a_page_before_the_first_click_has_the_loader_and_no_data(site, pages, open_page):
    for name in live_pages(site, pages):
        html = (site / f"{name}.html").read_text("utf-8")
        assert "live/page.js" in html and "live/live.js" not in html.replace('data-script="', "").split("<script")[-1]
    weigh = lambda script: (site / "_static" / "live" / script).stat().st_size
    assert weigh("page.js") <= 600 and weigh("page.js") + weigh("live.js") <= 15_000  # all figures together
