"""Figures: each is drawn on small data, readable on a phone, has its alternative text and changes no global state."""

import io
import math
import re
from collections.abc import Callable
from functools import cache

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.text import Text
from people import disk_of
from PIL import Image

from cadnet_edu import figures
from cadnet_edu.analysis import silhouette, tsne
from cadnet_edu.data.resolution import degrade
from cadnet_edu.figures.style import COLORS, WIDTH, ink, spread
from cadnet_edu.figures.training import PANELS, running_mean
from cadnet_edu.lab.rows import LABELS

RNG = np.random.default_rng(0)
IMAGES = torch.rand(8, 3, 32, 16, generator=torch.Generator().manual_seed(0))
KEYS = [term.key for panel in PANELS for term in panel.terms]
HISTORY = [{"step": 10.0 * (i + 1)} | {key: 1 / (i + 1 + j) for j, key in enumerate(KEYS)} for i in range(40)]
SWEEPS = {
    "CAD-Net": {str(r): (0.9 - 0.07 * r, 0.85 - 0.07 * r, 0.95 - 0.07 * r) for r in (1, 1.5, 2, 3, 4, 6, 8, 10)},
    "baseline": {r: 0.9 / r for r in (1, 1.5, 2, 3, 4, 6, 8, 10)},
}
BANDS = [(1, 2), (2, 4), (4, 8), (8, 16)]
PULLS = {"start": {"L_cls": 0.9, "L_rec": 0.1}, "end": {"L_cls": 0.5, "L_rec": 0.35, "L_adv_DF": 0.15, "L_adv_DI": 0.0}}
MAP = {"points": RNG.normal(size=(60, 2)), "pids": np.tile(np.arange(15), 4), "rates": np.repeat([1, 2, 4, 8], 15)}
CURVES = {"ours": {1: (0.9, 0.85, 0.95), 2: 0.8, 8: 0.5}, "baseline": {1: 0.92, 2: 0.6, 8: 0.1}}
PAIRS, MANY = {r: IMAGES[:2] for r in (2, 4)}, {r: IMAGES[:2] for r in (1, 2, 3, 4, 8)}
DIFFERENCES = {"CAD-Net w/o L_rec": (-0.05, -0.08, -0.02), "CAD-Net w/o D_I": (0.01, -0.01, 0.03), "one seed": 0.02}
RATIOS = {
    "r = 2": {"bands": BANDS, "ratio": [0.9, 0.4, 1.0, None]},
    "r = 8": {"bands": BANDS, "ratio": [0.7, 0.9, 1.0, 1.1]},
}
MARGINS = {"a claim with a long name and two": [(2, 1, 3, "yes"), (0.5, -1, 2, "open")],
           "one more": [(-9, -9.1, -8.9, "no"), (1, 1, 1, "yes"), (0.1, -0.3, 0.5, "small")],
           "none": []}  # fmt: skip

DRAW = {
    "loss_curves": lambda: figures.loss_curves(HISTORY),
    "rank1_by_rate": lambda: figures.rank1_by_rate(CURVES),
    "bars_with_intervals": lambda: figures.bars_with_intervals({"ours": (0.5, 0.4, 0.6), "baseline": 0.2}),
    "images_grid": lambda: figures.images_grid(IMAGES, [f"r = {i}" for i in range(8)], columns=3, heading="People"),
    "image_row": lambda: figures.image_row(list(IMAGES[:3]), ["a", "b", "c"]),
    "recovered_grid": lambda: figures.recovered_grid(PAIRS, PAIRS, IMAGES[:2], psnr={2: [20, 22], 4: [18, 20]}),
    "recovered_grid_many": lambda: figures.recovered_grid(MANY, MANY, IMAGES[:2]),
    "rank_lists": lambda: figures.rank_lists(
        IMAGES[:2], IMAGES, [[3, 4, 5], [6, 7, -1]], [[False, True, True], [False] * 3]
    ),
    "tsne_coloured": lambda: figures.tsne_coloured(RNG.normal(size=(40, 2)), ["left", "right"] * 20, "camera"),
    "tsne_panels": lambda: figures.tsne_panels(MAP["points"], MAP["pids"], MAP["rates"], note="seed 0"),
    "spectrum": lambda: figures.spectrum({r: degrade(IMAGES, r) for r in (1, 2, 4)}),
    "rank1_sweep": lambda: figures.rank1_sweep(SWEEPS),
    "sweep_panels": lambda: figures.sweep_panels({"few": SWEEPS, "many": SWEEPS, "none": SWEEPS}),
    "paired_difference_plot": lambda: figures.paired_difference_plot(DIFFERENCES),
    "error_by_band": lambda: figures.error_by_band(RATIOS),
    "claim_margins_plot": lambda: figures.claim_margins_plot(MARGINS),
    "coverage_plot": lambda: figures.coverage_plot([(-1, 1), (0.5, 2), (-3, -1)]),
    "stacked_shares": lambda: figures.stacked_shares(PULLS, "share of the gradient at E (%)"),
    "identity_maps": lambda: figures.identity_maps(MAP, MAP),
}


