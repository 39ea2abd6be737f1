"""Draw Figures 3 and 4, from records and the images beside them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cadnet_edu.figures import identity_maps, images_grid, recovered_grid, save
from cadnet_edu.lab.image_strips import ENDING, read_strip
from cadnet_edu.lab.records import Records, StoredRecord
from cadnet_edu.lab.rows import Row
from cadnet_edu.lab.tables import as_list, cell, grid, mean_of, sources

AT = "8"  # the rate at which methods are shown side by side: the unseen one


def of_first_seed(row: Row, records: Records) -> StoredRecord | None:
    """The record of seed 0, which has the images."""
    return records.find(row.runs([0])[0])


def figure3(rows: Sequence[Row], records: Records, seeds: Sequence[int], out: Path) -> dict[str, Any]:
    """Recovered images of some queries: CAD-Net at every rate, and all methods at r = 8.

    Args:
        rows: methods of one regime, with bilinear and bicubic up-sampling.
        records: of their runs, with the images beside them.
        seeds: of the mean scores; the images are those of seed 0.
        out: folder for ``figure3.png`` and ``figure3_methods.png``.

    Returns:
        the scores, ready for JSON.

    Raises:
        ValueError: when an image cannot be read.
    """
    size = (rows[0].config.data.height, rows[0].config.data.width)
    found = {row.name: of_first_seed(row, records) for row in rows}
    shown = {n: f for n, f in found.items() if f is not None and f.record["picture"]}
    strips = {name: read_strip(f.path.with_suffix(ENDING), size) for name, f in shown.items()}
    labels = {row.name: row.label for row in rows}
    if {"bilinear", "cadnet"} <= set(strips):
        truth = strips["bilinear"]["1"]
        psnr = {float(r): values for r, values in shown["cadnet"].record["picture"]["psnr"].items() if r != "1"}
        x, x_hat = ({float(r): strips[n][r] for r in strips[n] if r != "1"} for n in ("bilinear", "cadnet"))
        save(recovered_grid(x, x_hat, truth, psnr), out / "figure3.png")
    if "bilinear" in strips:
        people = range(len(strips["bilinear"]["1"]))
        columns = {_short(labels[name]): strip[AT] for name, strip in strips.items()}
        columns["truth"] = strips["bilinear"]["1"]
        images = [column[k] for k in people for column in columns.values()]
        titles = [name if k == 0 else "" for k in people for name in columns]
        fig = images_grid(images, titles, len(columns), f"The same people at r = {AT}, by method")
        save(fig, out / "figure3_methods.png")
    names = ("psnr", "ssim", "lpips")
    return {
        "figure": "figure3", "preset": rows[0].config.run.preset, "seeds": list(seeds),
        "people": {n: f.record["picture"] for n, f in shown.items()},
        "all_queries": {
            row.name: {r: {m: as_list(mean_of(row, records, ("scores", r, m), seeds), 1) for m in names}
                       for r in ("1", "2", "3", "4", "8")}
            for row in rows
        },
        "provenance": sources(rows, records, seeds),
    }  # fmt: skip


def _short(name: str) -> str:
    """A method's name on two short lines, for a narrow column.

    >>> _short("CAD-Net w/o L_adv^{D_I}"), _short("bicubic up-sampling")
    ('w/o\\n$L_{adv}^{D_I}$', 'bicubic')
    """
    return re.sub(r"CAD-Net w/o L_(\w+)(\S*)", r"w/o\n$L_{\1}\2$", name).removesuffix(" up-sampling")


def figure3_text(data: dict[str, Any], labels: dict[str, str]) -> str:
    """The mean scores behind Fig. 3 as a table; ``labels``: row -> what it is called."""
    columns = [(m, r) for m in ("psnr", "lpips") for r in ("2", "4", "8")]
    heads = ["all queries", *(f"{m.upper()}, r = {r}" for m, r in columns)]
    lines = [
        [labels[name], *(cell(by_rate[r][m], 2 if m == "psnr" else 3) for m, r in columns)]
        for name, by_rate in data["all_queries"].items()
    ]
    return "\n".join(["# Figure 3: recovered images", "", *grid(heads, lines), ""])


def figure4_text(data: dict[str, Any], labels: dict[str, str]) -> str:
    """The numbers behind Fig. 4 as a table; ``labels``: row -> what it is called."""
    rows = list(next(iter(data["numbers"].values())))
    lines = [[name, *(cell(by_row[row], 3) for row in rows)] for name, by_row in data["numbers"].items()]
    heads = ["w = GAP(f), test people", *(labels[row] for row in rows)]
    note = f"The probe guesses right in {data['chance']:.0%} of cases by chance alone."
    return "\n".join(["# Figure 4: is the resolution still in w?", "", *grid(heads, lines), "", note, ""])


def figure4(rows: Sequence[Row], records: Records, seeds: Sequence[int], out: Path) -> dict[str, Any]:
    """The maps of w without and with D_F, of seed 0, and their numbers: silhouettes and the resolution probe.

    Args:
        rows: ``without_adv_DF`` and ``cadnet``.
        records, seeds: as in ``cadnet_edu.lab.tables.table``.
        out: folder for ``figure4.png``.
    """
    found = {row.name: of_first_seed(row, records) for row in rows}
    maps = {n: f.record["analyses"].get("map") for n, f in found.items() if f is not None}
    if maps.get("without_adv_DF") and maps.get("cadnet"):
        save(identity_maps(maps["without_adv_DF"], maps["cadnet"]), out / "figure4.png")
    paths: dict[str, tuple[str, ...]] = {
        "silhouette by identity": ("analyses", "silhouette", "identity"),
        "silhouette by rate": ("analyses", "silhouette", "rate"),
        "probe, r in {1,2,3,4}": ("analyses", "probe", "seen", "accuracy"),
        "probe, r in {1,2,4,8}": ("analyses", "probe", "unseen", "accuracy"),
    }
    numbers = {n: {row.name: as_list(mean_of(row, records, p, seeds), 1) for row in rows} for n, p in paths.items()}
    return {
        "figure": "figure4", "preset": rows[0].config.run.preset, "seeds": list(seeds), "chance": 0.25,
        "numbers": numbers, "maps": maps, "provenance": sources(rows, records, seeds),
    }  # fmt: skip
