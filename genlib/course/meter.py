"""The book's meter: how long a chapter takes to read, measured from its notebook."""

import re

from . import notebooks

# A first careful reading, as measured from the notebook: words of prose, displayed formulas, lines of code in sight.
WORDS_A_MINUTE, FORMULAS_A_MINUTE, LINES_A_MINUTE = 130, 1, 15
RULE = (
    f"{WORDS_A_MINUTE} words of prose, {FORMULAS_A_MINUTE} displayed formula or {LINES_A_MINUTE} lines of code "
    "a minute; what is folded away is not counted; rounded to five minutes"
)
LEFT_OUT = re.compile(r"^(`{3,})\{solution\}.*?^\1[ \t]*$|^%.*$|^:[\w-]+:.*$", re.DOTALL | re.MULTILINE)
FORMULA = re.compile(r"\$\$.+?\$\$|^`{3,}\{math\}.*?^`{3,}", re.DOTALL | re.MULTILINE)


def reading(notebook):
    """Minutes for a first careful reading, by RULE."""
    words = formulas = lines = 0
    for cell in notebook["cells"]:
        text = notebooks.text(cell["source"])
        if cell["cell_type"] == "code":
            hidden = {"hide-input", "hide-cell", "remove-input", "remove-cell", "grader"} & set(notebooks.tags(cell))
            lines += 0 if hidden else sum(bool(line.strip()) for line in text.split("\n"))
        elif cell["cell_type"] == "markdown":
            text = LEFT_OUT.sub("", text)
            formulas += len(FORMULA.findall(text))
            words += len(re.findall(r"\w+", re.sub(r"\$[^$]+\$", " x ", FORMULA.sub(" ", text))))
    return 5 * round((words / WORDS_A_MINUTE + formulas / FORMULAS_A_MINUTE + lines / LINES_A_MINUTE) / 5)