@cache
def drawn(name):
    """A figure; drawing it leaves no open figure and no setting behind."""
    before = dict(mpl.rcParams), plt.get_fignums()
    fig = DRAW[name]()
    assert (dict(mpl.rcParams), plt.get_fignums()) == before
    return fig


@pytest.fixture(params=DRAW)
def fig(request):
    return drawn(request.param)


def words(fig):
    """All text that is drawn; ticks beyond the limits of their axis are not."""
    beyond = set()
    for axis in (axis for ax in fig.axes for axis in (ax.xaxis, ax.yaxis)):
        low, high = sorted(axis.get_view_interval())
        beyond |= {t.label1 for t in axis.get_major_ticks() if not low <= t.get_loc() <= high}
    return [t for t in fig.findobj(Text) if t.get_visible() and t.get_text().strip() and t not in beyond]


def test_every_word_is_inside_the_figure_and_at_least_nine_pixels_high_on_a_phone(fig):
    shown = 326 / (fig.get_figwidth() * 72)  # pixels of the phone's page for a point of the figure
    fig.draw_without_rendering()
    renderer, (_, _, width, height) = fig._get_renderer(), fig.bbox.bounds
    for text in words(fig):
        assert text.get_fontsize() * shown >= 9, text.get_text()
        if text.axes is None or text.axes.axison:
            box = text.get_window_extent(renderer)
            inside = box.x0 > -1 and box.y0 > -1 and box.x1 < width + 1 and box.y1 < height + 1
            assert inside, (text.get_text(), box.extents, width, height)


def test_it_is_a_white_image_of_the_pages_width_with_its_alternative_text(fig):
    text = figures.describe(fig)
    assert re.fullmatch(r"(?!.*nan).{15,}\.", text, re.DOTALL)
    assert fig.get_figwidth() == WIDTH
    image = Image.open(io.BytesIO(fig.png(dpi=50)))
    assert image.text["Description"] == text
    assert image.convert("RGBA").getpixel((0, image.height - 1)) == (255, 255, 255, 255)
    source = fig._repr_html_()
    assert source.startswith('<img class="dark-light" src="data:image/png;base64,')
    assert 'alt="' + text[:10] in source
    assert "http" not in source


def test_only_use_style_changes_the_settings():
    with mpl.rc_context({"figure.facecolor": "black"}):
        figures.use_style()
        assert mpl.rcParams["figure.facecolor"] == "white"
        assert [entry["color"] for entry in mpl.rcParams["axes.prop_cycle"]] == list(COLORS)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: figures.loss_curves([]), r"without any known term.*L_rec"),
        (lambda: figures.rank1_by_rate({"a": {1: (0.5, 0.4)}}), "low, high"),
        (lambda: figures.rank1_by_rate({"a": {}}), "no value"),
        (lambda: figures.rank1_sweep({}), "no value"),
        (lambda: figures.sweep_panels({"few": {}}), "no value"),
        (lambda: figures.rank_lists(IMAGES[:2], IMAGES, [[1, 2]], [[True, False]]), "both need"),
        (lambda: figures.recovered_grid({2: IMAGES}, {4: IMAGES}, IMAGES), "for each rate"),
        (lambda: figures.to_uint8(np.zeros(2)), r"shape \(2,\)"),
        (lambda: figures.images_grid([]), "no image"),
        (lambda: figures.images_grid(IMAGES, ["one"]), "1 titles for 8"),
        (lambda: figures.tsne_coloured(np.zeros((3, 2)), [1, 2], "person"), "3 points and 2 labels"),
        (lambda: figures.tsne_panels(np.zeros((3, 2)), [1, 2], [1, 2, 4]), "one of each"),
        (lambda: figures.identity_maps(MAP, {**MAP, "rates": [1]}), "one of each"),
        (lambda: figures.error_by_band({"r = 1": {"bands": BANDS, "ratio": [None] * 4}}), "no ratio"),
        (lambda: figures.stacked_shares({"nothing": {"f": -1.0}}), "nothing: no share above 0"),
        (lambda: figures.claim_margins_plot({"none": []}), "no comparison"),
        (lambda: figures.coverage_plot([]), "no interval"),
    ],
)
def test_input_that_cannot_be_drawn_is_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


