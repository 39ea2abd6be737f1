"""Widgets: as text (self-contained, described, not too heavy) and in a browser (keyboard, feedback, no request)."""

from __future__ import annotations

import base64
import contextlib
import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from visits import Visit

from cadnet_edu import figures
from cadnet_edu.teach import widgets
from cadnet_edu.teach.widgets import Entry, View, chooser, compare, explore, filtered_list, live_chooser, player, quiz
from cadnet_edu.teach.widgets.page import data_uri

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 255, (12, 32, 16, 3), dtype=np.uint8)
HEAVY = RNG.integers(0, 255, (256, 128, 3), dtype=np.uint8)
SECRET = "The stripes are finer than two pixels."


def a_view(query="ann", rate=2.0):
    k = int(rate) + len(query)
    return View(IMAGES[k], [IMAGES[j] for j in (1, 2, 3)], [rate < 4, True, False], recovered=IMAGES[0], note="21 dB.")


def a_bar(rate, method):
    return figures.bars_with_intervals({method: rate / 4})


TABLE = {(query, rate): a_view(query, rate) for query in ("ann", "boris") for rate in (2.0, 4.0)}
ENTRIES = [
    Entry("holds", "1. <sharp> is better", ["“A sentence.”"], ["a: 2 (1 to 3)", "b: 4"], "It clears both."),
    Entry("open", "2. noise", points=["c: 0"]),
    Entry("holds", "3. size"),
]
MAKE = {
    "player": lambda: player(list(IMAGES[:3]), ["r = 1", "r = 2", "r = 4"], title="One person"),
    "player_figures": lambda: player([figures.bars_with_intervals({"a": x}) for x in (0.1, 0.2)], ["one", "two"]),
    "compare": lambda: compare(IMAGES[0], IMAGES[1], title="Before and after"),
    "chooser": lambda: chooser(TABLE),
    "explorer": lambda: explore(a_bar, {"rate": [2, 1], "method": ["ours", "theirs"]}, title="Bars"),
    "filtered_list": lambda: filtered_list(ENTRIES, "Claims"),
    "quiz": lambda: quiz("Which stripes vanish?", ["coarse <ones>", "fine ones"], 1, SECRET, ["Too coarse.", ""]),
    "quiz_images": lambda: quiz("Who is it?", ["A", "B"], 0, SECRET, images=IMAGES[:2], picture=IMAGES[2]),
}


# ---------------------------------------------------------------------------------------------------- as text
@pytest.mark.parametrize("name", MAKE)
def test_a_page_is_complete_and_its_parts_have_texts_and_ids_of_their_own(name):
    page, again = MAKE[name]().data, MAKE[name]().data
    assert not re.findall(r"https?:|//cdn|@import|src=\"(?!data:)|url\(", page), "nothing comes from outside"
    for tag in re.findall(r"<img [^>]*>", page):
        assert re.search(r'alt="[^"]{3,}"', tag)
        assert "dark-light" in tag
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(set(ids)) == len(ids) > 0
    assert "__ID__" not in page
    first, second = (set(re.findall(r'\b(?:id|name)="([^"]+)"', text)) for text in (page, again))
    assert not first & second


def test_the_answer_cannot_be_read_in_the_source():
    page = MAKE["quiz"]().data
    assert SECRET not in page
    assert "Too coarse" not in page
    assert "correct&quot;" not in page.split("data-sealed")[0]


def test_labels_cannot_break_the_page():
    page = player([IMAGES[0]], ['</script><b "x">'], title='a "title" & more').data
    assert "<b " not in page
    assert page.count("</script>") == 1
    views = {('</script>"', 2.0): a_view()}
    assert chooser(views).data.count("</script>") == 2


def test_a_returning_image_is_kept_once():
    assert chooser(TABLE).data.count(data_uri(IMAGES[1])) == 2  # once shown, once in the data


def test_pixels_survive_unless_the_image_is_heavy():
    data = base64.b64decode(data_uri(IMAGES[0]).split(",")[1])
    assert (np.asarray(Image.open(io.BytesIO(data))) == IMAGES[0]).all()
    assert data_uri(HEAVY).startswith("data:image/jpeg")
    assert len(data_uri(HEAVY)) < 4 / 3 * HEAVY.nbytes


