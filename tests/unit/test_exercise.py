"""Graded exercises: the verdict in one line, hints in place of errors, and nothing else disturbed."""

import random

import numpy as np
import pytest
import torch

import genlib
from genlib import check, exercises


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """An empty registry for each test."""
    monkeypatch.setattr(exercises, "_GRADERS", {})


def half_square(x):
    return 0.5 * (x**2).sum(-1)


def register(name="toy-1"):
    @genlib.exercise(name).grader
    def grade(answer):
        x = torch.randn(5, 3)
        y = answer(x)
        assert y.shape == (5,), "One number for each row."
        assert torch.allclose(torch.autograd.functional.jacobian(lambda v: answer(v[None])[0], x[0]), x[0]), (
            "Its gradient?"
        )
        check.true("it is even", torch.equal(answer(-x), y))

    return grade


def test_right_and_not_yet_in_one_line(capsys):
    register()
    verdict = genlib.exercise("toy-1").check(half_square)
    assert verdict and repr(verdict) == str(verdict) == "toy-1: right."
    verdict = genlib.exercise("toy-1").check(lambda x: (x**2).sum(-1))
    assert not verdict and repr(verdict) == "toy-1: not yet. Its gradient?" and verdict.hint == "Its gradient?"
    assert repr(genlib.exercise("toy-1").check(lambda x: (x**2).sum())) == "toy-1: not yet. One number for each row."
    assert capsys.readouterr() == ("", "")  # the line of check.true is swallowed


def test_a_failed_check_is_a_hint():
    @genlib.exercise("toy-1").grader
    def grade(answer):
        check.equal("it doubles", answer(3.0), 6.0, tol=1e-9)

    hint = genlib.exercise("toy-1").check(lambda x: x).hint
    assert hint.startswith("it doubles: the sides differ by")


def test_errors_and_empty_answers_are_hints():
    register()
    told = lambda answer: repr(genlib.exercise("toy-1").check(answer))
    assert told(lambda x: x.nothing).startswith(
        "toy-1: not yet. Your code stopped with AttributeError: 'Tensor' object"
    )
    assert told(lambda: 0).startswith("toy-1: not yet. Your code stopped with TypeError: ")
    assert (
        told(lambda x: None)
        == told(None)
        == ("toy-1: not yet. It returns nothing yet: complete it, and return the result.")
    )
    assert told(lambda x: 1.0).startswith("toy-1: not yet. The grader cannot use what your code gives: AttributeError")
    assert told(7).startswith("toy-1: not yet. The grader cannot use what your code gives: TypeError")

    def long(x):
        raise RuntimeError("\nfirst line\nsecond line")

    assert "\n" not in told(long)


def test_keyboard_interrupt_is_not_an_answer():
    register()

    def endless(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        genlib.exercise("toy-1").check(endless)


@pytest.mark.parametrize("wrong", [lambda x: 0.5 * x.pow_(2).sum(-1), lambda x: half_square(x.mul_(-1))])
def test_an_answer_may_not_change_its_input(wrong):
    register()
    assert "changes its input" in genlib.exercise("toy-1").check(wrong).hint


def test_graders_get_by_with_gradients_transforms_modules_and_several_answers():
    @genlib.exercise("toy-1").grader
    def grade(answer, module, number):
        x = torch.randn(5, 3, requires_grad=True)
        (slope,) = torch.autograd.grad(answer(x).sum(), x)
        assert torch.allclose(slope, x)
        assert torch.allclose(torch.func.vmap(torch.func.grad(answer))(x.detach()), x)
        assert module.weight.shape == (1, 3) and number == 4

    assert genlib.exercise("toy-1").check(half_square, torch.nn.Linear(3, 1), 4)


def test_a_check_leaves_no_trace_in_the_random_numbers():
    @genlib.exercise("toy-1").grader
    def grade(answer):
        random.random(), np.random.rand(), torch.manual_seed(5), answer(1)  # noqa: NPY002

    def state():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002

    def failing(x):
        torch.rand(3), random.random()
        raise ValueError

    for seed, answer in ((1, lambda x: x), (2, lambda x: x), (3, failing)):
        torch.manual_seed(seed)
        before = state()
        assert bool(genlib.exercise("toy-1").check(answer)) == (answer is not failing)
        assert state() == before


def test_the_same_numbers_in_every_check():
    seen = []
    genlib.exercise("toy-1").grader(lambda answer: seen.append(torch.rand(1).item()))
    for seed in (1, 2):
        torch.manual_seed(seed)
        genlib.exercise("toy-1").check(half_square)
    assert seen[0] == seen[1]


def test_a_second_grader_replaces_the_first():
    register()
    genlib.exercise("toy-1").grader(lambda answer: None)
    assert genlib.exercise("toy-1").check(lambda x: "anything")


def test_names_without_a_grader():
    for known in (False, True):
        with pytest.raises(ValueError, match="^There is no grader for the exercise 'toy-11'") as error:
            genlib.exercise("toy-11").check(half_square)
        assert ("(did you mean 'toy-1'?)" in str(error.value)) == known
        assert str(error.value).endswith(": run the cell with it first.")
        assert "\n" not in str(error.value)
        register()


def test_the_name_is_no_module():
    """A module of the same name would take its place at the first import."""
    assert genlib.exercise is exercises.Exercise and genlib.exercise("x").name == "x"
    assert "exercise" in genlib.__all__
