"""Tables of what a comparison is worth: the setups that it meets, and what each study spends."""

from collections.abc import Mapping, Sequence

from oraclecheck.analysis.setups import ASKS, CHAIN, PARTS, Conditions, Setup, strictest
from oraclecheck.report.typesetting import Layout

_MET = {True: "met", False: "not met", None: "not known"}


def setups_layout(found: Sequence[Setup]) -> Layout:
    """Every setup, whether it is met, and why not: a row for each reason."""
    rows: list[tuple[str, ...]] = []
    for setup in found:
        first, *others = setup.why or ("",)
        rows.append((setup.name, ASKS[setup.name], _MET[setup.met], first))
        rows += [("", "", "", other) for other in others]
    title = "Comparison setups of Wang et al. (arXiv 2301.05219)"
    return Layout("setups", title, ("setup", "asks for", "", "why"), tuple(rows), left=4)


def setups_sentence(found: Sequence[Setup]) -> str:
    """Which setups a comparison meets, and what keeps it from the next of the chain."""
    unmet = next((setup for setup in found if setup.name in CHAIN and not setup.met), None)
    why = f"; {unmet.name} is {_MET[unmet.met]}: {', '.join(unmet.why)}" if unmet else ""
    return f"Comparison setup (arXiv 2301.05219): {strictest(found)}{why}."


def budgets_layout(studies: Sequence[Conditions]) -> Layout:
    """What each study spends before and after pruning, and what its networks are."""
    rows = []
    for study in studies:
        speedup = "–" if study.speedup is None else f"{study.speedup:.2f}x"
        epochs = [_number(value, "{:,.0f}") for value in _with_total(study, study.epochs)]
        flops = [_number(value, "{:.4g}") for value in _with_total(study, study.flops)]
        rows.append((study.study, speedup, *epochs, *flops))
    heads = ("study", "speed-up", *PARTS, "epochs in all", *PARTS, "FLOPs in all")
    explained = (
        "FLOPs are for one training image, two a multiply-accumulate, of forward passes; backward passes take twice as "
        "many again."
    )
    notes = (explained, *(f"{study.hidden}." for study in studies if study.hidden))
    return Layout("budgets", "What the studies spend: epochs, then FLOPs", heads, tuple(rows), notes, left=1)


def _with_total(study: Conditions, budget: Mapping[str, float | None]) -> list[float | None]:
    return [*budget.values(), study.total(budget)]


def _number(value: float | None, form: str) -> str:
    return "not known" if value is None else form.format(value)
