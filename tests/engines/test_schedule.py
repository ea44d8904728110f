import pytest

from oraclecheck.engines.recipe import parse_recipe
from oraclecheck.engines.schedule import halving


@pytest.mark.parametrize(
    ("epochs", "first", "schedule"),
    [  # the second paper's worked examples, and its scratch schedule for ResNet34
        (90, 1e-1, ((0, 1e-1), (30, 1e-2), (60, 1e-3), (75, 1e-4), (83, 1e-5))),
        (60, 1e-2, ((0, 1e-2), (30, 1e-3), (45, 1e-4), (53, 1e-5))),
        (120, 1e-1, ((0, 1e-1), (30, 1e-2), (60, 1e-3), (90, 1e-4), (105, 1e-5))),
        (30, 1e-4, ((0, 1e-4), (15, 1e-5))),
        (8, 1e-5, ((0, 1e-5),)),
    ],
)
def test_halving_rule_gives_the_papers_schedules(epochs, first, schedule):
    assert halving(epochs, first, 1e-5) == schedule


def recipe(epochs, lr, **others):
    return parse_recipe("retrain", lr, epochs=epochs, batch_size=32, momentum=0.9, weight_decay=0, **others)


def test_extra_epochs_go_to_the_first_stage():
    """P30F90 from 1e-2 with 60 more: the schedule of 90 epochs, all but its first stage 60 epochs later."""
    assert halving(90, 1e-2, 1e-5) == ((0, 1e-2), (30, 1e-3), (60, 1e-4), (75, 1e-5))
    extended = recipe(150, "halving 1e-2 to 1e-5 +60")
    assert extended.epochs == 150 and extended.schedule == ((0, 1e-2), (90, 1e-3), (120, 1e-4), (135, 1e-5))


def test_longest_stage_is_shrunk_with_the_epochs():
    """120 epochs in stages of at most 30, and a tenth of them in stages of at most 3."""
    tenth = recipe(12, "halving 1e-2 to 1e-5 at most 3")
    whole = recipe(120, "halving 1e-2 to 1e-5")
    assert [10 * epoch for epoch, _ in tenth.schedule] == [epoch for epoch, _ in whole.schedule] == [0, 30, 60, 90]
    assert recipe(16, "halving 1e-2 to 1e-5 at most 3 +4").schedule[:2] == ((0, 1e-2), (7, 1e-3))


def test_halving_rule_is_said_in_place_of_the_pairs_that_it_gives():
    assert recipe(60, "halving 1e-2 to 1e-5") == recipe(60, "0: 1e-2, 30: 1e-3, 45: 1e-4, 53: 1e-5")


@pytest.mark.parametrize(
    ("lr", "says"),
    [
        ("halving 1e-2", "halving RATE to RATE"),
        ("halving x to 1e-5", "halving RATE to RATE"),
        ("halving inf to 1e-5", "halving RATE to RATE"),
        ("halving 1e400 to 1e400", "halving RATE to RATE"),
        ("halving 1e-400 to 1e-400", "halving RATE to RATE"),
        ("halving 1e-1 to 1e-300", "have an epoch for each of its rates; there are 8"),
        ("halving 1e-1 to 1e-5 at most 0", "leave its stages an epoch"),
        ("halving 1e-2 to 0", "halving RATE to RATE"),
        ("halving 1e-2 to 3e-4", "come from its first to its last rate by tenths"),
        ("halving 1e-4 to 1e-2", "come from its first to its last rate by tenths"),
        ("halving 1e-1 to 1e-5", "have an epoch for each of its 5 rates; there are 8"),
        ("halving 1e-2 to 1e-3 +8", r"leave epochs beside the \+8 of its first stage; got 8"),
    ],
)
def test_halving_rule_that_cannot_be_followed_names_its_key(lr, says):
    with pytest.raises(ValueError, match=rf"^retrain\.lr must .*{says}"):
        recipe(8, lr)


def test_cosine_falls_to_its_least_rate():
    """The second paper's Tables 6 and 7: from the initial rate to 1e-4."""
    cosine = recipe(10, "0: 1e-2", decay="cosine", lr_min=1e-4)
    rates = [cosine.rate(epoch) for epoch in (0, 5, 10)]
    assert rates == pytest.approx([1e-2, (1e-2 + 1e-4) / 2, 1e-4])
    assert cosine.described["lr_min"] == 1e-4 and "lr_min" not in recipe(10, "0: 1e-2", decay="cosine").described


@pytest.mark.parametrize(("decay", "least"), [("step", 1e-4), ("cosine", 0.1), ("cosine", -1.0)])
def test_least_rate_without_a_cosine_above_it_is_refused(decay, least):
    with pytest.raises(ValueError, match=r"^retrain\.lr_min must"):
        recipe(10, "0: 1e-2", decay=decay, lr_min=least)
