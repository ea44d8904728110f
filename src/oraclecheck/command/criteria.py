"""The criteria that a command line asks for: `criterion=l1,oracle@1000 criterion.taylor.images=20000`."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from oraclecheck.command.interpret_data import plain
from oraclecheck.criteria.scorer import Scorer
from oraclecheck.networks.target import check_targets
from oraclecheck.spelling import suggest

KEY = "criterion"


def criteria_of(words: Sequence[str]) -> list[Scorer]:
    """The criteria that `criterion...=` arguments ask for, each once; call it where Hydra is initialised.

    Args:
        words: `criterion=NAME,NAME@IMAGES,...`, `criterion.NAME.OPTION=VALUE`, and for a function of the user's
            `criterion._target_=MODULE.FUNCTION`, its options as `criterion.OPTION=VALUE` and its name as
            `criterion.name=NAME`.

    Raises:
        ValueError: If there is none, or a criterion or an option that there is not.
    """
    names: list[str] = []
    options: dict[str, dict[str, Any]] = {}
    own: dict[str, Any] = {}
    for word in words:
        key, _, value = word.partition("=")
        parts = key.split(".")
        if parts == [KEY]:
            names += [name.strip() for name in value.strip("[]").split(",")]
        elif len(parts) == 2:
            own[parts[1]] = _value(value)
        elif len(parts) == 3:
            options.setdefault(parts[1], {})[parts[2]] = _value(value)
        else:
            raise ValueError(f"arguments must be {KEY}.NAME.OPTION=VALUE; got {word!r}")
    names = list(dict.fromkeys(names))
    if unasked := next((name for name in options if name not in {name.partition("@")[0] for name in names}), None):
        raise ValueError(
            f"{KEY}.{unasked} must be an option of a criterion that {KEY}= asks for; got {', '.join(names)}"
        )
    scorers = [_named(name, options.get(name.partition("@")[0], {})) for name in names]
    if own:
        scorers.append(_own(own))
    if not scorers:
        raise ValueError(f"{KEY} must name at least one of {', '.join(_known())}, or {KEY}._target_ a function")
    return scorers


def _known() -> list[str]:
    options: Iterable[str] = GlobalHydra.instance().config_loader().get_group_options(KEY)
    return list(options)


def _named(name: str, given: dict[str, Any]) -> Scorer:
    """A criterion of the group, `NAME` or `NAME@IMAGES`."""
    base, at, images = name.partition("@")
    known = _known()
    if base not in known:
        hint = suggest(base, known)
        raise ValueError(f"{KEY} must be one of {', '.join(known)}; got {base!r}{f': {hint}' if hint else ''}")
    node = plain(compose(f"{KEY}/{base}"))[KEY]
    described = dict(node.get(base, node))
    if at:
        if "images" not in described or not re.fullmatch("[1-9][0-9]*", images):
            raise ValueError(f"{KEY} must be NAME@IMAGES only where it is measured on so many images; got {name!r}")
        given = {**given, "images": int(images)}
    allowed = [option for option in described if option != "_target_"]
    if unknown := next((option for option in given if option not in allowed), None):
        hint = suggest(unknown, allowed)
        raise ValueError(
            f"{KEY}.{base} must be given options that it has, {', '.join(allowed) or 'none'}; got {unknown!r}"
            f"{f': {hint}' if hint else ''}"
        )
    return _scorer(name, {**described, **given}, f"{KEY}.{base}")


def _own(given: dict[str, Any]) -> Scorer:
    if "_target_" not in given:
        raise ValueError(f"{KEY}._target_ must name a function for {KEY}.{next(iter(given))}; got none")
    name = given.pop("name", None) or str(given["_target_"]).rpartition(".")[2]
    if not re.fullmatch(r"[\w.+@-]+", str(name)):
        raise ValueError(f"{KEY}.name must be letters, digits, '.', '_', '+', '@' and '-'; got {name!r}")
    if name in _known():
        raise ValueError(f"{KEY}.name must differ from those there are; got {name!r}: choose another one")
    return _scorer(str(name), given, KEY)


def _scorer(name: str, described: dict[str, Any], key: str) -> Scorer:
    check_targets(described, key)
    scorer = Scorer(name, described.pop("_target_"), described)
    _ = scorer.function  # are its options what it takes?
    return scorer


def _value(text: str) -> Any:
    return plain(OmegaConf.from_dotlist([f"value={text}"]))["value"]
