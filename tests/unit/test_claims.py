"""Claims: the verdict follows the rule on every branch, and the record is whole."""

import html
import json
import statistics
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import genlib
from genlib import claims, mime, rows
from genlib.claims import NOT_JUDGED, spread, verdict


def run(preset="cpu"):
    return SimpleNamespace(preset=preset, seed=3, device=torch.device("cpu"))


def claim(preset="cpu", **told):
    told = {
        "ours": [95.0],
        "baseline": ("PCA", [110.0]),
        "paper": (86.6, "kingma2014auto", "Table 1"),
        "unit": "nats",
        "lower_is_better": True,
        "target": 97.0,
        "scale": (1 / 40, "epochs"),
    } | told
    return genlib.claim(run(preset), "A VAE models digits.", **told)


# ours, baseline, target, scale, lower is better -> verdict
RULE = [
    ([5.0], [14.0], 5.5, 1.0, True, "reproduced"),
    ([5.0], [14.0], 5.5, 2.0, True, "reproduced"),
    ([5.5], [14.0], 5.5, 1.0, True, "reproduced"),  # reaching is meeting
    ([5.0], [14.0], 5.5, 0.99, True, "at reduced scale"),
    ([5.6], [14.0], 5.5, 1.0, True, "direction only"),
    ([5.6], [14.0], 5.5, 0.1, True, "direction only"),
    ([14.0], [14.0], 5.5, 1.0, True, "not reproduced"),  # no better than the baseline
    ([15.0], [14.0], 5.5, 1.0, True, "not reproduced"),
    ([5.0, 5.9], [14.0], 5.5, 1.0, True, "reproduced"),  # the mean counts: 5.45
    ([5.0, 6.2], [14.0], 5.5, 1.0, True, "direction only"),  # 5.6
    ([6.0, 14.5], [14.0], 5.5, 1.0, True, "not reproduced"),  # one seed of ours does not beat it
    ([6.0, 13.0], [12.0, 16.0], 5.5, 1.0, True, "direction only"),  # against the mean of the baseline, 14
    ([5.0], [4.0], 5.5, 1.0, True, "not reproduced"),  # the baseline reaches it more surely
    ([5.0, 5.2], [5.3], 5.5, 1.0, True, "reproduced"),
    ([5.0, 5.4], [5.2], 5.5, 1.0, True, "not reproduced"),
    ([0.9], [0.5], 0.8, 1.0, False, "reproduced"),
    ([0.8], [0.5], 0.8, 1.0, False, "reproduced"),
    ([0.9], [0.5], 0.8, 0.5, False, "at reduced scale"),
    ([0.7], [0.5], 0.8, 1.0, False, "direction only"),
    ([0.5], [0.5], 0.8, 1.0, False, "not reproduced"),
    ([0.4, 0.7], [0.5], 0.8, 1.0, False, "not reproduced"),
    ([-94.0], [-110.0], -97.0, 1.0, False, "reproduced"),  # negative numbers, higher is better
    ([-98.0], [-110.0], -97.0, 1.0, False, "direction only"),
]


@pytest.mark.parametrize("ours, baseline, target, scale, lower, expected", RULE)
def test_the_rule(ours, baseline, target, scale, lower, expected):
    assert verdict(ours, baseline, target=target, scale=scale, lower_is_better=lower) == expected
    told = {"ours": ours, "baseline": ("b", baseline), "target": target, "lower_is_better": lower}
    assert claim("gpu", scale=(scale, "epochs"), **told).verdict == expected
    assert claim("smoke", scale=(scale, "epochs"), **told).verdict == NOT_JUDGED == "not judged (smoke preset)"


def test_the_record_is_json_and_complete():
    made = claim(ours=torch.tensor([95.0, 96.5]), baseline=("PCA", np.array([110.0, 111.0])), scale=(0.025, "epochs"))
    bundle = made._repr_mimebundle_()
    assert set(bundle) == {mime.CLAIM, "text/html", "text/plain"}
    assert json.loads(json.dumps(bundle[mime.CLAIM], allow_nan=False)) == {
        "statement": "A VAE models digits.",
        "ours": [95.0, 96.5],
        "baseline": {"name": "PCA", "values": [110.0, 111.0]},
        "paper": {"value": 86.6, "key": "kingma2014auto", "where": "Table 1"},
        "unit": "nats",
        "lower_is_better": True,
        "target": 97.0,
        "scale": 0.025,
        "scale_of": "epochs",
        "verdict": "at reduced scale",
        "preset": "cpu",
        "seed": 3,
        "device": "cpu",
        "kind": "figure",
        "margin": None,
        "ceiling": None,
        "updates": None,
        "cut": [],
    }