@pytest.mark.parametrize(
    ("name", "title", "texts"),
    [
        ("bars_with_intervals", None, ["Bars, in %: ours 50 (40 to 60), baseline 20."]),
        ("recovered_grid", None, ["Mean PSNR r = 2: 21.0 dB, r = 4: 19.0 dB"]),
        ("rank_lists", None, ["query 1: right at rank 2, 3; query 2: no right image among 3"]),
        ("rank1_by_rate", "baseline loses 82 points, ours 40",
         ["ours: 90 % (85 to 95) at r = 1, 80 % at r = 2, 50 % at r = 8"]),
        ("rank1_sweep", "Half of rank-1 is lost at r = 2.0 to 6.9", ["CAD-Net: 83 % at r = 1, 76 % at r = 2"]),
        ("sweep_panels", None, ["few: CAD-Net 83 % at r = 1"]),
        ("paired_difference_plot", "1 of 3 differ from 0",
         ["CAD-Net w/o D_I +1.0 (-1.0 to 3.0); one seed +2.0."]),
        ("error_by_band", "At best 60 % of the error is gone (r = 2, 2 to 4 cycles)",
         ["r = 2: 0.90 at 1 to 2, 0.40 at 2 to 4, 1.00 at 4 to 8; r = 8"]),
        ("stacked_shares", "start: L_cls 90 %", ["end: L_cls 50.0 %, L_rec 35.0 %, L_adv_DF 15.0 %, L_adv_DI 0.0 %"]),
        ("claim_margins_plot", "2 as claimed, 1 open, 1 too small, 1 the opposite",
         ["one more: 1 as claimed, 1 too small, 1 the opposite."]),
        ("coverage_plot", "2 of 3 miss the truth", []),
    ],
)  # fmt: skip
def test_heading_and_alternative_text_give_the_numbers(name, title, texts):
    fig = drawn(name)
    assert title is None or fig.get_suptitle() == title
    for text in texts:
        assert text in fig.alt


# ------------------------------------------------------------------------------------------------ loss curves
def test_loss_curves_use_the_papers_symbols_and_the_lines_of_equilibrium():
    fig = figures.loss_curves(HISTORY)
    texts = " ".join(t.get_text() for t in words(fig))
    for symbol in (r"\mathcal{L}_{rec}", r"\mathcal{L}_{adv}^{\mathcal{D}_F}", r"\mathcal{D}_I(\mathcal{G}(f_L))"):
        assert symbol in texts
    by_title = {ax.get_title(loc="left"): ax for ax in fig.axes}
    climbs = by_title["What the discriminators climb, eq. (1), (3)"]
    levels = [line.get_ydata()[0] for line in climbs.lines if line.get_linestyle() == ":"]
    assert levels == pytest.approx([-2 * math.log(2), -4 * math.log(2)])
    for name, ax in by_title.items():
        strong = {line.get_linestyle() for line in ax.lines if line.get_marker() != "None"}
        assert strong == ({"--"} if "climb" in name or "Answers" in name else {"-"}), name


def test_terms_missing_from_the_history_are_left_out():
    fig = figures.loss_curves([{key: r[key] for key in ("step", "L_id", "L_tri")} for r in HISTORY])
    assert len(fig.axes) == 1
    assert "L_rec" not in fig.alt
    only_f = [{"step": r["step"], "L_adv_DF": -1.4} for r in HISTORY]
    assert "4\\ln" not in " ".join(t.get_text() for t in words(figures.loss_curves(only_f)))


def test_smoothing_keeps_the_logged_values_in_sight():
    fig = figures.loss_curves([{"step": i, "L_rec": float(i % 2)} for i in range(100)], window=10)
    raw, smooth = fig.axes[0].lines[:2]
    assert set(raw.get_ydata()) == {0.0, 1.0}
    assert smooth.get_ydata()[-1] == pytest.approx(0.5)
    assert "mean of 10" in fig.axes[0].get_xlabel()


def test_running_mean_against_a_loop():
    values = RNG.normal(size=20)
    assert running_mean(values, 6) == pytest.approx([values[max(0, i - 5) : i + 1].mean() for i in range(20)])
    assert figures.loss_curves([{"step": 1, "L_id": 2.0}]).alt.startswith("Curves over 1 records")


