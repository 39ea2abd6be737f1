"""Summarize and draw the analyses that go beyond the paper's tables, from records."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cadnet_edu.figures import error_by_band, rank1_sweep, save, stacked_shares
from cadnet_edu.lab.analyses import ANALYSED_AT, SWEEP
from cadnet_edu.lab.records import KeyPath, Records
from cadnet_edu.lab.rows import REGIMES, Row
from cadnet_edu.lab.scoring import rate_name
from cadnet_edu.lab.tables import as_list, cell, grid, mean_of, sources

HALVED = ("two_encoders", "cadnet")
CURVES = ("baseline_hr", "baseline_mlr_long", "two_encoders", "cadnet")
MARGINS = ("margin_f", "margin_g", "share_g", "saved_by_f", "saved_by_g")
NUMBERS: dict[str, tuple[KeyPath, float, int]] = {  # heading -> path in a record's analyses, scale, digits
    "probe, seen r": (("probe", "seen", "accuracy"), 100, 1),
    "probe, with r = 8": (("probe", "unseen", "accuracy"), 100, 1),
    "silhouette, identity": (("silhouette", "identity"), 1, 3),
    "silhouette, rate": (("silhouette", "rate"), 1, 3),
    "g's share of margins, r = 1": (("margins", "1", "share_g"), 100, 1),
    "r = 4": (("margins", "4", "share_g"), 100, 1),
    "saved by g, r = 4": (("margins", "4", "saved_by_g"), 100, 1),
    "errors among look-alikes, r = 1": (("confusions", "1", "alike"), 100, 1),
    "at r = 8": (("confusions", "8", "alike"), 100, 1),
}


def beyond(rows: Sequence[Row], records: Records, seeds: Sequence[int], out: Path) -> dict[str, Any]:
    """The analyses of all rows as data, regime -> row -> numbers with intervals; with figures of the first regime.

    Args:
        rows, records, seeds: as in ``cadnet_edu.lab.tables.table``.
        out: folder for the figures.
    """
    labels = {row.name: row.label for row in rows}
    blocks: dict[str, dict[str, Any]] = {row.regime: {} for row in rows}
    for row in rows:
        if row.trained:
            blocks[row.regime][row.name] = row_analyses(row, records, seeds)
    draw(next(iter(blocks.values())), labels, out)
    return {"beyond": blocks, "preset": rows[0].config.run.preset, "seeds": list(seeds), "labels": labels,
            "provenance": sources(rows, records, seeds)}  # fmt: skip


def row_analyses(row: Row, records: Records, seeds: Sequence[int]) -> dict[str, Any]:
    """The analyses of one trained row as ``[mean, low, high]``; None for what its network does not have."""

    def mean(*path: str | int, scale: float = 1.0) -> list[float | None] | None:
        return as_list(mean_of(row, records, ("analyses", *path), seeds), scale)

    first: dict[str, Any] = next((r["analyses"] for r in records.by_seed(row.config, seeds).values()), {})
    bands = {r: found["bands"] for r, found in first.get("frequency", {}).items()}
    return {
        "sweep": {rate_name(r): mean("sweep", rate_name(r)) for r in SWEEP},
        "numbers": {heading: mean(*path, scale=scale) for heading, (path, scale, _) in NUMBERS.items()},
        "margins": {r: {name: mean("margins", r, name) for name in MARGINS} for r in first.get("margins", {})},
        "frequency": {
            r: {"bands": bands[r], "ratio": [mean("frequency", r, "ratio", k) for k in range(len(bands[r]))]}
            for r in ANALYSED_AT if r in bands
        },
        "gradients": {
            when: {term: mean("gradients", when, term, "share") for term in found}
            for when, found in first.get("gradients", {}).items()
        },
        "confusions": {r: found["pairs"][:3] for r, found in first.get("confusions", {}).items()},
    }  # fmt: skip


def draw(block: dict[str, Any], labels: dict[str, str], out: Path) -> None:
    """Draw those figures of one regime for which there are numbers."""
    curves = {
        labels[n]: {r: v[0] if v[1] is None else v for r, v in block[n]["sweep"].items() if v is not None}
        for n in CURVES if n in block and block[n]["sweep"]["1"]
    }  # fmt: skip
    if curves:
        save(rank1_sweep(curves), out / "beyond_sweep.png")
    ours = block.get("cadnet", {"frequency": {}, "gradients": {}})
    ratios = {
        f"r = {r}": {"bands": found["bands"], "ratio": [None if v is None else v[0] for v in found["ratio"]]}
        for r, found in ours["frequency"].items()
    }
    if ratios:
        save(error_by_band(ratios), out / "beyond_frequency.png")
    gradients = {when: {term: v[0] for term, v in found.items() if v} for when, found in ours["gradients"].items()}
    if gradients:
        save(stacked_shares(gradients, "share of the gradients at E (%)"), out / "beyond_gradients.png")
    for name in HALVED:
        found = block.get(name, {"margins": {}})["margins"]
        margins = {
            f"r = {r}": {"f": 1 - m["share_g"][0], "g": m["share_g"][0]} for r, m in found.items() if m["share_g"]
        }
        if margins:
            unit = "share of the margin of queries answered right (%)"
            save(stacked_shares(margins, unit), out / f"beyond_margins_{name}.png")


def beyond_text(data: dict[str, Any]) -> str:
    """The numbers of ``beyond`` as tables, two for each regime."""
    out = ["# Beyond the paper's tables", ""]
    for regime, block in data["beyond"].items():
        heads = [f"{REGIMES[regime].label} (%; silhouettes from -1 to 1)", *NUMBERS]
        numbers, sweep = [], []
        for name, found in block.items():
            values = zip(found["numbers"].values(), NUMBERS.values(), strict=True)
            numbers.append([data["labels"][name], *(cell(v, digits) for v, (_, _, digits) in values)])
            sweep.append([data["labels"][name], *(cell(v, 1, 100) for v in found["sweep"].values())])
        out += [*grid(heads, numbers), "", *grid(["Rank-1 (%) at r", *map(rate_name, SWEEP)], sweep), ""]
    return "\n".join(out)
