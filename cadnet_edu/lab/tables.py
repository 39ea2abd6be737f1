"""Make Tables 1 to 3 from records: means over seeds with intervals, and differences paired by seed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from cadnet_edu.lab.intervals import Interval, mean_interval, paired
from cadnet_edu.lab.records import KeyPath, Records, RunRecord
from cadnet_edu.lab.rows import REGIMES, Row
from cadnet_edu.lab.scoring import SEEN, rate_name
from cadnet_edu.methods import method_of

RATES_SHOWN = ("1", "2", "3", "4", "mlr", "8")
RATE_WORDS = {"mlr": "mixed", "8": "r = 8 (unseen)"}


@dataclass(frozen=True)
class Column:
    """One number of a record: where it is, and how it is written."""

    heading: str
    path: KeyPath
    scale: float = 100.0
    digits: int = 1


def rank_columns(metric: str, rates: Iterable[str] = RATES_SHOWN) -> list[Column]:
    """A retrieval score at each rate, in per cent."""
    return [Column(RATE_WORDS.get(r, f"r = {r}"), ("scores", r, metric)) for r in rates]


def quality_columns(rate: str, suffix: str = "") -> list[Column]:
    """The image scores of Table 2 at a rate."""
    digits = {"ssim": 3, "psnr": 2, "lpips": 3}
    return [Column(f"{name.upper()}{suffix}", ("scores", rate, name), 1, n) for name, n in digits.items()]


SEEN_AND_UNSEEN = [
    *quality_columns("mlr", ", r in {2,3,4}"), Column("rank-1, r in {2,3,4}", ("scores", "mlr", "rank1")),
    *quality_columns("8", ", r = 8"), Column("rank-1, r = 8", ("scores", "8", "rank1")),
]  # fmt: skip
LAYOUTS: dict[str, list[tuple[str, list[Column]]]] = {
    "table1": [
        (f"{heading} (%)", rank_columns(metric))
        for heading, metric in (("Rank-1", "rank1"), ("Rank-5", "rank5"), ("Rank-10", "rank10"), ("mAP", "mAP"))
    ],
    "regimes": [("Rank-1 (%)", rank_columns("rank1")),
                ("PSNR (dB)", [Column(f"r = {r}", ("scores", r, "psnr"), 1, 2) for r in ("2", "3", "4", "8")])],
    "table2": [("Recovered images and rank-1", SEEN_AND_UNSEEN)],
    "table3": [("Recovered images and rank-1", [
        *quality_columns("mlr"), *rank_columns("rank1", ("mlr", "1", "2", "3", "4", "8")),
    ])],
}  # fmt: skip
TITLES = {
    "table1": "Table 1: cross-resolution re-identification",
    "regimes": "Where recovery helps: four regimes of labels and training",
    "table2": "Table 2: recovered images at seen rates and at an unseen one",
    "table3": "Table 3: each loss taken away",
}
HALVES = {"f": "f alone, inside CAD-Net", "g": "g alone, inside CAD-Net"}
CEILING = "baseline, HR images only, on queries with all detail of the LR grid restored"


def value(record: RunRecord, path: KeyPath) -> float | None:
    """A number inside a record; None where it is missing."""
    found: Any = record
    for name in path:
        try:
            found = found[name]
        except (KeyError, IndexError, TypeError):
            return None
    return None if found is None else float(found)


def per_seed(row: Row, records: Records, path: KeyPath, seeds: Sequence[int]) -> dict[int, float]:
    """seed -> number; a row without training has the same number at every seed."""
    found = records.by_seed(row.config, seeds if row.trained else [0])
    values = {
        k: value(found[k if row.trained else 0], path) for k in seeds if found and (k in found or not row.trained)
    }
    return {k: v for k, v in values.items() if v is not None}


def mean_of(row: Row, records: Records, path: KeyPath, seeds: Sequence[int]) -> Interval | None:
    """Mean and interval of a number over the finished seeds."""
    values = list(per_seed(row, records, path, seeds).values())
    return mean_interval(values if row.trained else values[:1]) if values else None


# ---------------------------------------------------------------------------------------------------- as JSON


def table(name: str, rows: Sequence[Row], records: Records, seeds: Sequence[int]) -> dict[str, Any]:
    """A table as data, ready for JSON.

    Args:
        name: ``table1``, ``table2`` or ``table3``.
        rows: its lines, of one or several regimes.
        records: of their runs.
        seeds: used.

    Returns:
        regimes with their rows, differences to CAD-Net, budgets, and the provenance of all records used.
    """
    regimes = list(dict.fromkeys(row.regime for row in rows))
    return {
        "table": name,
        "title": TITLES[name],
        "preset": rows[0].config.run.preset,
        "seeds": list(seeds),
        "regimes": [block(name, [r for r in rows if r.regime == one], records, seeds) for one in regimes],
        "provenance": sources(rows, records, seeds),
    }


def block(name: str, rows: Sequence[Row], records: Records, seeds: Sequence[int]) -> dict[str, Any]:
    """The part of a table that belongs to one regime."""
    reference = next((row for row in rows if row.name == "cadnet"), None)
    parts, regime = [], rows[0].regime
    for heading, columns in LAYOUTS[name]:
        lines = [line(row.name, row.label, row, records, columns, seeds) for row in rows]
        if name == "table1" and reference is not None:
            for half, label in HALVES.items():
                inside = [replace(c, path=("parts", half, *c.path[1:])) for c in columns]
                lines.append(line(f"cadnet_{half}", label, reference, records, inside, seeds))
        on_HR = next((row for row in rows if row.name == "baseline_hr"), None)
        if name != "table1" and on_HR is not None:
            lines.append(ceiling_line(on_HR, records, columns, seeds))
        lines = [one for one in lines if any(one["values"]) or not one["runs"]]  # a baseline has no PSNR
        shown = {one["row"] for one in lines}
        parts.append({
            "heading": heading, "columns": [c.heading for c in columns], "digits": [c.digits for c in columns],
            "rows": lines, "differences": [
                difference(reference, r, records, columns, seeds)
                for r in rows if reference and r is not reference and r.name in shown
            ],
        })  # fmt: skip
    return {"regime": regime, "label": REGIMES[regime].label, "parts": parts,
            "budgets": [cost(row, records, seeds) for row in rows if row.trained]}  # fmt: skip


def line(
    name: str, label: str, row: Row, records: Records, columns: Sequence[Column], seeds: Sequence[int]
) -> dict[str, Any]:
    """One line: each number as ``[mean, low, high]``, low and high None for one seed."""
    return {"row": name, "label": label, "runs": len(records.by_seed(row.config, seeds if row.trained else [0])),
            "values": [as_list(mean_of(row, records, c.path, seeds), c.scale) for c in columns]}  # fmt: skip


def ceiling_line(row: Row, records: Records, columns: Sequence[Column], seeds: Sequence[int]) -> dict[str, Any]:
    """The ceiling of recovery without guessing, see ``cadnet_edu.lab.analyses.ceiling``; of mixed rates the mean."""
    values = []
    for c in columns:
        _, rate, score = c.path
        among = [rate_name(r) for r in SEEN] if rate == "mlr" else [rate]
        each = [per_seed(row, records, ("analyses", "ceiling", r, score), seeds) for r in among]
        means = [fmean(by[k] for by in each) for k in seeds if all(k in by for by in each)]
        values.append(as_list(mean_interval(means), c.scale) if means else None)
    return {**line("ceiling", CEILING, row, records, [], seeds), "values": values}


def difference(
    reference: Row, row: Row, records: Records, columns: Sequence[Column], seeds: Sequence[int]
) -> dict[str, Any]:
    """CAD-Net minus another row, seed by seed."""
    values = []
    for c in columns:
        ours, theirs = (per_seed(one, records, c.path, seeds) for one in (reference, row))
        values.append(as_list(paired(ours, theirs), c.scale))
    return {"row": row.name, "label": f"CAD-Net minus: {row.label}", "values": values}


def as_list(interval: Interval | None, scale: float) -> list[float | None] | None:
    """``[mean, low, high]`` after scaling, cut to seven digits."""
    if interval is None:
        return None
    return [None if v is None else float(f"{scale * v:.7g}") for v in interval[:3]]


def cost(row: Row, records: Records, seeds: Sequence[int]) -> dict[str, Any]:
    """The budget of a row: what it is trained on, steps, images, sizes, and the mean time over seeds."""
    names = ("steps", "images", "wall_seconds", "cpu_seconds", "parameters", "discriminators")
    means = {name: mean_of(row, records, ("budget", name), seeds) for name in names}
    rounded = {name: None if m is None else round(m.mean, 1) for name, m in means.items()}
    method = method_of(row.config)
    return {"row": row.name, "label": row.label, "sees": method.sees, "faithful": method.faithful, **rounded}


def sources(rows: Sequence[Row], records: Records, seeds: Sequence[int]) -> dict[str, Any]:
    """Code versions, commits, hardware and dates of the records behind a table, each listed once."""
    each = [r for row in rows for r in records.by_seed(row.config, seeds if row.trained else [0]).values()]
    used = list({id(r): r for r in each}.values())  # a floor stands in every regime and is one record
    names = ("code", "commit", "torch", "device", "threads", "precision", "date")
    metadata = {name: sorted({str(r["provenance"].get(name)) for r in used}) for name in names}
    missing = sorted({f"{what}: {why}" for r in used for what, why in r["missing"].items()})
    return {"records": len(used), **metadata, "missing": missing}


# ---------------------------------------------------------------------------------------------------- as text


def markdown(data: dict[str, Any]) -> str:
    """A table as text: one Markdown table for each score, the differences, and the budgets."""
    out = [f"# {data['title']}", "", _metadata(data), ""]
    for regime in data["regimes"]:
        out += [f"## Regime: {regime['label']}", ""]
        for part in regime["parts"]:
            heads = [part["heading"], *part["columns"]]
            lines = [[r["label"], *map(cell, r["values"], part["digits"])] for r in part["rows"]]
            out += [*grid(heads, lines), ""]
            if part["differences"]:
                lines = [[r["label"], *map(signed, r["values"], part["digits"])] for r in part["differences"]]
                out += [*grid([f"{part['heading']}, paired differences", *part["columns"]], lines), ""]
        out += [*budget_lines(regime["budgets"]), ""]
    for missing in data["provenance"]["missing"]:
        out += [f"Not measured: {missing}", ""]
    return "\n".join(out)


def _metadata(data: dict[str, Any]) -> str:
    made, n = data["provenance"], len(data["seeds"])
    spread = "mean ± 95 % interval (Student's t) over seeds" if n > 1 else "one seed, so no interval"
    return (
        f"Preset `{data['preset']}`, seeds {', '.join(map(str, data['seeds']))}: {spread}. A difference is taken "
        f"seed by seed; \\* marks one whose interval leaves out 0. From {made['records']} records; code "
        f"{', '.join(made['code'])}, commit {', '.join(made['commit'])}, {', '.join(made['device'])}, "
        f"{', '.join(made['precision'])}, PyTorch {', '.join(made['torch'])}."
    )


def cell(values: Sequence[Any] | None, digits: int, scale: float = 1.0) -> str:
    """A mean with half the width of its interval.

    >>> cell([61.24, 60.0, 62.48], 1), cell([61.24, None, None], 1), cell(None, 1)
    ('61.2 ± 1.2', '61.2', '-')
    """
    if values is None:
        return "-"
    mean, _, high = (None if v is None else scale * v for v in values)
    return f"{mean:.{digits}f}" + ("" if high is None else f" ± {high - mean:.{digits}f}")


def signed(values: Sequence[Any] | None, digits: int) -> str:
    """A difference with its sign, half its interval, and a star when the interval leaves out 0.

    >>> signed([2.0, 1.0, 3.0], 1), signed([-2.0, -5.0, 1.0], 1)
    ('+2.0 ± 1.0 \\\\*', '-2.0 ± 3.0')
    """
    if values is None:
        return "-"
    mean, low, high = values
    if low is None or high is None:
        return f"{mean:+.{digits}f}"
    star = " \\*" if low > 0 or high < 0 else ""
    return f"{mean:+.{digits}f} ± {high - mean:.{digits}f}{star}"


def grid(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table whose columns are aligned as plain text, too."""
    cells = [list(heads), *[list(line) for line in lines]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    rows = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in cells]
    return [rows[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *rows[1:]]


def budget_lines(budgets: Sequence[dict[str, Any]]) -> list[str]:
    """The budgets as a table: steps, images seen, CPU and wall time, parameters."""

    def number(x: float | None, unit: str = "") -> str:
        return "-" if x is None else f"{x:,.0f}{unit}".replace(",", " ")

    lines = [
        [b["label"], b.get("sees", "-"), b.get("faithful", "-"), number(b["steps"]), number(b["images"]),
         number(b["cpu_seconds"], " s"), number(b["wall_seconds"], " s"),
         "-" if b["parameters"] is None else f"{b['parameters'] / 1e6:.2f} M"]
        for b in budgets
    ]  # fmt: skip
    return grid(["Budget", "trained on", "method", "steps", "images", "CPU time", "wall time", "parameters"], lines)