def test_a_heavy_widget_warns_and_a_hopeless_one_is_refused():
    with pytest.warns(UserWarning, match=r"makes the page \d\.\d MB heavier"):
        player([HEAVY] * 40, [str(i) for i in range(40)])
    with pytest.raises(ValueError, match="at most 6 MB"):
        player([HEAVY] * 200, [str(i) for i in range(200)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: player([], []), "at least one frame"),
        (lambda: player([IMAGES[0]], ["a", "b"]), "1 frames, 2 labels"),
        (lambda: player([IMAGES[0]], ["a"], [" "]), r"without a text \(alt\)"),
        (lambda: compare(IMAGES[0], IMAGES[0][:16]), "must agree"),
        (lambda: chooser({("a", 2.0): a_view(), ("b", 4.0): a_view()}), "2 of 2 x 2 views are missing"),
        (lambda: chooser({}), "views are missing"),
        (lambda: quiz("?", ["one"], 0), "two or more"),
        (lambda: filtered_list([], "nothing"), "at least one entry"),
        (lambda: filtered_list(ENTRIES, "Claims", ["holds"]), r"\['open'\], which are not among"),
        (lambda: quiz("?", ["one", "two"], 2), "counted from 0"),
        (lambda: quiz("?", ["one", "two"], 0, feedback=["x"]), "one each, or none"),
    ],
)
def test_bad_input_is_explained(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ------------------------------------------------------------------------------------------------- live ones
def test_without_a_live_front_end_the_chooser_is_static():
    assert not widgets.is_live()
    page = live_chooser(a_view, ["ann", "boris"], [2.0, 4.0])
    without_ids = [re.sub(r"cw-[0-9a-f]{10}-\d+", "", text) for text in (page.data, chooser(TABLE).data)]
    assert without_ids[0] == without_ids[1]


def test_live_curves_print_where_nobody_watches(capsys):
    curves = widgets.LiveCurves(every=3)
    for step in range(1, 8):
        curves({"step": step, "L_id": 1.0, "lr": 0.1})
    assert capsys.readouterr().out == "step 3: L_id 1\nstep 6: L_id 1\n"
    with pytest.raises(ValueError, match="1 or more"):
        widgets.LiveCurves(every=0)


@pytest.mark.parametrize(
    ("kernel", "session", "static", "answer"),
    [(True, "a.ipynb", "", True), (True, "a.ipynb", "1", False), (True, "", "", False), (False, "a.ipynb", "", False)],
)  # a book being built has a kernel and no session
def test_a_kernel_with_a_session_is_live_unless_switched_off(monkeypatch, kernel, session, static, answer):
    shell = SimpleNamespace(user_ns={}, **({"kernel": 1} if kernel else {}))
    monkeypatch.setattr("cadnet_edu.teach.widgets.live.get_ipython", lambda: shell)
    monkeypatch.setenv("CADNET_EDU_STATIC", static)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    if session:
        monkeypatch.setenv("JPY_SESSION_NAME", session)
    assert widgets.is_live() is answer


# ----------------------------------------------------------------------------------------------- in a browser
SHELL = """<!doctype html><html lang="en"><meta charset="utf-8"><title>widgets</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<link rel="icon" href="data:,"><style>:root {{ color-scheme: light dark }}</style><body>{}</body></html>"""


@pytest.fixture
def visit(browser, tmp_path):
    """Open one or more widgets as a file; at the end, nothing may have been fetched and nothing have gone wrong."""
    with contextlib.ExitStack() as visits:
        seen = []

        def opened(*names, **options):
            (tmp_path / "page.html").write_text(SHELL.format("".join(MAKE[name]().data for name in names)), "utf-8")
            seen.append(visits.enter_context(Visit(browser, **options)))
            return seen[-1].open((tmp_path / "page.html").as_uri())

        yield opened
        assert [one.outside("file:") + one.complaints for one in seen if one.outside("file:") or one.complaints] == []


def find(page, css):
    return page.locator(css).all()


def shown(page, css=".cw-frame"):
    return [i for i, one in enumerate(find(page, css)) if one.is_visible()]


def test_arrow_keys_step_through_the_player(visit):
    page = visit("player")
    slider = page.locator("input")
    assert shown(page) == [0]
    slider.press("ArrowRight")
    assert shown(page) == [1]
    assert slider.get_attribute("aria-valuetext") == "r = 2"
    assert page.locator(".cw-value").inner_text() == "r = 2 (2 of 3)"
    slider.press("End")
    assert shown(page) == [2]
    back, forward = find(page, "button")
    assert not forward.is_enabled()
    back.press("Space")
    assert shown(page) == [1]


def test_the_player_starts_still_and_names_its_slider(visit):
    page = visit("player", "player_figures")
    for role, names in {"slider": ["One person", "frame"], "group": ["One person", "player"]}.items():
        assert [page.get_by_role(role, name=name, exact=True).count() for name in names] == [1, 1]
        assert page.get_by_role(role).count() == 2
    before = page.screenshot()
    page.wait_for_timeout(700)
    assert page.screenshot() == before


def test_two_players_on_a_page_do_not_move_each_other(visit):
    page = visit("player", "player")
    find(page, "input")[1].press("ArrowRight")
    assert shown(page) == [0, 4]


def test_the_border_of_compare_moves_by_key_and_by_pointer(visit):
    page = visit("compare")
    slider, pair = page.locator("input"), page.locator(".cw-pair")
    slider.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "49 % input, 51 % recovered"
    clip = page.locator(".cw-after").evaluate("one => getComputedStyle(one).clipPath")
    assert clip == "inset(0px 0px 0px 49%)"
    pair.click(position={"x": pair.bounding_box()["width"] / 2 - 60, "y": 50})
    assert slider.input_value() == "25"


def test_the_chooser_follows_query_and_rate(visit):
    page = visit("chooser")

    def images():
        return [(i.get_attribute("src"), i.get_attribute("alt")) for i in find(page, ".cw-row img")]

    assert images()[0] == (data_uri(a_view("ann", 2.0).input), "query ann at r = 2")
    find(page, "input[type=radio]")[0].press("ArrowRight")
    assert images()[0] == (data_uri(a_view("ann", 4.0).input), "query ann at r = 4")
    assert images()[2][1] == "match 1, wrong person"
    assert find(page, ".cw-row > *")[2].get_attribute("class") == "cw-wrong"
    assert page.locator(".cw-feedback").inner_text() == "The nearest image is wrong; 1 of 3 are right. 21 dB."
    page.get_by_role("combobox", name="query", exact=True).press("ArrowDown")
    assert images()[0] == (data_uri(a_view("boris", 4.0).input), "query boris at r = 4")


def test_the_explorer_follows_its_controls(visit):
    page = visit("explorer")
    one, two, ours, _ = find(page, "input[type=radio]")
    feedback = page.locator(".cw-feedback")
    assert (two.is_checked(), ours.is_checked()) == (True, True)
    assert (shown(page), feedback.inner_text()) == ([2], "rate 2, method ours")
    two.press("ArrowUp")
    assert one.is_checked()
    assert shown(page) == [0]
    ours.press("ArrowDown")
    assert (shown(page), feedback.inner_text()) == ([1], "rate 1, method theirs")
    assert [
        page.locator("fieldset").and_(page.get_by_role("group", name=name)).count() for name in ("rate", "method")
    ] == [1, 1]


def test_the_quiz_answers_at_once_and_lets_one_try_again(visit):
    page = visit("quiz")
    wrong, right = find(page, "button")
    feedback = page.locator("[aria-live=polite]")
    assert feedback.inner_text() == ""
    wrong.press("Enter")
    assert feedback.inner_text() == "✗ Not this one. Too coarse."
    assert wrong.inner_text() == "coarse <ones> ✗"
    right.press("Space")
    assert feedback.inner_text() == f"✓ Right. {SECRET}"


def test_the_filtered_list_shows_one_kind_and_opens_by_key(visit):
    page = visit("filtered_list")
    radios, summary = find(page, "input"), find(page, "summary")[0]
    assert page.locator(".cw-radio").all_inner_texts() == ["all (3)", "holds (2)", "open (1)"]
    assert shown(page, ".cw-entry") == [0, 1, 2]
    radios[0].press("ArrowRight")
    assert shown(page, ".cw-entry") == [0, 2]
    assert page.locator(".cw-feedback").inner_text() == "2 of 3 shown"
    assert summary.inner_text() == "1. <sharp> is better holds"
    summary.press("Enter")
    assert [point.inner_text() for point in find(page, "li") if point.is_visible()] == ["a: 2 (1 to 3)", "b: 4"]
    radios[1].press("ArrowRight")
    assert shown(page, ".cw-entry") == [1]


def test_all_works_on_a_phone_and_in_the_dark(visit):
    page = visit(*MAKE, width=390, scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    heights = [one.bounding_box()["height"] for one in find(page, "button, select, .cw-radio, input[type=range]")]
    assert min(heights) >= 40
    filters = page.eval_on_selector_all("img", "all => all.map(one => getComputedStyle(one).filter)")
    assert set(filters) == {"none"}
    assert find(page, "button")[0].evaluate("one => getComputedStyle(one).color") == "rgb(255, 255, 255)"


def test_without_scripts_every_frame_is_there_and_no_dead_control(visit):
    page = visit("player", "compare", "chooser", "explorer", javascript=False)
    assert all(image.is_visible() for image in find(page, "img"))
    assert not any(control.is_visible() for control in find(page, "input, select, button"))