@pytest.mark.parametrize("ours", [95.0, np.float32(95.0), torch.tensor(95.0), [torch.tensor(95.0)], (95,)])
def test_numbers_come_in_many_forms(ours):
    assert claim(ours=ours).ours == [95.0] and type(claim(ours=ours).ours[0]) is float


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite_are_refused(bad):
    for told in (
        {"ours": [95.0, bad]}, {"baseline": ("PCA", [bad])}, {"paper": (bad, "k", "w")}, {"target": bad},
        {"scale": (bad, "epochs")},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="finite numbers"):
            claim(**told)


def test_empty_lists_and_a_scale_of_nothing_are_refused():
    for told in ({"ours": []}, {"baseline": ("PCA", [])}, {"scale": (0.0, "epochs")}, {"scale": (-1.0, "epochs")}):
        with pytest.raises(ValueError, match="A VAE models digits"):
            claim(**told)


def test_the_table_escapes_what_it_is_told():
    evil = "<script>alert('x') & \"y\"</script>"
    table = claim(
        baseline=(evil, [110.0]), paper=(86.6, "k", evil), unit=evil, scale=(0.5, evil)
    )._repr_mimebundle_()["text/html"]  # fmt: skip
    assert "<script" not in table and table.count("&lt;script&gt;") == 5  # the unit stands in the head and the rule
    assert html.unescape(table).count(evil) == 5
    shown = genlib.claim(
        run(), evil, ours=[1.0], baseline=("b", [2.0]), paper=(1.0, "k", "w"), unit="u", lower_is_better=True,
        target=1.0, scale=(1, "epochs"),
    ).html()  # fmt: skip
    assert "<script" not in shown and html.escape(evil) in shown


def test_what_the_table_says():
    text = claim(ours=[95.0, 96.0], baseline=("PCA", [110.0])).text()
    assert "95.5 (95 to 96)" in text and "2 seeds, 1/40 of the paper's epochs" in text and "86.6   Table 1" in text
    assert "verdict: at reduced scale (rule: ≤ 97 nats; lower is better)" in text
    assert "preset cpu, 1 seed, the paper's scale" in claim(scale=(1, "epochs")).text()
    higher = claim(ours=[0.9], baseline=("b", [0.5]), target=0.8, unit="accuracy", lower_is_better=False)
    assert "rule: ≥ 0.8 accuracy; higher is better" in higher.html()
    assert "not judged (smoke preset)" in claim("smoke").html()


@pytest.mark.parametrize(
    "scale, says", [(1 / 40, "1/40"), (0.4, "0.4"), (0.5, "1/2"), (1 / 3, "1/3"), (0.75, "0.75"), (0.15, "0.15")]
)
def test_the_scale_is_told_as_the_fraction_it_is(scale, says):
    assert f", {says} of the paper's epochs" in claim(scale=(scale, "epochs")).text()


def test_spread_against_the_standard_library():
    values = [3.02, 2.95, 3.11, 3.4]
    assert spread(values) == f"{statistics.mean(values):.4g} ± {statistics.stdev(values):.2g}"
    assert spread(values) == f"{np.mean(values):.4g} ± {np.std(values, ddof=1):.2g}"
    assert spread([94.1234]) == "94.12" and spread([2.0, 2.0, 2.0]) == "2 ± 0"
    assert spread([3.02, 2.9]) == "2.96 (2.9 to 3.02)"  # two numbers have a range


# --- comparisons ------------------------------------------------------------------------------------------------------


def compare(preset="cpu", cut=(), **told):
    told = {
        "ours": [0.8, 0.7, 0.9], "baseline": ("GAN", [0.5, 0.6, 0.4]), "paper": ("sharper", "mao2017least", "Figure 6"),
        "unit": "modes", "lower_is_better": False, "margin": 0.1, "scale": (0.1, "updates"), "updates": 2000,
    } | told  # fmt: skip
    here = run(preset)
    here.cut = list(cut)
    return genlib.comparison(here, "Least squares cover more modes.", **told)


