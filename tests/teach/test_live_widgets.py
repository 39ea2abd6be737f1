"""What somebody at a kernel plays with, driven as they would: set a value, look at what is shown.

Needs nothing but the package and pytest: tests/book/test_colab.py runs this file again with Colab's ipywidgets 7.7.
"""

import base64
import io
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cadnet_edu import figures
from cadnet_edu.teach import widgets

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 255, (12, 32, 16, 3), dtype=np.uint8)
HISTORY = [{"step": 10 * k, "L_id": 8 / k, "L_rec": 0.1 / k} for k in range(1, 13)]
LAM = {"adv_DF": 0.05, "rec": 1000.0, "adv_DI": 0.0}
PULLS = {
    "L_cls": {"E": 1.0, "G": 1.0, "F": 2.0},
    "L_adv_DF": {"E": 1.0, "G": 0.0, "F": 0.0},
    "L_rec": {"E": 2.0, "G": 9.0, "F": 0.0},
    "L_adv_DI": {"E": 0.0, "G": 0.0, "F": 0.0},
}


def knobs(box: Any) -> list[Any]:
    """The controls of a box: all but its title and what it shows."""
    return list(box.children[1:-1])


def shown(box: Any) -> str:
    """What a box says about its picture, whatever else it holds; the picture must be one."""
    (alt,) = re.findall(r' alt="([^"]*)"', box.children[-1].value)
    (data,) = re.findall(r'src="data:image/png;base64,([^"]*)"', box.children[-1].value)
    assert Image.open(io.BytesIO(base64.b64decode(data))).width > 300
    return alt


def bars(*values: float | str) -> Any:
    return figures.bars_with_intervals({"chosen": 0.5}, heading=" and ".join(map(str, values)))


def test_knobs_of_numbers_are_sliders_of_words_are_buttons_and_each_choice_is_drawn_when_it_is_made() -> None:
    asked = []

    def draw(rate: float, method: str) -> Any:
        asked.append((rate, method))
        figure = bars(rate, method)
        figure.alt = f"{method} at {rate}"
        return figure

    box = widgets.explore(draw, {"rate": [4, 1, 2], "method": ["cadnet", "baseline"]}, "Try <it>", live=True)
    kinds = [type(control).__name__ for control in box.children]
    assert kinds == ["HTML", "SelectionSlider", "ToggleButtons", "HTML"]
    assert box.children[0].value == "<b>Try &lt;it&gt;</b>"
    rate, method = knobs(box)
    assert [value for _, value in rate.options] == [1, 2, 4]
    assert [(control.description, control.value) for control in (rate, method)] == [("rate", 4), ("method", "cadnet")]
    assert (asked, shown(box)) == ([(4, "cadnet")], "cadnet at 4")
    rate.value = 1
    assert shown(box) == "cadnet at 1"
    method.value = "baseline"
    assert shown(box) == "baseline at 1"
    assert asked == [(4, "cadnet"), (1, "cadnet"), (1, "baseline")]


def test_a_query_and_a_rate_show_input_recovered_and_the_first_five() -> None:
    asked = []

    def view(query: str, rate: float) -> widgets.View:
        asked.append((query, rate))
        return widgets.View(IMAGES[int(rate)], IMAGES[5:10], [rate < 4, True, False, False, True], IMAGES[0])

    box = widgets.live_chooser(view, ["ann", "boris"], [1, 2, 4], live=True)
    query, rate = knobs(box)
    rate.value = 4
    query.value = "boris"
    alts = re.findall(r' alt="([^"]*)"', box.children[-1].value)
    assert alts == [
        "query boris at r = 4",
        "query boris recovered from r = 4",
        *(f"match {k}, {word} person" for k, word in enumerate(("wrong", "right", "wrong", "wrong", "right"), start=1)),
    ]
    assert "The nearest image is wrong; 2 of 5 are right." in box.children[-1].value
    assert asked == [("ann", 1), ("ann", 4), ("boris", 4)]


def test_loss_weights_move_the_shares_as_eq_6_says() -> None:
    box = widgets.loss_weights(PULLS, LAM, live=True)
    by_name = {control.description: control for control in knobs(box)}
    assert list(by_name) == ["lambda adv_DF", "lambda rec"], "a term with weight 0 has no pull to scale"
    assert [control.value for control in by_name.values()] == [0.05, 1000]
    assert "at E: L_cls 25.0 %, L_adv_DF 25.0 %, L_rec 50.0 %" in shown(box)
    assert "at G: L_cls 10.0 %, L_rec 90.0 %" in shown(box)
    by_name["lambda rec"].value = 100.0
    assert "at G: L_cls 52.6 %, L_rec 47.4 %" in shown(box)
    by_name["lambda adv_DF"].value = 0.0
    assert "at E: L_cls 83.3 %, L_adv_DF 0.0 %, L_rec 16.7 %" in shown(box)


