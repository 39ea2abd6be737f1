"""What goes beyond the paper: curves, probes, margins, frequencies, gradients and confusions, from records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cadnet_edu.figures import error_by_band, rank1_sweep, save, stacked_shares
from cadnet_edu.lab.analyses import ANALYSED_AT, SWEEP
from cadnet_edu.lab.records import Records
from cadnet_edu.lab.rows import REGIMES, Row
from cadnet_edu.lab.scoring import rate_name
from cadnet_edu.lab.tables import Path as KeyPath
from cadnet_edu.lab.tables import as_list, cell, grid, mean_of, sources

HALVED = ("two_encoders", "cadnet")
CURVES = ("baseline_hr", "baseline_long", "two_encoders", "cadnet")
NUMBERS: dict[str, tuple[KeyPath, float, int]] = {  # heading -> where, scale, digits
    "probe, seen r": (("analyses", "probe", "seen", "accuracy"), 100, 1),
    "probe, with r = 8": (("analyses", "probe", "unseen", "accuracy"), 100, 1),
    "silhouette, identity": (("analyses", "silhouette", "identity"), 1, 3),
    "silhouette, rate": (("analyses", "silhouette", "rate"), 1, 3),
    "g's share of margins, r = 1": (("analyses", "margins", "1", "share_g"), 100, 1),
    "r = 4": (("analyses", "margins", "4", "share_g"), 100, 1),
    "saved by g, r = 4": (("analyses", "margins", "4", "saved_by_g"), 100, 1),
    "errors among look-alikes, r = 1": (("analyses", "confusions", "1", "alike"), 100, 1),
    "at r = 8": (("analyses", "confusions", "8", "alike"), 100, 1),
}


def beyond(rows: Sequence[Row], records: Records, seeds: Sequence[int], out: Path) -> dict[str, Any]:
    """All of it as data, with figures of the regime that comes first.

    Args:
        rows: methods, of one or several regimes.
        records: where the numbers are.
        seeds: which repetitions count.
        out: folder for the figures.

    Returns:
        regime -> row -> numbers with intervals, ready for JSON.
    """
    regimes = list(dict.fromkeys(row.regime for row in rows))
    blocks = {}
    for regime in regimes:
        trained = [row for row in rows if row.regime == regime and row.trained]
        blocks[regime] = {row.name: of_row(row, records, seeds) for row in trained}
    draw(blocks[regimes[0]], {row.name: row.label for row in rows}, out)
    return {
        "beyond": blocks, "preset": rows[0].config.run.preset, "seeds": list(seeds),
        "labels": {row.name: row.label for row in rows}, "provenance": sources(rows, records, seeds),
    }  # fmt: skip


def of_row(row: Row, records: Records, seeds: Sequence[int]) -> dict[str, Any]:
    """The analyses of one row as ``[mean, low, high]``; what a network does not have is None.

    Args:
        row: which.
        records: where the numbers are.
        seeds: which repetitions count.
    """

    def mean(*place: str | int, scale: float = 1.0) -> list[float | None] | None:
        return as_list(mean_of(row, records, ("analyses", *place), seeds), scale)

    any_record: dict[str, Any] = next((r["analyses"] for r in records.by_seed(row.config, seeds).values()), {})
    bands = {r: found["bands"] for r, found in any_record.get("frequency", {}).items()}
    gradients = any_record.get("gradients", {})
    return {
        "sweep": {rate_name(r): mean("sweep", rate_name(r)) for r in SWEEP},
        "numbers": {h: as_list(mean_of(row, records, p, seeds), scale) for h, (p, scale, _) in NUMBERS.items()},
        "margins": {
            r: {k: mean("margins", r, k) for k in ("margin_f", "margin_g", "share_g", "saved_by_f", "saved_by_g")}
            for r in any_record.get("margins", {})
        },
        "frequency": {
            r: {"bands": bands[r], "ratio": [mean("frequency", r, "ratio", k) for k in range(len(bands[r]))]}
            for r in ANALYSED_AT if r in bands
        },
        "gradients": {
            when: {term: mean("gradients", when, term, "share") for term in found} for when, found in gradients.items()
        },
        "confusions": {r: found["pairs"][:3] for r, found in any_record.get("confusions", {}).items()},
    }  # fmt: skip


def draw(block: dict[str, Any], labels: dict[str, str], out: Path) -> list[Path]:
    """The figures of one regime, those for which there are numbers.

    Args:
        block: row -> of ``of_row``.
        labels: row -> what it is called.
        out: folder.
    """
    made = []

    def keep(fig: Any, name: str) -> None:
        made.append(save(fig, out / f"beyond_{name}.png"))

    curves = {labels[n]: _numbers(block[n]["sweep"]) for n in CURVES if n in block and block[n]["sweep"]["1"]}
    if curves:
        keep(rank1_sweep(curves), "sweep")
    ours = block.get("cadnet", {})
    ratios = {
        f"r = {r}": {"bands": found["bands"], "ratio": [None if v is None else v[0] for v in found["ratio"]]}
        for r, found in ours.get("frequency", {}).items()
    }
    if ratios:
        keep(error_by_band(ratios), "frequency")
    gradients = {
        when: {term: v[0] for term, v in found.items() if v} for when, found in ours.get("gradients", {}).items()
    }
    if gradients:
        keep(stacked_shares(gradients, "share of the gradients at E (%)"), "gradients")
    for name in HALVED:
        margins = {
            f"r = {r}": {"f": 1 - found["share_g"][0], "g": found["share_g"][0]}
            for r, found in block.get(name, {}).get("margins", {}).items() if found["share_g"]
        }  # fmt: skip
        if margins:
            keep(stacked_shares(margins, "share of the margin of queries answered right (%)"), f"margins_{name}")
    return made


def _numbers(curve: dict[str, Any]) -> dict[str, Any]:
    """A curve for a figure: a triple where there is an interval, else the mean."""
    return {r: v[0] if v[1] is None else v for r, v in curve.items() if v is not None}


def beyond_text(data: dict[str, Any]) -> str:
    """The numbers as tables, one a regime.

    Args:
        data: of ``beyond``.
    """
    out = ["# Beyond the paper's tables", ""]
    for regime, block in data["beyond"].items():
        heads = [f"{REGIMES[regime].label} (%; silhouettes from -1 to 1)", *NUMBERS]
        digits = [d for _, _, d in NUMBERS.values()]
        lines = [
            [data["labels"][name], *(cell(v, d) for v, d in zip(found["numbers"].values(), digits, strict=True))]
            for name, found in block.items()
        ]
        sweep = [
            [data["labels"][name], *(cell(_percent(v), 1) for v in found["sweep"].values())]
            for name, found in block.items()
        ]
        out += [*grid(heads, lines), "", *grid(["Rank-1 (%) at r", *map(rate_name, SWEEP)], sweep), ""]
    return "\n".join(out)


def _percent(values: list[float | None] | None) -> list[float | None] | None:
    return None if values is None else [None if v is None else 100 * v for v in values]
