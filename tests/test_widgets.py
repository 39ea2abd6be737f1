"""Widgets: as text (self-contained, described, not too heavy) and in a browser (keyboard, feedback, no request)."""

from __future__ import annotations

import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from cadnet_edu import figures
from cadnet_edu.teach import widgets
from cadnet_edu.teach.widgets import Entry, View, chooser, compare, explore, live_chooser, player, quiz, shelf
from cadnet_edu.teach.widgets.page import data_uri

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 255, (12, 32, 16, 3), dtype=np.uint8)
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
    "shelf": lambda: shelf(ENTRIES, "Claims"),
    "quiz": lambda: quiz("Which stripes vanish?", ["coarse <ones>", "fine ones"], 1, SECRET, ["Too coarse.", ""]),
    "quiz_images": lambda: quiz("Who is it?", ["A", "B"], 0, SECRET, images=IMAGES[:2], picture=IMAGES[2]),
}


# ---------------------------------------------------------------------------------------------------- as text
@pytest.fixture(params=MAKE)
def page(request):
    return MAKE[request.param]().data


def test_nothing_comes_from_outside(page):
    assert not re.findall(r"https?:|//cdn|@import|src=\"(?!data:)|url\(", page)


def test_every_image_has_a_text_and_keeps_its_colours(page):
    for tag in re.findall(r"<img [^>]*>", page):
        assert re.search(r'alt="[^"]{3,}"', tag)
        assert "dark-light" in tag


def test_two_copies_share_no_id(page):
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(set(ids)) == len(ids) > 0
    assert "__ID__" not in page


def test_the_same_widget_made_twice_has_another_id():
    def ids(page):
        return set(re.findall(r'\b(?:id|name)="([^"]+)"', page.data))

    assert not ids(MAKE["chooser"]()) & ids(MAKE["chooser"]())


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
    import base64
    import io

    from PIL import Image

    def read(uri):
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))

    assert (read(data_uri(IMAGES[0])) == IMAGES[0]).all()
    heavy = RNG.integers(0, 255, (256, 128, 3), dtype=np.uint8)
    assert data_uri(heavy).startswith("data:image/jpeg")
    assert len(data_uri(heavy)) < 4 / 3 * heavy.nbytes


def test_a_heavy_widget_warns_and_a_hopeless_one_is_refused():
    noise = RNG.integers(0, 255, (256, 128, 3), dtype=np.uint8)
    with pytest.warns(UserWarning, match=r"makes the page \d\.\d MB heavier"):
        player([noise] * 40, [str(i) for i in range(40)])
    with pytest.raises(ValueError, match="at most 6 MB"):
        player([noise] * 200, [str(i) for i in range(200)])


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
        (lambda: shelf([], "nothing"), "at least one entry"),
        (lambda: shelf(ENTRIES, "Claims", ["holds"]), r"\['open'\], which are not among"),
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


def test_with_a_live_front_end_views_are_computed_when_asked_for():
    asked = []

    def callback(query, rate):
        asked.append((query, rate))
        return a_view(query, rate)

    box = live_chooser(callback, ["ann", "boris"], [2.0, 4.0], live=True)
    _, query, rate, shown = box.children
    assert asked == [("ann", 2.0)]
    assert "nearest image is right" in shown.value
    rate.value = 4.0
    query.value = "boris"
    assert asked == [("ann", 2.0), ("ann", 4.0), ("boris", 4.0)]
    assert "nearest image is wrong" in shown.value
    assert 'alt="match 2, right person"' in shown.value


def test_live_curves_redraw_one_figure(monkeypatch):
    shown, updated = [], []

    class Handle:
        def update(self, figure):
            updated.append(figure)

    def display(figure, display_id):
        shown.append(figure)
        return Handle()

    monkeypatch.setattr("cadnet_edu.teach.widgets.live.display", display)
    curves = widgets.LiveCurves(every=2, live=True)
    for step in range(1, 8):
        curves({"step": step, "L_id": 1 / step})
    assert (len(shown), len(updated)) == (1, 2)
    assert "up to step 6" in updated[-1].alt
    assert len(curves.history) == 7


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
)
def test_a_kernel_with_a_session_is_live_unless_switched_off(monkeypatch, kernel, session, static, answer):
    shell = SimpleNamespace(user_ns={}, **({"kernel": 1} if kernel else {}))
    monkeypatch.setattr("cadnet_edu.teach.widgets.live.get_ipython", lambda: shell)
    monkeypatch.setenv("CADNET_EDU_STATIC", static)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    if session:
        monkeypatch.setenv("JPY_SESSION_NAME", session)
    assert widgets.is_live() is answer


