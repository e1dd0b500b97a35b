"""What people answer to the graded exercises of DCGAN, wrongly and rightly.

By exercise: the arguments; and by mistake an expression of them, or lines that end with a return. The grader has to
refuse every one of WRONG, each with a hint that does not give the answer away, and to take all of ALSO_RIGHT.
"""

START = "out = torch.zeros((len(y) - 1) * stride + len(w))\nfor i in range(len(y)):\n    "

WRONG = {
    "dcgan-3": (
        "y, w, stride",
        {
            "the kernel turned round": START + "out[stride * i : stride * i + len(w)] += y[i] * w.flip(0)\nreturn out",
            "copies replace one another": START + "out[stride * i : stride * i + len(w)] = y[i] * w\nreturn out",
            "stride one": START + "out[i : i + len(w)] += y[i] * w\nreturn out",
            "the kernel's weights alone": START + "out[stride * i : stride * i + len(w)] += w\nreturn out",
            "zeros between, but no kernel": START + "out[stride * i] += y[i]\nreturn out",
            "one pixel too many": "torch.zeros(len(y) * stride + len(w))",
            "each value repeated": "y.repeat_interleave(stride)",
        },
    ),
}

ALSO_RIGHT = {
    "dcgan-3": (
        "y, w, stride",
        [
            "F.conv_transpose1d(y[None, None], w[None, None], stride=stride)[0, 0]",
            "apart = torch.zeros((len(y) - 1) * stride + 1)\napart[::stride] = y\n"
            "return F.conv1d(F.pad(apart, (len(w) - 1,) * 2)[None, None], w.flip(0)[None, None])[0, 0]",
        ],
    ),
}
