import pytest

from oraclecheck.analysis.trainability import first_stage, trainability_accuracy


def history(rates: list[float], accuracies: list[float] | None = None) -> list[dict[str, float]]:
    values = accuracies or [0.5] * len(rates)
    return [{"lr": rate, "test_accuracy": accuracy} for rate, accuracy in zip(rates, values, strict=True)]


def test_trainability_is_the_mean_accuracy_of_the_first_stage():
    found = history([0.1, 0.1, 0.1, 0.01], [0.2, 0.5, 0.8, 0.9])
    assert first_stage(found) == 3 and trainability_accuracy(found) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("rates", "stage"),
    [([0.1], 1), ([0.1, 0.1], 2), ([0.1, 0.01, 0.01], 1), ([0.1, 0.09, 0.05, 0.01], 0), ([], 0)],
)
def test_first_stage_ends_where_the_rate_changes_and_a_cosine_has_none(rates, stage):
    assert first_stage(history(rates)) == stage
    assert (trainability_accuracy(history(rates)) is None) == (stage == 0)