def test_a_notebook_executed_in_batch_is_not_live():
    """What a book being built does: a kernel, and nobody in front of it."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    cell = (
        "from cadnet_edu.teach import widgets\nprint(widgets.is_live())\n"
        "widgets.LiveCurves(1)({'step': 1, 'L_id': 2.0})"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    assert notebook.cells[0].outputs[0]["text"] == "False\nstep 1: L_id 2\n"


# ----------------------------------------------------------------------------------------------- in a browser
CHROME = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SHELL = """<!doctype html><html lang="en"><meta charset="utf-8"><title>widgets</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<link rel="icon" href="data:,"><style>:root {{ color-scheme: light dark }}</style><body>{}</body></html>"""


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver")
    if not CHROME:
        pytest.skip("no Chromium or Chrome on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROME
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = shutil.which("chromedriver")
    service = webdriver.ChromeService(driver) if driver else None
    with webdriver.Chrome(options=options, service=service) as chrome:
        yield chrome


@pytest.fixture
def visit(browser, tmp_path):
    """Open one or more widgets as a file; at the end, nothing may have been fetched and nothing have gone wrong."""

    def opened(*names, javascript=True):
        path = tmp_path / "page.html"
        path.write_text(SHELL.format("".join(MAKE[name]().data for name in names)), encoding="utf-8")
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not javascript})
        browser.get(path.as_uri())
        return browser

    yield opened
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [m["params"]["request"]["url"] for m in sent if m["method"] == "Network.requestWillBeSent"]
    assert [url for url in urls if not url.startswith(("data:", "file:"))] == []
    assert browser.get_log("browser") == []


def find(browser, css):
    return browser.find_elements("css selector", css)


def press(element, *keys):
    from selenium.webdriver.common.keys import Keys

    element.send_keys(*(getattr(Keys, key) for key in keys))


def seen(browser, css=".cw-frame"):
    return [i for i, e in enumerate(find(browser, css)) if e.value_of_css_property("visibility") == "visible"]


def test_arrow_keys_step_through_the_player(visit):
    browser = visit("player")
    (slider,) = find(browser, "input")
    assert seen(browser) == [0]
    press(slider, "ARROW_RIGHT")
    assert seen(browser) == [1]
    assert slider.get_attribute("aria-valuetext") == "r = 2"
    assert find(browser, ".cw-value")[0].text == "r = 2 (2 of 3)"
    press(slider, "END")
    assert seen(browser) == [2]
    back, forward = find(browser, "button")
    assert not forward.is_enabled()
    press(back, "SPACE")
    assert seen(browser) == [1]


def test_the_player_starts_still_and_names_its_slider(visit):
    browser = visit("player", "player_figures")
    assert [s.accessible_name for s in find(browser, "input")] == ["One person", "frame"]
    assert [g.accessible_name for g in find(browser, "[role=group]")] == ["One person", "player"]
    before = browser.get_screenshot_as_base64()
    assert browser.execute_async_script("setTimeout(arguments[0], 700)") is None
    assert browser.get_screenshot_as_base64() == before


def test_two_players_on_a_page_do_not_move_each_other(visit):
    browser = visit("player", "player")
    press(find(browser, "input")[1], "ARROW_RIGHT")
    assert seen(browser) == [0, 4]


def test_the_border_of_compare_moves_by_key_and_by_pointer(visit):
    from selenium.webdriver import ActionChains

    browser = visit("compare")
    (slider,) = find(browser, "input")
    press(slider, "ARROW_LEFT")
    assert slider.get_attribute("aria-valuetext") == "49 % input, 51 % recovered"
    after = find(browser, ".cw-after")[0]
    assert after.value_of_css_property("clip-path") == "inset(0px 0px 0px 49%)"
    ActionChains(browser).move_to_element_with_offset(find(browser, ".cw-pair")[0], -60, 0).click().perform()
    assert slider.get_attribute("value") == "25"


def test_the_chooser_follows_query_and_rate(visit):
    browser = visit("chooser")

    def shown():
        return [(i.get_attribute("src"), i.get_attribute("alt")) for i in find(browser, ".cw-row img")]

    first = shown()
    assert first[0] == (data_uri(a_view("ann", 2.0).input), "query ann at r = 2")
    press(find(browser, "input[type=radio]")[0], "ARROW_RIGHT")
    assert shown()[0] == (data_uri(a_view("ann", 4.0).input), "query ann at r = 4")
    assert shown()[2][1] == "match 1, wrong person"
    assert find(browser, ".cw-row > *")[2].get_attribute("class") == "cw-wrong"
    assert find(browser, ".cw-feedback")[0].text == "The nearest image is wrong; 1 of 3 are right. 21 dB."
    press(find(browser, "select")[0], "ARROW_DOWN")
    assert shown()[0] == (data_uri(a_view("boris", 4.0).input), "query boris at r = 4")
    assert find(browser, "select")[0].accessible_name == "query"


def test_the_explorer_follows_its_knobs(visit):
    browser = visit("explorer")
    one, two, ours, _ = find(browser, "input[type=radio]")
    assert (two.is_selected(), ours.is_selected()) == (True, True)
    assert seen(browser) == [2]
    assert find(browser, ".cw-feedback")[0].text == "rate 2, method ours"
    press(two, "ARROW_UP")
    assert one.is_selected()
    assert seen(browser) == [0]
    press(ours, "ARROW_DOWN")
    assert seen(browser) == [1]
    assert find(browser, ".cw-feedback")[0].text == "rate 1, method theirs"
    assert [group.accessible_name for group in find(browser, "fieldset")] == ["rate", "method"]


def test_the_quiz_answers_at_once_and_lets_one_try_again(visit):
    browser = visit("quiz")
    wrong, right = find(browser, "button")
    (feedback,) = find(browser, "[aria-live=polite]")
    assert feedback.text == ""
    press(wrong, "ENTER")
    assert feedback.text == "✗ Not this one. Too coarse."
    assert wrong.text == "coarse <ones> ✗"
    press(right, "SPACE")
    assert feedback.text == f"✓ Right. {SECRET}"


def test_the_shelf_shows_one_kind_and_opens_by_key(visit):
    browser = visit("shelf")

    def shown():
        return [entry.is_displayed() for entry in find(browser, ".cw-entry")]

    assert [label.text for label in find(browser, ".cw-radio")] == ["all (3)", "holds (2)", "open (1)"]
    assert shown() == [True] * 3
    first = find(browser, "input")[0]
    press(first, "ARROW_RIGHT")
    assert shown() == [True, False, True]
    assert find(browser, ".cw-feedback")[0].text == "2 of 3 shown"
    summary = find(browser, "summary")[0]
    assert summary.text == "1. <sharp> is better holds"
    press(summary, "ENTER")
    assert [point.text for point in find(browser, "li") if point.is_displayed()] == ["a: 2 (1 to 3)", "b: 4"]
    press(find(browser, "input")[1], "ARROW_RIGHT")
    assert shown() == [False, True, False]


def test_all_works_on_a_phone_and_in_the_dark(visit):
    browser = visit(*MAKE)
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": dark})
    try:
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
        small = [e.size for e in find(browser, "button, select, .cw-radio, input[type=range]") if e.size["height"] < 40]
        assert not small
        assert {i.value_of_css_property("filter") for i in find(browser, "img")} == {"none"}
        assert find(browser, "button")[0].value_of_css_property("color") == "rgba(255, 255, 255, 1)"
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_without_scripts_every_frame_is_there_and_no_dead_control(visit):
    browser = visit("player", "compare", "chooser", "explorer", javascript=False)
    try:
        assert all(image.is_displayed() for image in find(browser, "img"))
        assert not any(e.is_displayed() for e in find(browser, "input, select, button"))
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
