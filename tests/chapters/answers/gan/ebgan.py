"""What people answer to the graded exercises of EBGAN, wrongly and rightly.

By exercise: the arguments; and by mistake an expression of them, or lines that end with a return. The grader has to
refuse every one of WRONG, each with a hint that does not give the answer away, and to take all of ALSO_RIGHT.
"""

WRONG = {
    "ebgan-2": (
        "x",
        {
            "not squared": "x.abs().sum(-1)",
            "the root of it": "(x**2).sum(-1).sqrt()",
            "a mean": "(x**2).mean(-1)",
            "of the columns": "(x**2).sum(0)",
        },
    ),
}

ALSO_RIGHT = {
    "ebgan-2": ("x", ["(x * x) @ x.new_ones(x.shape[1])"]),
}
