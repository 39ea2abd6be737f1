"""Static widgets: player, before and after, chooser, quiz. Each gives one piece of HTML that works on its own."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from IPython.display import HTML
from matplotlib.figure import Figure

from cadnet_edu.figures import describe, to_uint8
from cadnet_edu.teach.widgets.page import data_uri, img, radios, widget

SEAL = 0x5A  # answers are not secret, only out of sight of who reads the page's source


def player(
    frames: Sequence[Any], labels: Sequence[str], alts: Sequence[str] = (), title: str = "", width: int = 0
) -> HTML:
    """Step through frames with a slider.

    Args:
        frames: figures, or images as ``figures.to_uint8`` takes them.
        labels: a short name for each frame ("r = 4", "step 200"), shown and read aloud.
        alts: what each frame shows, in words; a figure of this package brings its own, an image gets its label.
        title: what is being stepped through.
        width: pixels on the page; by default 600 for figures, about 240 for an upright image.

    Raises:
        ValueError: without frames, when the numbers differ, or when the whole is too large for a page.
    """
    if not len(frames):
        raise ValueError("a player needs at least one frame.")
    if len(labels) != len(frames) or len(alts) not in (0, len(frames)):
        raise ValueError(f"{len(frames)} frames, {len(labels)} labels, {len(alts)} texts: one of each a frame.")
    texts = alts or [_text(frame, label, title) for frame, label in zip(frames, labels)]
    shown = "".join(
        f'<div class="cw-frame">{img(data_uri(frame), text, not isinstance(frame, Figure))}'
        f'<div class="cw-label">{escape(label)}</div></div>'
        for frame, label, text in zip(frames, labels, texts)
    )
    controls = (
        '<div class="cw-controls" hidden><button type="button" aria-label="previous">◀</button>'
        f'<input type="range" min="0" max="{len(frames) - 1}" step="1" value="0" '
        f'aria-label="{escape(title or "frame")}" aria-valuetext="{escape(labels[0])}">'
        '<button type="button" aria-label="next">▶</button></div>'
        '<div class="cw-value" aria-hidden="true"></div>'
    )
    return widget("player", title, f'<div class="cw-frames">{shown}</div>{controls}', width or _width(frames[0]))


def _text(frame: Any, label: str, title: str) -> str:
    said = describe(frame) if isinstance(frame, Figure) else ""
    return said or (f"{title}: {label}" if title else label)


def _width(image: Any) -> int:
    """How wide to show a picture: figures over the page, images so that they are about 480 pixels high."""
    if isinstance(image, Figure):
        return 600
    height, width = to_uint8(image).shape[:2]
    return max(120, min(600, round(480 * width / height)))


def compare(
    left: Any,
    right: Any,
    labels: tuple[str, str] = ("input", "recovered"),
    alts: tuple[str, str] | None = None,
    title: str = "",
    width: int = 0,
) -> HTML:
    """Two images of one size, one over the other, with a line between them to move.

    Args:
        left, right: images, see ``player``.
        labels: their names.
        alts: what each shows, in words; by default title and name.
        title: what is compared.
        width: pixels on the page.

    Raises:
        ValueError: when the sizes differ.
    """
    sizes = [None if isinstance(image, Figure) else to_uint8(image).shape for image in (left, right)]
    if sizes[0] != sizes[1]:
        raise ValueError(f"images of sizes {sizes[0]} and {sizes[1]} were given; to lie on each other they must agree.")
    texts = alts or tuple(_text(image, label, title) for image, label in zip((left, right), labels))
    pixels = sizes[0] is not None
    sides = [
        f'<div class="{side}">{img(data_uri(image), text, pixels)}<div class="cw-label">{escape(label)}</div></div>'
        for side, image, text, label in zip(("cw-before", "cw-after"), (left, right), texts, labels)
    ]
    before, after = (escape(label) for label in labels)
    controls = (
        '<div class="cw-controls" hidden><input type="range" min="0" max="100" step="1" value="50" '
        f'aria-label="border between {before} and {after}" aria-valuetext=""></div>'
        f'<div class="cw-sides"><span>{before}</span><span>{after}</span></div>'
    )
    return widget("compare", title, f'<div class="cw-pair">{"".join(sides)}</div>{controls}', width or _width(left))


@dataclass(frozen=True, eq=False)
class View:
    """What one query at one rate leads to."""

    input: Any  # the query image as the network gets it
    matches: Sequence[Any]  # the nearest gallery images, nearest first
    correct: Sequence[bool]  # whether each shows the right person
    recovered: Any = None  # what G makes of the input; None for a method without it
    note: str = ""  # a sentence ("PSNR 24.1 dB"); how many matches are right is said anyway

    def cells(self, query: str, rate: float) -> list[tuple[Any, str, str, str]]:
        """Image, text, label and mark (a CSS class) of everything to show, in order."""
        found = [(self.input, f"query {query} at r = {rate:g}", "input", "")]
        if self.recovered is not None:
            found.append((self.recovered, f"query {query} recovered from r = {rate:g}", "recovered", ""))
        for k, (image, right) in enumerate(zip(self.matches, self.correct), start=1):
            word, sign, mark = ("right", "✓", "cw-right") if right else ("wrong", "✗", "cw-wrong")
            found.append((image, f"match {k}, {word} person", f"{k} {sign}", mark))
        return found

    def summary(self) -> str:
        """The outcome in a sentence."""
        right = sum(map(bool, self.correct))
        first = "right" if len(self.correct) and self.correct[0] else "wrong"
        return f"The nearest image is {first}; {right} of {len(self.matches)} are right. {self.note}".strip()


def chooser(table: Mapping[tuple[str, float], View], title: str = "Choose a query and a rate") -> HTML:
    """Choose a query and a rate; see the input, the recovered image and the nearest gallery images.

    Args:
        table: (query's name, rate) -> what to show, for every query at every rate. An image that returns in several
            views is kept once.
        title: shown above.

    Raises:
        ValueError: when a query lacks a rate that another one has.
    """
    queries = list(dict.fromkeys(query for query, _ in table))
    rates = sorted({rate for _, rate in table})
    missing = [(q, r) for q in queries for r in rates if (q, r) not in table]
    if missing or not table:
        raise ValueError(f"{len(missing)} of {len(queries)} x {len(rates)} views are missing, first {missing[:1]}.")
    images: dict[str, int] = {}
    views = [[_packed(table[q, r], q, r, images) for r in rates] for q in queries]
    uris = list(images)
    options = "".join(f"<option>{escape(query)}</option>" for query in queries)
    most = max((view["cells"] for row in views for view in row), key=len)
    first = views[0][0]["cells"]
    cells = "".join(_cell(cell, uris, hidden=k >= len(first)) for k, cell in enumerate([*first, *most[len(first) :]]))
    data = json.dumps({"images": uris, "views": views}, ensure_ascii=False).replace("</", "<\\/")
    body = (
        f'<div class="cw-controls" hidden><label>query <select>{options}</select></label></div>'
        f"{radios('rate', 'rate', [(f'{rate:g}', f'r = {rate:g}') for rate in rates])}"
        f'<ul class="cw-row" style="--cw-cell:5.2em">{cells}</ul>'
        f'<p class="cw-feedback" aria-live="polite">{escape(views[0][0]["note"])}</p>'
        f'<script type="application/json">{data}</script>'
    )
    return widget("chooser", title, body, 600)


def _cell(cell: Mapping[str, Any], uris: Sequence[str], hidden: bool) -> str:
    picture = img(uris[cell["image"]], cell["alt"])
    return (
        f'<li class="{cell["mark"]}"{" hidden" * hidden}><div class="cw-box">{picture}</div>'
        f'<div class="cw-label">{escape(cell["label"])}</div></li>'
    )


def _packed(view: View, query: str, rate: float, images: dict[str, int]) -> dict[str, Any]:
    """A view as numbers and words; its images go into ``images``, each once."""
    cells = [
        {"image": images.setdefault(data_uri(image), len(images)), "alt": alt, "label": label, "mark": mark}
        for image, alt, label, mark in view.cells(query, rate)
    ]
    return {"cells": cells, "note": view.summary()}


def quiz(
    question: str,
    answers: Sequence[str],
    correct: int,
    explanation: str = "",
    feedback: Sequence[str] = (),
    images: Sequence[Any] = (),
    picture: Any = None,
    picture_alt: str = "",
) -> HTML:
    """A question with several answers, one of them right; the feedback is instant, another try always allowed.

    Args:
        question: plain text.
        answers: plain text; with ``images``, their captions ("A", "B", "C").
        correct: which one is right, counted from 0.
        explanation: shown with the right answer.
        feedback: a hint for each answer, shown when it is chosen.
        images: a picture for each answer: guess the match.
        picture: a picture that belongs to the question.
        picture_alt: what it shows, in words.

    Raises:
        ValueError: for fewer than two answers, or numbers that do not fit.
    """
    if len(answers) < 2 or not 0 <= correct < len(answers):
        raise ValueError(f"{len(answers)} answers and the right one at {correct}: give two or more, counted from 0.")
    if len(feedback) not in (0, len(answers)) or len(images) not in (0, len(answers)):
        raise ValueError(f"{len(answers)} answers, {len(feedback)} hints, {len(images)} images: one each, or none.")
    secret = {"correct": correct, "explanation": explanation, "feedback": list(feedback)}
    sealed = base64.b64encode(bytes(byte ^ SEAL for byte in json.dumps(secret).encode())).decode()
    pictures = [img(data_uri(image), f"answer {name}") for image, name in zip(images, answers)] or [""] * len(answers)
    buttons = "".join(
        f'<button type="button">{shown}{escape(name)}<span class="cw-sign"></span></button>'
        for shown, name in zip(pictures, answers)
    )
    kind = "cw-pictures" if len(images) else "cw-list"
    illustration = ""
    if picture is not None:
        text = picture_alt or "picture that belongs to the question"
        pixels = not isinstance(picture, Figure)
        illustration = f'<div class="cw-frames" style="--cw-width:{min(160, _width(picture)) if pixels else 600}px">'
        illustration += f"{img(data_uri(picture), text, pixels)}</div>"
    body = (
        f'{illustration}<div class="cw-answers {kind}" style="--cw-cell:6.5em">{buttons}</div>'
        '<p class="cw-feedback" role="status" aria-live="polite"></p><noscript>The answers need JavaScript.</noscript>'
    )
    return widget("quiz", question, body, 600, f'data-sealed="{sealed}"')
