"""What people answer to the graded exercises of Adversarial autoencoder, wrongly and rightly.

By exercise: the arguments; and by mistake an expression of them, or lines that end with a return. The grader has to
refuse every one of WRONG, each with a hint that does not give the answer away, and to take all of ALSO_RIGHT.
"""

WRONG = {
    "adversarial-2": (
        "z, cells",
        {
            "cells of equal width": """
count = torch.histc(z, cells, -3.0, 3.0)
return (count < len(z) / cells / 5).double().mean()
""",
            "empty cells only": """
u = torch.special.ndtr(z)
count = torch.bincount((u * cells).long().clamp(max=cells - 1), minlength=cells)
return (count == 0).double().mean()
""",
            "everything below its due": """
u = torch.special.ndtr(z)
count = torch.bincount((u * cells).long().clamp(max=cells - 1), minlength=cells)
return (count < len(z) / cells).double().mean()
""",
            "a number, not a share": """
u = torch.special.ndtr(z)
count = torch.bincount((u * cells).long().clamp(max=cells - 1), minlength=cells)
return (count < len(z) / cells / 5).sum()
""",
            "the crowded cells": """
u = torch.special.ndtr(z)
count = torch.bincount((u * cells).long().clamp(max=cells - 1), minlength=cells)
return (count > 5 * len(z) / cells).double().mean()
""",
            "the logistic function for the Gaussian's": """
count = torch.bincount((z.sigmoid() * cells).long().clamp(max=cells - 1), minlength=cells)
return (count < len(z) / cells / 5).double().mean()
""",
            "cells without a code are not counted": """
u = torch.special.ndtr(z)
count = torch.bincount((u * cells).long().clamp(max=cells - 1))
return (count[count > 0] < len(z) / cells / 5).double().mean()
""",
            "far codes fall out": """
u = torch.special.ndtr(z)
count = torch.bincount((u * cells).long(), minlength=cells)
return (count < len(z) / cells / 5).double().mean()
""",
        },
    ),
}

ALSO_RIGHT = {
    "adversarial-2": (
        "z, cells",
        [
            """
edges = torch.distributions.Normal(0.0, 1.0).icdf(torch.arange(1, cells) / cells)
count = torch.bincount(torch.bucketize(z, edges), minlength=cells)
return (5 * cells * count < len(z)).double().mean()
"""
        ],
    ),
}
