"""The directive ``{predict}``: a question, its answers, and behind each answer the reason why it is right or wrong.

How it is written and what makes it malformed is settled in ``genlib.course.predict``. On the page an answer is the
summary of a ``<details>`` element: it opens on a click, on Enter and on Space, without a script and without a network.
"""

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

from genlib.course import predict


class Predict(nodes.General, nodes.Element):
    """The whole; its children are a title, the question and the Answers."""


class PredictTitle(nodes.General, nodes.TextElement):
    """What is to be predicted, in a few words."""


class Answers(nodes.General, nodes.Element):
    """The list of them."""


class Answer(nodes.General, nodes.Element):
    """One answer, with the attribute ``right``; its children are an AnswerText and the blocks of its reason."""


class AnswerText(nodes.General, nodes.TextElement):
    """What is seen before the reader chooses."""


class PredictDirective(SphinxDirective):
    has_content = True
    required_arguments = 0
    optional_arguments = 1
    final_argument_whitespace = True
    option_spec = {"label": directives.unchanged}

    def run(self):
        title = self.arguments[0].strip() if self.arguments else ""
        label = self.options.get("label", "").strip()
        try:
            question = predict.parse(title, label, "\n".join(self.content))
        except predict.PredictError as error:
            raise self.error(str(error)) from error
        whole = Predict()
        self.set_source_info(whole)
        whole += self.inline(PredictTitle, question.title)
        whole += self.blocks(question.text)
        answers = Answers()
        for given in question.answers:
            answer = Answer(right=given.right)
            answer += self.inline(AnswerText, given.text)
            answer += self.blocks(given.reason)
            answers += answer
        whole += answers
        whole["names"] = [nodes.fully_normalize_name(label)]
        self.state.document.note_explicit_target(whole)
        return [whole]

    def blocks(self, text):
        box = nodes.Element()
        self.state.nested_parse(text.split("\n"), self.content_offset, box)
        return box.children

    def inline(self, kind, text):
        """One paragraph's words in a node of another kind."""
        blocks = self.blocks(text)
        if len(blocks) != 1 or not isinstance(blocks[0], nodes.paragraph):
            raise self.error(f"{text[:60]!r} is more than one line of text: a title and an answer are words alone.")
        return kind("", "", *blocks[0].children)


def name_questions(app, doctree):
    """A reference to a question shows its title, unless it says something else itself."""
    labels = app.env.get_domain("std").labels
    for question in doctree.findall(Predict):
        for name in question["names"]:
            labels[name] = (app.env.docname, question["ids"][0], question[0].astext())


def visit_predict(self, node):
    self.body.append(self.starttag(node, "div", CLASS="predict"))


def visit_title(self, node):
    self.body.append('<p class="predict-title"><span>Predict</span> ')


def visit_answer(self, node):
    self.body.append(f'<li><details class="answer {"right" if node["right"] else "wrong"}">\n')


def depart_answer(self, node):
    self.body.append("</div></details></li>\n")


def depart_text(self, node):
    verdict, mark = ("right", "✓") if node.parent["right"] else ("wrong", "✗")
    self.body.append("</summary>\n")
    self.body.append(f'<div class="reason"><span class="sign" role="img" aria-label="{verdict}">{mark}</span>\n')


def opens(tag):
    return lambda self, node: self.body.append(tag)


def setup(app):
    app.add_directive("predict", PredictDirective)
    app.connect("doctree-read", name_questions)
    app.add_node(Predict, html=(visit_predict, opens("</div>\n")))
    app.add_node(PredictTitle, html=(visit_title, opens("</p>\n")))
    app.add_node(Answers, html=(opens('<ul class="answers">\n'), opens("</ul>\n")))
    app.add_node(Answer, html=(visit_answer, depart_answer))
    app.add_node(AnswerText, html=(opens("<summary>"), depart_text))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
