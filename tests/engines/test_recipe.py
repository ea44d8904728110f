import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oraclecheck.engines.recipe import Recipe, parse_recipe


def recipe(epochs: int, lr: str, **others: object) -> Recipe:
    return parse_recipe(
        "retrain", lr, **{"epochs": epochs, "batch_size": 256, "momentum": 0.9, "weight_decay": 1e-4, **others}
    )


@pytest.mark.parametrize(
    ("epochs", "lr", "scaled_epochs", "scaled"),
    [  # the authors' 10 % schedules (Feng et al., Appendix E)
        (30, "0: 1e-3, 20: 1e-4", 3, ((0, 1e-3), (2, 1e-4))),
        (120, "0: 1e-2, 60: 1e-3, 90: 1e-4", 12, ((0, 1e-2), (6, 1e-3), (9, 1e-4))),
        (30, "0: 1e-2, 10: 1e-3, 20: 1e-4", 3, ((0, 1e-2), (1, 1e-3), (2, 1e-4))),
    ],
)
def test_tenth_of_a_recipe_is_the_authors(epochs, lr, scaled_epochs, scaled):
    tenth = recipe(epochs, lr).scaled(0.1)
    assert (tenth.epochs, tenth.schedule) == (scaled_epochs, scaled)


@given(st.floats(0.001, 1), st.integers(1, 300), st.lists(st.integers(1, 299), max_size=4, unique=True))
def test_scaled_schedule_is_always_a_schedule(fraction, epochs, boundaries):
    starts = [0, *sorted(start for start in boundaries if start < epochs)]
    lr = ", ".join(f"{start}: {0.1 / (1 + i)}" for i, start in enumerate(starts))
    scaled = recipe(epochs, lr).scaled(fraction)
    found = [start for start, _ in scaled.schedule]
    assert (
        found[0] == 0 and found == sorted(set(found)) and found[-1] < scaled.epochs == max(1, round(fraction * epochs))
    )


def test_whole_fraction_changes_nothing():
    assert recipe(30, "0: 1e-3, 20: 1e-4").scaled(1.0) == recipe(30, "0: 1e-3, 20: 1e-4")


def test_rate_is_constant_between_boundaries():
    rates = [recipe(5, "0: 0.3, 2: 0.2, 3: 0.1").rate(epoch) for epoch in range(5)]
    assert rates == [0.3, 0.3, 0.2, 0.1, 0.1]


@pytest.mark.parametrize(
    "lr", ["", "1: 0.1", "0: 0.1, 0: 0.2", "0: 0.1, 3: 0.1, 2: 0.1", "0: -1", "0: inf", "0 0.1", "0: 1, 9: 1"]
)
def test_malformed_schedule_names_its_key(lr):
    with pytest.raises(ValueError, match=r"^retrain\.lr must"):
        recipe(5, lr)


def test_cosine_starts_at_its_rate_and_is_half_of_it_at_half_time():
    cosine = recipe(10, "0: 0.2", decay="cosine")
    assert cosine.rate(0) == 0.2 and cosine.rate(5) == pytest.approx(0.1)
    network = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.2)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    for epoch in range(10):
        assert cosine.rate(epoch) == pytest.approx(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert cosine.scaled(0.5).rate(2) == pytest.approx(cosine.rate(4))


@pytest.mark.parametrize(
    ("name", "value"),
    [("label_smoothing", 1.0), ("mixup", -0.1), ("cutmix", float("inf")), ("gradient_clip", 0.0), ("momentum", 1.0)],
)
def test_value_out_of_range_names_its_key(name, value):
    with pytest.raises(ValueError, match=rf"^retrain\.{name} must .*; got {value}"):
        recipe(5, "0: 0.1", **{name: value})


def test_cosine_with_steps_is_refused():
    with pytest.raises(ValueError, match=r"^retrain\.lr must be one rate"):
        recipe(5, "0: 0.1, 3: 0.01", decay="cosine")


def test_schedule_is_cut_off_where_the_epochs_end():
    short = recipe(2, "0: 1e-2, 1: 1e-3, 20: 1e-4", cut_off=True)
    assert (short.epochs, short.schedule) == (2, ((0, 1e-2), (1, 1e-3)))


@pytest.mark.parametrize("name", ["epochs", "batch_size"])
def test_number_beyond_torchs_integers_is_refused(name):
    with pytest.raises(ValueError, match=rf"^retrain\.{name} must be at most 1,000,000,000; got 1{'0' * 400}"):
        parse_recipe(
            "retrain", "0: 0.1", **{"epochs": 1, "batch_size": 1, "momentum": 0.9, "weight_decay": 0, name: 10**400}
        )
