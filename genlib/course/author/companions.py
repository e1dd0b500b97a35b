"""The skeletons of what lies beside a new chapter's notebook: notes for the teacher, answers to try its graders on."""

from .. import beside, notebooks

NOTES = """\
({label})=
# {title}: notes for the teacher

```{{chapter-facts}} {name}
```

**Where students stumble**

- *"{todo}a sentence that students say, and that is wrong."* Then what to ask or to draw, so that they find out.

**Five minutes.** {todo}a demonstration that needs nothing but the room, a board or one changed line.

**Questions**

- *{todo}a question for a discussion?* And a short answer.

**Timing.** {todo}how fifty minutes divide, and what to leave out first.
"""

# Of the exercise that the skeleton's notebook has: mistakes for its grader to refuse, and another right way.
ANSWERS = '''\
"""What people answer to the graded exercises of {title}, wrongly and rightly.

By exercise: the arguments; and by mistake an expression of them, or lines that end with a return. The grader has to
refuse every one of WRONG, each with a hint that does not give the answer away, and to take all of ALSO_RIGHT.
"""

WRONG = {{
    "{exercise}": (
        "x",
        {{
            "not squared": "x.abs().sum(-1)",
            "the root of it": "(x**2).sum(-1).sqrt()",
            "a mean": "(x**2).mean(-1)",
            "of the columns": "(x**2).sum(0)",
        }},
    ),
}}

ALSO_RIGHT = {{
    "{exercise}": ("x", ["(x * x) @ x.new_ones(x.shape[1])"]),
}}
'''


def write(root, name, title):
    """Write what lies beside the chapter ``name`` (family/slug) and is not there yet; returns the paths written."""
    exercise = f"{name.partition('/')[2].replace('_', '-')}-2"
    texts = {
        beside.notes_path(root, name): NOTES.format(
            label=beside.notes_label(name), title=title, name=name, todo=beside.UNWRITTEN
        ),
        beside.answers_path(root, name): ANSWERS.format(title=title, exercise=exercise),
    }
    missing = [path for path in texts if not path.exists()]
    for path in missing:
        notebooks.write(path, texts[path])
    return missing