def test_the_colours_of_a_map_change_and_its_points_stay() -> None:
    points = np.concatenate([RNG.normal(size=(20, 2)), RNG.normal(size=(20, 2)) + 9])
    who, camera = np.repeat([3, 5], 20), ["left", "right"] * 20
    box = widgets.tsne_colours(points, {"person": who, "camera": camera}, live=True)
    (choice,) = knobs(box)
    first = shown(box)
    choice.value = "camera"
    second = shown(box)
    assert first.startswith("40 t-SNE points, coloured by person: 3, 5. Silhouette 0.")
    assert second.startswith("40 t-SNE points, coloured by camera: left, right. Silhouette -0.")


def test_curves_can_be_followed_step_by_step() -> None:
    box = widgets.growing_curves(HISTORY, live=True)
    (step,) = knobs(box)
    assert [value for _, value in step.options] == [record["step"] for record in HISTORY[1:]]
    step.value = 60
    assert "over 6 records up to step 60" in shown(box)


@pytest.mark.parametrize("live", [True, False])
def test_a_training_is_watched_where_somebody_watches(live: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cadnet_edu.teach.widgets.controls.is_live", lambda: live)
    callback = widgets.live_curves(every=2)
    assert isinstance(callback, widgets.LiveCurves) if live else callback is None


def test_live_curves_are_redrawn_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a notebook does it, with IPython's own display."""
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    sent = CapturingDisplayPublisher()
    monkeypatch.setattr(shell, "display_pub", sent)
    try:
        curves = widgets.LiveCurves(every=4, live=True)
        for record in HISTORY:
            curves(record)
    finally:
        InteractiveShell.clear_instance()
    assert len(sent.outputs) == 3
    assert len({output["transient"]["display_id"] for output in sent.outputs}) == 1
    assert [output.get("update", False) for output in sent.outputs] == [False, True, True]
    assert "up to step 120" in sent.outputs[-1]["data"]["text/html"]


# --------------------------------------------------------------------------------------------- the same, standing still
STILL = {  # the widget, its kind, how many pictures it holds
    "explore": (lambda: widgets.explore(bars, {"rate": [2, 1], "method": ["a", "b"]}, "Try it"), "explorer", 4),
    "one knob": (lambda: widgets.explore(bars, {"rate": [1, 2, 4]}, "Try it"), "player", 3),
    "weights": (lambda: widgets.loss_weights(PULLS, LAM), "explorer", 6),
    "colours": (
        lambda: widgets.tsne_colours(RNG.normal(size=(12, 2)), {"person": [1, 2] * 6, "rate": [1, 1, 2] * 4}),
        "explorer",
        2,
    ),
    "growing": (lambda: widgets.growing_curves(HISTORY, frames=3), "player", 3),
}


@pytest.mark.parametrize("name", STILL)
def test_without_a_watcher_every_choice_is_a_picture_in_the_page(name: str) -> None:
    make, kind, pictures = STILL[name]
    page = make().data
    assert f'data-kind="{kind}"' in page
    assert page.count("<img ") == pictures
    assert "ipywidgets" not in page


def test_the_first_value_is_the_one_chosen_at_the_start() -> None:
    page = STILL["explore"][0]().data
    radios = re.findall(r'<input type="radio"[^>]*?( checked)?><span>([^<]*)', page)
    assert radios == [("", "1"), (" checked", "2"), (" checked", "a"), ("", "b")]
    labels = [f"rate {rate}, method {method}" for rate in (1, 2) for method in "ab"]
    assert re.findall(r'cw-label">([^<]*)', page) == labels


def test_drawings_take_few_colours_and_photographs_all() -> None:
    def colours(figure: Any) -> int:
        data = base64.b64decode(widgets.page.data_uri(figure).split(",")[1])
        return len(np.unique(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).reshape(-1, 3), axis=0))

    assert colours(figures.loss_curves(HISTORY)) <= 256
    assert colours(figures.image_row(IMAGES[:3])) > 1000


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: widgets.explore(bars, {}, "x"), "one or more"),
        (lambda: widgets.explore(bars, {"rate": []}, "x"), "at least one value"),
        (lambda: widgets.explore(bars, {"a": range(5), "b": range(5)}, "x"), "25 pictures are too many"),
        (lambda: widgets.growing_curves(HISTORY[:1]), "1 records was given"),
        (lambda: widgets.loss_weights(PULLS, {"rec": 0}), "no weight of"),
        (lambda: widgets.tsne_colours(np.zeros((3, 2)), {"person": [1, 2]}), "3 points and 2 labels"),
    ],
)
def test_bad_input_is_explained(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
