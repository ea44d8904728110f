"""Scores of criteria for studies that are there: `python -m oraclecheck.score STUDY... criterion=l1,taylor`."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oraclecheck.command import schema
from oraclecheck.command.arguments import parse, quoted, tell
from oraclecheck.command.composition import initialised
from oraclecheck.exits import INTERRUPTED, USER_ERROR

if TYPE_CHECKING:
    from oraclecheck.command.stored_study import StoredStudy
    from oraclecheck.criteria.scorer import Scorer
    from oraclecheck.records.scores import Scores

KEEP_SECONDS = 20.0
"""Between writings of scores that take long: a command that is killed goes on from there."""

USAGE = """python -m oraclecheck.score STUDY... criterion=NAME,... [KEY=VALUE ...]

Scores every combination of the studies that has a record, without retraining anything, and keeps the scores beside
the records, in STUDY/scores/NAME.parquet. The same command again scores only what has no score yet.

  criterion=l1,taylor,oracle@1000    criteria; NAME@N measures on N images; conf/criterion/ holds them and their options
  criterion.taylor.images=20000      an option of one
  criterion._target_=mine.score      your own: (network, data) -> {layer: scores of its filters}, or
                                     (pruned network, data) -> score; lower is better to remove
  criterion.name=NAME                what its table is called
  'combo="0-999"'                    these combinations of the space instead of those with a record
  data.root=DIR                      where the data are now, and whatever else is no part of a study
  --config-dir DIR                   with criterion/NAME.yaml of your own
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Score studies; returns the exit code.

    0: all is scored. 2: something is not because of the user's input, and a line says why; the rest is scored.

    Args:
        argv: Command line without the program's name; None reads `sys.argv`.
    """
    arguments = [quoted(argument) for argument in (sys.argv[1:] if argv is None else argv)]
    if not arguments or {"-h", "--help"} & {*arguments}:
        print(USAGE, end="")
        return 0 if arguments else USER_ERROR
    show_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    schema.register()
    config_dir = None
    try:
        parsed = parse(arguments)
        config_dir = parsed.config_dir
        studies, criteria, combo, others = _sorted(parsed.overrides)
        from oraclecheck.command.criteria import criteria_of

        with initialised(config_dir):
            scorers = criteria_of(criteria)
        return _score(studies, scorers, combo, others, show_traceback)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        tell(error, config_dir, show_traceback=show_traceback)
        return USER_ERROR


def _sorted(words: Sequence[str]) -> tuple[list[Path], list[str], str | None, list[str]]:
    """Studies, what criteria are asked for, `combo`, and the other arguments."""
    studies: list[Path] = []
    criteria, others, combo = [], [], None
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or Path(word).is_dir():
            studies.append(Path(word))
        elif key == "criterion" or key.startswith("criterion."):
            criteria.append(word)
        elif key == "combo":
            combo = value.strip("'\"")
        else:
            others.append(word)
    if not studies:
        raise ValueError("STUDY must name at least one study's folder, such as multirun/NAME; got none")
    return studies, criteria, combo, others


def _score(
    studies: Sequence[Path], scorers: "Sequence[Scorer]", combo: str | None, others: list[str], show_traceback: bool
) -> int:
    from oraclecheck.command.stored_study import StoredStudy

    code = 0
    for folder in studies:
        try:
            stored = StoredStudy.of(folder, others)
        except ValueError as error:
            tell(error, show_traceback=show_traceback)
            code = USER_ERROR
            continue
        for scorer in scorers:
            try:
                _score_study(stored, scorer, combo)
            except ValueError as error:
                tell(ValueError(f"{stored.folder.name}: {error}"), show_traceback=show_traceback)
                code = USER_ERROR
    return code


def _score_study(stored: "StoredStudy", scorer: "Scorer", combo: str | None) -> None:
    """Score what has no score yet, keep it, and say so."""
    import torch

    from oraclecheck.pipelines.scoring import check_apart, filters_scores, network_scores, sums
    from oraclecheck.records.scores import scores_path, write_scores
    from oraclecheck.waiting import waiting

    torch.set_num_threads(stored.setting.trainer.threads)
    asked = _combinations(stored, combo)
    scores = _begun(stored, scorer)
    left = [each for each in asked if each.name not in scores.values]
    known, begun = len(scores.values), time.perf_counter()

    def keep() -> None:
        nonlocal begun
        now = time.perf_counter()
        scores.seconds, begun = scores.seconds + now - begun, now
        write_scores(stored.folder, scores)

    unrecorded = []
    for each in left:
        value = scorer.recorded(each.runs)
        if value is None:
            unrecorded.append(each)
        else:
            scores.values[each.name] = value
    if unrecorded:
        _check_alike(stored, scorer, len(unrecorded))
        network, data = stored.network, stored.data
        scores.images = scorer.images(data)
        begun = time.perf_counter()
        filters = filters_scores(scorer, network, data, stored.setting)
        if filters is not None:
            scores.additive, scores.normalised = True, len(filters) > 1
            scores.values.update(sums(filters, unrecorded))
        else:
            with waiting(f"scoring by {scorer.name}", len(unrecorded)) as step:
                kept = time.monotonic()
                try:
                    for name, value in network_scores(scorer, unrecorded, network, data, stored.setting):
                        scores.values[name] = value
                        step()
                        if time.monotonic() - kept > KEEP_SECONDS:
                            keep()
                            kept = time.monotonic()
                finally:
                    keep()
    if left:
        keep()
    try:
        check_apart(scorer, scores.values)
    except ValueError:
        scores_path(stored.folder, scorer.name).unlink(missing_ok=True)  # a report would list it
        raise
    new, path = len(scores.values) - known, f"{stored.folder.name}/scores/{scorer.name}.parquet"
    print(f"{scorer.name}: {len(asked):,} combinations, {new:,} of them now, {scores.seconds:.3g} s in all: {path}")


def _check_alike(stored: "StoredStudy", scorer: "Scorer", unrecorded: int) -> None:
    """Refuse to put losses of the dense network, pruned, beside recorded ones of networks with another history."""
    from oraclecheck.analysis.outcomes import RANDOM_BEFORE

    pipeline = stored.setting.pipeline.name
    if pipeline in RANDOM_BEFORE and scorer.of_evaluation and scorer.options.get("images") is None:
        raise ValueError(
            f"criterion {scorer.name} must be asked for combinations with a record where pipeline is {pipeline}, for "
            f"pruning the dense network does not give those that it measures; got {unrecorded} without"
        )


def _combinations(stored: "StoredStudy", combo: str | None) -> list[Any]:
    """What is to be scored: the combinations with a record, or those of a set."""
    from oraclecheck.command.interpret import combinations_of
    from oraclecheck.pipelines.scoring import StoredCombination

    recorded = stored.recorded()
    if combo is None:
        if not recorded:
            raise ValueError("a study must have records to be scored; it has none: 'combo=\"0-99\"' scores others")
        return recorded
    found = {each.name: each for each in recorded}
    space, asked = stored.setting.pruning.space, []
    for member in combinations_of(combo, space):
        if isinstance(member, str) and member not in found:
            raise ValueError(f"combo must be indices, or picks with a record; got {member}")
        asked.append(found.get(str(member)) or StoredCombination(str(member), space.unrank(int(member))))
    return asked


def _begun(stored: "StoredStudy", scorer: "Scorer") -> "Scores":
    """The scores so far, none if they were scored in another way; they come to be of this command."""
    from oraclecheck.engines.trainer import device_of
    from oraclecheck.records.provenance import provenance
    from oraclecheck.records.scores import Scores, read_scores, scores_path

    trainer, described = stored.setting.trainer, scorer.described()
    modules = [stored.setting.network.description["_target_"], scorer.target]
    computed = provenance(device_of(trainer), trainer.threads, modules, {})
    scores = Scores(described, stored.study.hash, False, False, 0.0, computed["versions"], computed["device"], {})
    try:
        before = read_scores(scores_path(stored.folder, scorer.name))
    except FileNotFoundError:
        return scores
    if before.criterion != described or before.study_hash != stored.study.hash:
        return scores
    scores.values, scores.seconds = before.values, before.seconds
    scores.additive, scores.normalised, scores.images = before.additive, before.normalised, before.images
    return scores


if __name__ == "__main__":
    sys.exit(main())
