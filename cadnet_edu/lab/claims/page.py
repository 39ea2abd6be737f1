"""Write the table of claims as a page of the book, from its JSON alone."""

import re
from collections.abc import Mapping
from typing import Any

from cadnet_edu.lab.claims.rules import SMALLEST_EFFECT

SIGNS = {"holds": "✓", "holds in part": "◐", "open here": "○", "does not hold here": "✗", "not testable here": "–"}
MEANS = {
    "holds": "in every comparison the interval clears its bound",
    "holds in part": "in some it does",
    "open here": "in none it does, and each allows an effect that counts: these seeds cannot tell",
    "does not hold here": "in none it does, and in one or more all of it lies on the wrong side, or the effect is too "
    "small",
    "not testable here": "a method is missing, or runs are",
}
OUTCOMES = {"yes": "✓", "no": "✗ the opposite", "small": "✗ too small", "open": "open", "missing": "–"}
SMALLEST = ", ".join(
    f"{least:g} {(unit.removesuffix('s') if least == 1 else unit) or 'of silhouette'}"
    for unit, least in SMALLEST_EFFECT.items()
)
HEAD = """# The claims of the paper, one by one

Each claim stands here as the paper has it (Li et al., 2019), with the experiment that tests it, the rule of the
verdict, our numbers, and the verdict. A verdict is about *our* data, networks and budget; it says neither more nor less
about the paper's own experiments.

Experiments, bounds and the rules of "holds" and "holds in part" were written before the numbers were seen. Two things
were changed afterwards. "Open here" was set apart from "does not hold here", for a claim that our seeds cannot decide
is not a claim that they speak against. And "too small" was set apart from "open", for an interval around 0 that allows
no effect of any size *has* decided. No claim came to hold by either.

**Too small** is a difference whose interval lies on both sides of 0 and ends, on the claimed side, below
{smallest}. These bounds are ours. One point of rank-1 is
also that of {doc}`regimes`, written before its runs, and less than any gain of the joint vector over one half in the
paper's Table 1 (1.3 points or more). {alone} Every interval is there to see: bring your own bound.

How a sentence becomes a test, how much of a ledger like this one is luck, and what a reader may conclude is the subject
of {doc}`chapters/13_ledger_of_claims`.

An interval is the 95 % interval of the mean over seeds (Student's t), of a difference taken seed by seed where two
methods are compared. There are two regimes. "All labels": labels for all training people. "Few labels": for a fifth
of them, while the images of all are there. {doc}`regimes` asks in three more situations where recovery earns its time.
"""


def page(data: Mapping[str, Any]) -> str:
    """The page's text, in MyST Markdown, from the data of ``claims_table``."""
    alone = sum(c["verdict"] == "does not hold here" and "no" not in [n["says"] for n in c["numbers"]]
                for c in data["claims"])  # fmt: skip
    told = "One claim does" if alone == 1 else f"{alone or 'No'} claims do"
    head = HEAD.replace("{smallest}", SMALLEST).replace("{alone}", f"{told} not hold here by this rule alone.")
    lines = [head, source(data), "", "| verdict | when | claims |", "|---|---|---|"]
    lines += [f"| {SIGNS[verdict]} {verdict} | {MEANS[verdict]} | {n} |" for verdict, n in data["verdicts"].items()]
    for number, claim in enumerate(data["claims"], 1):
        lines += ["", entry(number, claim)]
    return "\n".join(lines) + "\n"


def source(data: Mapping[str, Any]) -> str:
    """The provenance of the numbers, in one or two sentences."""
    made = data["provenance"]
    if not made["records"]:
        return "No run has been recorded yet, so no claim has been tested."
    command = f" Made by `{data['command']}`." if "command" in data else ""
    return (
        f"Preset `{data['preset']}`, {made['records']} runs; seeds {', '.join(map(str, data['seeds']))}; code "
        f"{', '.join(made['code'])}, commit {', '.join(made['commit'])}; {', '.join(made['device'])} in "
        f"{', '.join(made['precision'])}; PyTorch {', '.join(made['torch'])}; {', '.join(made['date'])}.{command}"
    )


def entry(number: int, claim: Mapping[str, Any]) -> str:
    """The section of one claim."""
    name, verdict = plain(claim["name"].replace("-", " ")), claim["verdict"]
    paragraphs = [
        f"## {number}. {SIGNS[verdict]} {verdict.capitalize()}: {name}",
        f"> {plain(claim['sentence'])} ({claim['section']})",
        f"**Test.** {plain(claim['experiment'])}",
        f"**Rule.** {claim['rule']}",
    ]
    if claim["numbers"]:
        head = "| comparison | mean | 95 % interval | each seed | wanted | |\n|---|---|---|---|---|---|"
        paragraphs.append("\n".join([head, *map(row, claim["numbers"])]))
    return "\n\n".join([*paragraphs, f"**Verdict: {verdict}.** {claim['why']}"])


def row(number: Mapping[str, Any]) -> str:
    """One comparison as a row of a table."""
    unit = f" {number['unit']}" if number["unit"] else ""
    mean = "–" if number["mean"] is None else f"{number['mean']:.3g}{unit}"
    interval = "–" if number["low"] is None else f"{number['low']:.3g} to {number['high']:.3g}"
    each = ", ".join(f"{v:.3g}" for v in number["by_seed"].values()) or "–"
    cells = (plain(number["what"]), mean, interval, each, number["wanted"])
    return f"| {' | '.join(cells)} | {OUTCOMES[number['says']]} |"


def plain(text: str) -> str:
    """Mark names of losses and of code as code, so that no underscore or brace becomes markup.

    >>> plain("rank-1, f_only minus without_adv_DF; loss L_adv^{D_F} of D_F")
    'rank-1, `f_only` minus `without_adv_DF`; loss `L_adv^{D_F}` of `D_F`'
    """
    return re.sub(r"(?<!\S)(\S*_\S*?)([,.;:]*)(?!\S)", r"`\1`\2", text)
