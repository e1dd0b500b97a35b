"""Exercises that grade themselves: a chapter registers a grader under a name, and an answer is right or not yet."""

import contextlib
import os
import random

import numpy as np
import torch

from . import did_you_mean

_GRADERS = {}


class Exercise:
    """``@genlib.exercise("vae-2").grader`` stands above its grader, ``genlib.exercise("vae-2").check(kl)`` asks it."""

    def __init__(self, name):
        self.name = name

    def grader(self, grade):
        """Decorator: ``grade(answer)`` asserts what a right answer fulfils; the message of an assertion is the hint."""
        _GRADERS[self.name] = grade
        return grade

    def check(self, *answers):
        """The Verdict. Functions get clones of their tensors; the random state is left as it was, and printing lost."""
        if self.name not in _GRADERS:
            known = did_you_mean(self.name, _GRADERS)
            raise ValueError(f"There is no grader for the exercise {self.name!r}{known}: run the cell with it first.")
        with contextlib.ExitStack() as after:
            after.enter_context(
                contextlib.redirect_stdout(after.enter_context(open(os.devnull, "w", encoding="utf-8")))
            )
            after.enter_context(torch.random.fork_rng(range(torch.cuda.device_count())))
            after.callback(random.setstate, random.getstate())
            after.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002
            torch.default_generator.manual_seed(0)  # the same numbers in every check
            try:
                _GRADERS[self.name](*map(_guarded, answers))
                return Verdict(self.name, "")
            except Exception as error:
                known = isinstance(error, AssertionError)
                why = "" if known else f"The grader cannot use what your code gives: {type(error).__name__}: "
                said = f"{why}{error}".strip("✗ \n").partition("\n")[0]
                return Verdict(self.name, said or "It does not do what was asked.")


class Verdict:
    """True if the answer is right; its text is one line, with the hint if it is not."""

    def __init__(self, name, hint):
        self.name, self.hint = name, hint

    __bool__ = lambda self: not self.hint
    __repr__ = lambda self: f"{self.name}: " + (f"not yet. {self.hint}" if self.hint else "right.")


def _guarded(answer):
    """A function as a grader calls it: on clones, which it must leave as they are; what it raises becomes the hint."""
    if answer is not None and (not callable(answer) or isinstance(answer, type | torch.nn.Module)):
        return answer

    def call(*given, **named):
        given = [v.clone() if torch.is_tensor(v) else v for v in given]
        versions = [v._version for v in given if torch.is_tensor(v)]
        try:
            result = answer(*given, **named) if answer else None
        except Exception as error:
            raise AssertionError(f"Your code stopped with {type(error).__name__}: {error}") from error
        assert result is not None, "It returns nothing yet: complete it, and return the result."
        assert versions == [v._version for v in given if torch.is_tensor(v)], "It changes its input: work on a copy."
        return result

    return call
