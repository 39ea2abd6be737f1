"""Checks for chapter 11: what an ablation changes, terms that need each other, luck, and a term's share."""

from collections.abc import Callable

from cadnet_edu.teach.exercises.report import answer, expect, reports

__all__ = ["check_changes", "check_false_star", "check_interaction", "check_weight_for_share"]


ON = {"lambda_adv_DF": 0.05, "lambda_rec": 1000, "lambda_adv_DI": 0.005, "lambda_cls": 1}
OFF = {"lambda_adv_DF": 0, "lambda_rec": 0, "lambda_adv_DI": 0, "lambda_cls": 1}


@reports("each setting counts once, inside and outside, and a name is no setting.")
def check_changes(student: Callable) -> None:
    """Check ``changes(before, after)``: in how many settings two configurations differ.

    Both are dicts with the same keys, nested as ``Config.to_dict()`` nests them: a value may be a dict of settings
    itself, and each setting in it counts. ``method`` is a name for tables, and does not count.
    """
    full = {"method": "cadnet", "features": "joint", "loss": ON}
    one = {"method": "without_rec", "features": "joint", "loss": ON | {"lambda_rec": 0}}
    mistakes = {
        "the name counts as a change. It changes nothing that is computed: leave 'method' out.": 2,
        "these are the settings that stayed.": 4,
        "nothing seems to have changed: look inside 'loss' as well.": 0,
    }
    expect(answer(student, full, one), 1, "CAD-Net and CAD-Net without L_rec", mistakes)
    control = {"method": "control", "features": "f", "loss": OFF}
    mistakes = {
        "'loss' counts once, however many of its weights changed. Then a control without three losses looks like an "
        "ablation of one: count what is inside.": 2,
        "only the weights in 'loss' are counted; settings beside it can change too.": 3,
        "the change of 'loss' counts beside those of the weights in it.": 5,
    }
    expect(answer(student, full, control), 4, "three weights and 'features' changed", mistakes)
    turned = {"loss": dict(reversed(ON.items())), "features": "joint", "method": "cadnet"}
    mistakes = {"the order of the keys counts as a change: compare key by key, not one text with another.": 1}
    expect(answer(student, full, turned), 0, "the same settings in another order", mistakes)


@reports("what the one term does with the other there, minus what it does without.")
def check_interaction(student: Callable) -> None:
    """Check ``interaction(both, without_a, without_b, neither)``: how much more a term brings when the other is there.

    The arguments are scores: with both terms, with one of them off, with both off.
    """
    mistakes = {
        "the sign is turned: what the term brings with the other there comes first.": -5,
        "this is half of it, as some tables of statistics have it; here the difference of two effects is wanted.": 2.5,
        "this is what term a brings while b is there, which is all that a table like the paper's can show. Take away "
        "what it brings while b is not there.": 6,
        "this is what term b brings while a is there. Take away what it brings while a is not there.": 3,
        "this is what both bring together. Take away what each would bring alone.": 4,
        "this is the sum of the two drops. The question is by how much it misses the drop of taking both away.": 9,
        "'neither' has been forgotten: without the fourth network nothing can be said.": 50 - 44 - 47,
    }
    expect(answer(student, 50, 44, 47, 46), 5, "scores of 50, 44, 47 and 46", mistakes)
    where = "scores of 50, 47, 46 and 43: each term brings what it brings, alone or not"
    expect(answer(student, 50, 47, 46, 43), 0, where)
    mistakes = {"terms that stand in for each other have an interaction below 0: keep the sign.": 10}
    expect(answer(student, 50, 50, 50, 40), -10, "scores of 50, 50, 50 and 40", mistakes)


@reports("one minus the chance that none of them gets one.")
def check_false_star(student: Callable) -> None:
    """Check ``false_star(comparisons, level)``: the chance of a star where there is nothing to see.

    A comparison of two things that do not differ gets a star by mere luck with the chance ``level``, 0.05 say. Wanted
    is the chance that at least one of several independent comparisons gets one.
    """
    mistakes = {
        "this is how many stars there are on average. The chance of at least one is less, and never above 1.": 1.0,
        "this is the chance that all of them get a star.": 0.5**2,
        "this is the chance that one comparison gets a star, however many there are.": 0.5,
    }
    expect(answer(student, 2, 0.5), 0.75, "2 comparisons at level 0.5", mistakes)
    mistakes = {
        "this is how many stars there are on average. The chance of at least one is less, and never above 1.": 1.8,
        "this is the chance that none gets a star; what is wanted is the opposite.": 0.95**36,
        "this is the chance that exactly one gets a star; two are no better.": 36 * 0.05 * 0.95**35,
    }
    expect(answer(student, 36, 0.05), 1 - 0.95**36, "36 comparisons at level 0.05", mistakes)
    expect(answer(student, 0, 0.05), 0, "no comparison at all")


@reports("share over the rest of the share, times the others' pull, over the term's own.")
def check_weight_for_share(student: Callable) -> None:
    """Check ``weight_for_share(pull, others, share)``: the loss weight that gives a term its share of the gradient.

    ``pull`` is the length of the term's gradient at weight 1, ``others`` the lengths of all other terms' weighted
    gradients, added up, ``share`` the part of the whole that the term is to have, below 1.
    """
    mistakes = {
        "this makes the term's pull that part of the others', not of the whole: the whole grows with the term.": 37.5,
        "the term's own pull multiplies; the stronger a term pulls by itself, the smaller the weight it needs.": 0.02,
        "the share is turned over: this is the weight that leaves the others that share.": 450,
        "the others' pull is not in it.": 0.25 / 0.75 / 0.02,
        "this is the wanted pull; divide by the pull at weight 1 to get the weight.": 1,
    }
    expect(answer(student, 0.02, 3.0, 0.25), 50, "a pull of 0.02, others of 3, a share of 1/4", mistakes)
    expect(answer(student, 2.0, 6.0, 0.5), 3, "a pull of 2, others of 6, a share of 1/2")
    expect(answer(student, 2.0, 6.0, 0.0), 0, "a share of 0: the term is off")