# ---------------------------------------------------------------------------------------------------- the rest
def test_rank1_by_rate_shades_the_rates_seen():
    (shade,) = [p for p in figures.rank1_by_rate(CURVES, seen=(2, 3, 4)).axes[0].patches if p.get_width() > 1]
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == (1.75, 4.25)
    assert not figures.rank1_by_rate(CURVES, seen=()).axes[0].patches
    text = figures.rank1_by_rate({"a": {"1": 0.9, "8": 0.2, "16": 0.1}}).alt  # rates as a JSON file has them
    assert "90 % at r = 1, 20 % at r = 8, 10 % at r = 16" in text


def test_rank1_axis_ends_where_it_is_told_and_the_names_stay_at_their_lines():
    low = {"a": {1: 0.3, 8: 0.1}}
    assert figures.rank1_by_rate(low).axes[0].get_ylim()[1] == 108
    ax = figures.rank1_by_rate(low, top=0.4).axes[0]
    assert ax.get_ylim()[1] == pytest.approx(43.2)
    (name,) = [text for text in ax.texts if text.get_text().startswith("a\n")]
    assert name.xy[1] == pytest.approx(10 / 43.2)


def test_rank_lists_mark_right_and_wrong_by_sign_colour_and_border():
    fig = drawn("rank_lists")
    marked = [ax for ax in fig.axes if ax.get_xlabel()[-1:] in "✓✗" and ax.get_xlabel()]
    assert [ax.get_xlabel() for ax in marked] == ["1 ✗", "2 ✓", "3 ✓", "1 ✗", "2 ✗"]
    looks = {ax.get_xlabel()[-1]: (ax.spines["top"].get_linestyle(), ax.spines["top"].get_edgecolor()) for ax in marked}
    assert looks["✓"][0] == "-" != looks["✗"][0]
    assert looks["✓"][1] != looks["✗"][1]


def test_recovered_grid_shows_every_image_once_and_unsmoothed():
    fig = drawn("recovered_grid")
    images = [image for ax in fig.axes for image in ax.get_images()]
    assert len(images) == 2 * (2 * 2 + 1)
    assert {image.get_interpolation() for image in images} == {"nearest"}
    assert (images[0].get_array() == figures.to_uint8(IMAGES[0])).all()


def test_images_of_any_kind_become_bytes():
    x = IMAGES[0]
    for image in (x, x.numpy(), x.permute(1, 2, 0), (x * 255).round().to(torch.uint8)):
        assert (figures.to_uint8(image) == figures.to_uint8(x)).all()
    assert figures.to_uint8(np.full((4, 2), 7.0)).max() == 255
    assert figures.to_uint8(torch.zeros(4, 2)).shape == (4, 2, 3)


def test_silhouettes_tell_identity_from_rate():
    pids, rates = np.repeat(np.arange(6), 8), np.tile([1, 2, 4, 8], 12)
    w = 10 * np.eye(6)[pids] + RNG.normal(size=(48, 6))
    fig = figures.tsne_panels(tsne(w), pids, rates, w=w)
    assert silhouette(w, pids) > 0.5 > 0.1 > silhouette(w, rates)
    assert f"identity {silhouette(w, pids):.2f}" in fig.get_suptitle()
    assert math.isnan(silhouette(w, np.zeros(48)))


def test_a_coloured_map_names_its_labels_and_how_far_apart_they_are():
    w = np.concatenate([RNG.normal(size=(20, 4)), RNG.normal(size=(20, 4)) + 20])
    fig = figures.tsne_coloured(RNG.normal(size=(40, 2)), np.repeat([1.0, 4.0], 20), "rate", w)
    assert figures.describe(fig).startswith("40 t-SNE points, coloured by rate: 1, 4. Silhouette 0.9")
    assert [text.get_text() for text in fig.axes[0].get_legend().get_texts()] == ["1", "4"]
    assert "10 t-SNE" in figures.describe(figures.tsne_coloured(np.eye(20)[:, :2], range(20), "person"))


def test_tsne_panels_show_at_most_so_many_identities_each_with_its_own_look():
    pids = np.repeat(np.arange(20), 2)
    fig = figures.tsne_panels(RNG.normal(size=(40, 2)), pids, np.tile([1, 4], 20), most=15)
    groups = fig.axes[0].collections
    assert len(groups) == 15
    assert len({(tuple(g.get_facecolor()[0]), g.get_paths()[0].vertices.tobytes()) for g in groups}) == 15