# ours, baseline, margin, ceiling, lower is better, scale -> verdict
PAIRED = [
    ([0.8, 0.7], [0.5, 0.6], 0.1, None, False, 1.0, "reproduced"),
    ([0.8, 0.7], [0.5, 0.6], 0.2, None, False, 1.0, "reproduced"),  # 0.3 and 0.1: the mean gain counts
    ([0.8, 0.7], [0.5, 0.6], 0.1, None, False, 0.5, "at reduced scale"),
    ([0.8, 0.7], [0.5, 0.6], 0.3, None, False, 1.0, "direction only"),
    ([0.9, 0.6], [0.5, 0.65], 0.1, None, False, 1.0, "not reproduced"),  # worse under one seed
    ([0.9, 0.6], [0.8, 0.5], 0.05, None, False, 1.0, "reproduced"),  # paired: 0.6 beats its own baseline
    ([0.8, 0.7], [0.6], 0.1, None, False, 1.0, "reproduced"),  # a baseline without seeds
    ([2.0, 3.0], [5.0, 4.0], 1.0, None, True, 1.0, "reproduced"),
    ([5.0, 4.0], [2.0, 3.0], 1.0, None, True, 1.0, "not reproduced"),
    ([1.0, 1.0], [0.985, 0.985], 0.3, 1.0, False, 1.0, "not testable here"),  # nothing better by 0.3 exists
    ([1.0, 0.9], [0.65, 0.65], 0.3, 1.0, False, 1.0, "reproduced"),
    ([0.1, 0.1], [0.2, 0.2], 0.3, 0.0, True, 1.0, "not testable here"),
]


@pytest.mark.parametrize("ours, baseline, margin, ceiling, lower, scale, expected", PAIRED)
def test_the_rule_of_a_comparison(ours, baseline, margin, ceiling, lower, scale, expected):
    told = {"ours": ours, "baseline": ("b", baseline), "margin": margin, "ceiling": ceiling, "lower_is_better": lower}
    made = compare(scale=(scale, "updates"), **told)
    assert made.verdict == expected
    assert claims.judge(made._repr_mimebundle_()[mime.CLAIM], ours, baseline) == expected
    assert compare("smoke", **told).verdict == NOT_JUDGED


def test_a_comparison_is_shown_with_its_gain_and_its_updates():
    text = compare(ceiling=1.0).text()
    assert "0.3 ± 0.2" in text and "paired by seed" in text and "sharper   Figure 6" in text
    assert "3 seeds, 2,000 updates, 1/10 of the paper's updates" in text
    assert "rule: better under every seed, by 0.1 modes in the mean, the best there is 1; higher is better" in text
    assert "below 1" in claim(paper=("below 1", "k", "Table 2")).html()


def test_a_comparison_wants_pairs_and_a_margin():
    for told, match in (({"margin": 0}, "margin above zero"), ({"baseline": ("b", [1.0, 2.0])}, "paired by seed"),
                        ({"ceiling": float("nan")}, "finite")):  # fmt: skip
        with pytest.raises(ValueError, match=match):
            compare(**told)


def test_a_run_whose_fit_was_cut_earns_no_verdict():
    made = compare(cut=["plain autoencoder"])
    assert made.verdict == claims.CUT and made.cut == ["plain autoencoder"]
    here = run()
    here.cut = ["x"]
    told = {"paper": (1.0, "k", "w"), "unit": "u", "lower_is_better": True, "target": 2.0, "scale": (1, "epochs")}
    assert genlib.claim(here, "s", ours=[1.0], baseline=("b", [3.0]), **told).verdict == claims.CUT


@pytest.mark.parametrize("cut", [["plain autoencoder"], ["GAN, protocol", "GAN, protocol", "D"]])
def test_a_row_of_a_run_whose_fit_was_cut_says_so_wherever_it_is_shown(cut):
    here = run()
    row = lambda: rows.record(here, "Losses", "GAN", {"W1": [1.0]}, "Equal.", "Rates taken: 1.")
    assert row().notes == "Rates taken: 1."
    here.cut = cut
    for shown in (row().notes, row()._repr_html_() if hasattr(row(), "_repr_html_") else repr(row()._shown())):
        assert "Not to be compared: a fit was cut short" in shown
        assert all(shown.count(label) == 1 for label in set(cut))


def test_a_fit_that_ends_early_is_remembered():
    here = genlib.start("smoke", 0, smoke={}, cpu={}, gpu={})
    here.fit(lambda x: {"x": x.mean()}, torch.ones(4, 1), steps=2, label="whole")
    assert here.cut == []

    def stop(x):
        raise KeyboardInterrupt

    here.fit(stop, torch.ones(4, 1), steps=2, label="stopped")
    here.minutes = 0
    here.fit(lambda x: {"x": x.mean()}, torch.ones(4, 1), steps=5000, label="late")
    assert here.cut == ["stopped", "late"]
