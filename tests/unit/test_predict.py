"""The questions to predict: what a directive holds, and what makes it malformed."""

import pytest

from genlib.course import predict

BODY = """\
$p_g$ and the data do not overlap.

Consider

- one density,
- another.

What is the gradient?

- It *grows*. | No. $D^*$ is the
  constant `a | b`.
- It is $\\log p(x | z)$, zero. | Yes. Around the point $D^* = a$.

  So is its slope.
- It is `a | c`. | That is another derivative."""
WHOLE = f"Text before.\n\n```{{predict}} Two densities\n:label: predict-two\n\n{BODY}\n```\n\nText after."
SHOWN = f"````markdown\n{WHOLE}\n````"


def test_a_question_is_read_with_its_answers_and_their_reasons():
    (question,) = predict.questions(WHOLE)
    assert (question.title, question.label) == ("Two densities", "predict-two")
    assert question.text == BODY.split("\n\n- It *grows*")[0]  # with the list that belongs to it
    assert [a.text for a in question.answers] == ["It *grows*.", "It is $\\log p(x | z)$, zero.", "It is `a | c`."]
    assert question.answers[0].reason == "No. $D^*$ is the\nconstant `a | b`."
    assert question.answers[1].reason == "Yes. Around the point $D^* = a$.\n\nSo is its slope."
    assert [a.right for a in question.answers] == [False, True, False]


def test_where_a_question_stands_can_be_replaced():
    source = f"{WHOLE}\n\n{WHOLE.replace('predict-two', 'predict-three')}"
    found = predict.find(source)
    assert [q.label for _, q in found] == ["predict-two", "predict-three"]
    for (start, end), _ in reversed(found):
        source = source[:start] + "Q" + source[end:]
    assert source == "Text before.\n\nQ\n\nText after.\n\nText before.\n\nQ\n\nText after."


def test_a_directive_that_is_only_shown_is_no_question():
    assert predict.questions(SHOWN) == []


def test_fences_of_colons_are_read_too():
    assert predict.questions(WHOLE.replace("```", ":::")) == predict.questions(WHOLE)


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        (":label: predict-two\n", "", "has no label: write :label:"),
        ("{predict} Two densities", "{predict}", "has no title"),
        ("- It is `a | c`. | That is another derivative.", "", "has 2 answers: write 3 or 4"),
        ("- It *grows*.", "- A. | No.\n- B. | No.\n- It *grows*.", "has 5 answers"),
        (" | That is another derivative.", "", "without a reason, 'It is `a | c`.': write '- answer | reason'"),
        ("That is another derivative.", "", "an answer without a reason"),
        ("It is `a | c`. |", " |", "an answer without a reason"),
        ("Yes. Around", "No. Around", "only wrong answers"),
        ("Yes. Around", "Yes: around", "begins like a right one"),
        ("Yes. Around", "yes. Around", "begins like a right one"),
        (BODY.split("\n\n- It *grows*")[0], "", "asks nothing"),
        (BODY, "", "has 0 answers"),
    ],
)
def test_a_malformed_question_is_told_of_in_one_sentence(right, wrong, told):
    assert right in WHOLE
    with pytest.raises(predict.PredictError) as error:
        predict.questions(WHOLE.replace(right, wrong))
    assert told in str(error.value) and str(error.value).startswith("The question '") and str(error.value)[-1] == "."


def test_answers_that_are_all_right_are_refused():
    everything = WHOLE.replace("No. $D", "Yes. $D").replace("That is another", "Yes. Another")
    with pytest.raises(predict.PredictError, match="only right answers"):
        predict.questions(everything)
