"""A small chapter that breaks no rule, and ways to damage it."""

import base64

from genlib import mime
from genlib.course import stamp
from genlib.course.notebooks import INSTALL, PARAMETERS, code_cells

URL, PNG = "https://example.org/book", base64.b64encode(b"\x89PNG" + bytes(100)).decode()


def markdown(source):
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(source, *outputs, **metadata):
    return {"cell_type": "code", "metadata": metadata, "source": source, "outputs": list(outputs)}


def printed(words, name="stdout"):
    return {"output_type": "stream", "name": name, "text": words}


def shown(**data):
    data = {"text/plain": "…", **{k.replace("_", "/"): v for k, v in data.items()}}
    return {"output_type": "display_data", "data": data, "metadata": {}}


CARD = """\
| | |
|---|---|
| **Paper** | {cite:t}`somebody2014toy` |
| **Builds on** | nothing |
| **Data** | digits |
| **Cost** | 1 s on one core (stored run); as projected, 1 s on a T4 and 2 s on a laptop |
| **You will be able to** | derive it |
"""
PREDICT = """\
```{predict} What comes out
:label: predict-%s

What does it do?

- It blurs. | Yes. That is what it does.
- It sharpens. | No.
- Nothing. | No, it does something.
```"""
ANSWER = "<details><summary>What is wrong</summary>\n\nThe loss is constant.\n\n</details>"
KOREAN = "<details><summary>한국어 요약</summary>\n\n%s\n\n</details>"


def figure(name, source):
    about = {"image": {"alt": "Ten digits, each beside its blurred reconstruction."}}
    about["figure"] = {"caption": "Digits.", "name": f"fig-toy-{name}"}
    return code(source, shown(image_png=PNG), tags=["hide-input"], mystnb=about)


def sound():
    """A small notebook that breaks no rule."""
    record = {"verdict": "reproduced", "preset": "cpu", "seed": 0, "statement": "It learns."}
    settings = "smoke=dict(data='digits'),\n    cpu=dict(data='mnist'),\n    gpu=dict(data='mnist')"
    ask = "````{exercise}\n:label: ex-toy-%d\n(•, 5 minutes) Show that it holds.\n````\n\n"
    solve = "````{solution} ex-toy-%d\n:class: dropdown\n%s\n````\n\n"
    answer = "```python\ndef twice(x):\n    return 2 * x\n```"
    grader = '@genlib.exercise("toy-2").grader\ndef grade(answer):\n    assert answer(2) == 4, "Twice as much."'
    stub = 'def twice(x):\n    ...\n\n\ngenlib.exercise("toy-2").check(twice)'
    checking = ["nbval-check-output", "hide-input"]
    cells = [
        markdown(f"# Toy\n\nIt adds noise to what came before {{cite}}`somebody2014toy`.\n\n{CARD}"),
        code(INSTALL.format(url=URL, branch="main"), tags=["install", "hide-input"]),
        code("import torch\n\nimport genlib", tags=["hide-input"]),
        code(PARAMETERS, tags=["parameters", "hide-input"]),
        code(f"run = genlib.start(preset, seed, {settings})", printed("preset cpu\n"), tags=["hide-input"]),
        markdown(f"## Idea\n\n{PREDICT % 'toy-blur'}\n\nWatch the digits."),
        figure("digits", "plots.grid(x);\ndisplay(x, display_id='promise')"),
        markdown("They blur."),
        markdown("## Derivation\n\n$$\na = b\n$$ (eq-toy-one)\n\nBy {eq}`eq-toy-one`."),
        code("check.all()", printed("".join(f"✓ line {i}\n" for i in range(5))), tags=checking),
        markdown("### Further: a proof\n\nIt can be skipped."),
        code("aside = 1"),
        markdown("## Model"),
        code("class Toy:\n    pass"),
        markdown("## Training"),
        code("def step(x, _):\n    return {'loss': loss(x).detach()}"),
        code("check.step('the step', step)", printed("✓ the step\n"), tags=checking),
        markdown("## Results\n\nWatch them sharpen."),
        *(c for i in range(5) for c in (figure(f"sharp-{i}", f"grid({i});"), markdown("They sharpen."))),
        code("update_display(x, display_id='promise')"),
        markdown("## Does the claim hold?"),
        code("claim(run)", {"output_type": "display_data", "data": {mime.CLAIM: record}, "metadata": {}}),
        markdown(f"## What goes wrong\n\n{PREDICT % 'toy-wrong'}"),
        markdown(f"**Find the bug.** It trains.\n\n```python\nloss = 1\n```\n\n{ANSWER}"),
        code("check.equal('a bug')", printed("✓ a bug\n"), tags=checking),
        markdown("## Exercises\n\n" + "".join(ask % i + solve % (i, "So it is.") for i in range(2)) + ask % 2),
        code(grader, tags=["grader", "hide-input"]),
        code(stub, printed("toy-2: not yet."), tags=["exercise"], genlib={"exercise": "toy-2", "points": 2}),
        markdown(solve % (2, answer)),
        markdown(f"## Summary\n\n- It learns.\n\nNext: {{doc}}`/chapters/ae/other`.\n\n{KOREAN % (5 * '잘 배운다. ')}"),
    ]
    for number, cell in enumerate(cells[5:16]):  # and the last slide, which every deck gets
        cell["metadata"]["slideshow"] = {"slide_type": "slide"}
        if number < 5:
            cell["metadata"].setdefault("genlib", {})["notes"] = "Say it."
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    told = {"slug": "toy", "family": "ae", "title": "Toy", "paper": "somebody2014toy", "year": 2014}
    told |= {"builds_on": [], "goals": ["derive it"], "data": "digits"}
    notebook = {"cells": cells, "metadata": {"genlib": {"chapter": told}}, "nbformat": 4, "nbformat_minor": 5}
    for count, cell in enumerate(code_cells(notebook), 1):
        cell["execution_count"] = count
    restamp(notebook)
    return notebook


def restamp(notebook, preset="cpu"):
    told = {"preset": preset, "seed": 0, "seconds": 1.0, "device": "a CPU", "peak_memory_mb": 1, "versions": {}}
    notebook["metadata"]["genlib"]["stamp"] = stamp.make_stamp(notebook, **told)


def find(notebook, start):
    return next(c for c in notebook["cells"] if c["source"].startswith(start))


def replace(notebook, start, old, new, count=-1):
    cell = find(notebook, start)
    assert old in cell["source"]
    cell["source"] = cell["source"].replace(old, new, count)


def more(notebook, start, *cells):
    """Put cells behind the one that begins so."""
    at = notebook["cells"].index(find(notebook, start)) + 1
    notebook["cells"][at:at] = [c | ({"execution_count": 1} if c["cell_type"] == "code" else {}) for c in cells]


def drop(notebook, start):
    notebook["cells"].remove(find(notebook, start))