def test_bars_name_the_best_whichever_way_is_good():
    values = {"a": 0.2, "b": (0.1, 0.05, 0.15)}
    assert figures.bars_with_intervals(values).get_suptitle().startswith("a")
    fig = figures.bars_with_intervals(values, unit="LPIPS", scale=1, best="least")
    assert fig.get_suptitle() == "b: 0.1 LPIPS"
    assert fig.alt == "Bars, in LPIPS: a 0.2, b 0.1 (0.05 to 0.15)."
    assert figures.coverage_plot([(1, 2)], truth=1.5).get_suptitle() == "0 of 1 miss the truth"


def test_shares_fill_each_row_and_are_told_apart_without_colour():
    fig = drawn("stacked_shares")
    bars = fig.axes[0].patches
    for y in (0, 1):
        row = [bar for bar in bars if round(bar.get_y() + bar.get_height() / 2) == y]
        assert sum(bar.get_width() for bar in row) == pytest.approx(100)
        assert len({bar.get_hatch() for bar in row}) == 4


@pytest.mark.parametrize(
    ("name", "measured", "wanted"),
    [
        ("spectrum", lambda fig, ax: [x[0] for line in ax.lines if len(x := line.get_xdata()) == 2], [8, 4]),  # 32 / 2r
        ("rank1_sweep", lambda fig, ax: ("1.5" in fig.alt, len(ax.collections)), (False, 2)),  # one is an interval's
        ("paired_difference_plot",  # filled where the interval leaves out 0
         lambda fig, ax: [line.get_markerfacecolor() for line in ax.lines if line.get_marker() in ("o", "s")],
         [COLORS[1], "white", "white"]),
        ("error_by_band", lambda fig, ax: [label.get_text() for label in ax.get_xticklabels()],
         ["1-2", "2-4", "4-8", "8-16"]),
        ("claim_margins_plot", lambda fig, ax: "none" in fig.alt, False),
        ("claim_margins_plot", lambda fig, ax: "".join(line.get_marker() for line in ax.lines), "oDsov"),
        ("claim_margins_plot", lambda fig, ax: [line.get_xdata()[0] for line in ax.lines],
         pytest.approx([2, 1 / 3, -90, 200, 1 / 4])),
        ("coverage_plot", lambda fig, ax: list(ax.lines[0].get_ydata()), [1.25, -2]),  # those that miss the truth
        ("identity_maps", lambda fig, ax: [len(one.collections) for one in fig.axes], [15, 15, 4, 4]),
        ("identity_maps", lambda fig, ax: [sum(len(c.get_offsets()) for c in one.collections) for one in fig.axes],
         [60] * 4),
    ],
)  # fmt: skip
def test_what_is_drawn_lies_where_the_numbers_say(name, measured, wanted):
    fig = drawn(name)
    assert measured(fig, fig.axes[0]) == wanted


def test_labels_move_apart_keep_their_order_and_stay_inside():
    for _ in range(50):
        places = sorted(RNG.uniform(0, 1, 5))
        moved = spread(places, 0.15)
        assert np.diff(moved).min() > 0.15 - 1e-9
        assert moved[0] > -1e-9
        assert moved[-1] < 1 + 1e-9
    assert spread([0.1, 0.9], 0.2) == [0.1, 0.9]


def test_label_colours_can_be_read_on_white():
    for color in COLORS:
        rgb = np.array(mpl.colors.to_rgb(ink(color)))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        assert 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05) >= 4.49


def test_a_figure_is_saved_whole_or_not_at_all(tmp_path):
    fig = drawn("bars_with_intervals")
    path = figures.save(fig, tmp_path / "new" / "bars.png", dpi=60)
    before = path.read_bytes()
    assert Image.open(path).size == (300, round(60 * fig.get_figheight()))
    with disk_of(1000), pytest.raises(OSError, match="large"):
        figures.save(fig, path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["bars.png"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("plot", [figures.bars_with_intervals, figures.paired_difference_plot])
def test_long_names_leave_room_for_the_axes(plot: Callable[..., figures.DescribedFigure]) -> None:
    """All rows of Table 1 once pressed the bars into a line."""
    fig = plot({label: (0.5, 0.4, 0.6) for label in LABELS.values()})
    fig.canvas.draw()
    assert fig.axes[0].get_position().width > 0.4
    assert all(label in fig.alt for label in LABELS.values())
