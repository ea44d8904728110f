"""Writes a model of TinyLLaVA's as a LLaVA of the Hub's format, which studies are made of, or such a one back.

SOURCE is a folder or a name on the Hub, TARGET a folder that is made. What was retrained from a converted model is
written back for TinyLLaVA's own evaluation.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from oraclecheck.exits import Parser, code_of


def main(argv: Sequence[str] | None = None) -> int:
    """Convert a model; returns the exit code, 2 if the user has to mend something.

    Args:
        argv: Command line without the program's name; None reads `sys.argv`.
    """
    parser = Parser(prog="python -m oraclecheck.convert", description=__doc__)
    parser.add_argument("source", metavar="SOURCE", help="what is converted")
    parser.add_argument("target", metavar="TARGET", help="where it goes; nothing may be there")
    parser.add_argument(
        "--tokenizer", metavar="DIR", help="folder or Hub name of it; else the model's, or what it names"
    )
    parser.add_argument("--processor", metavar="DIR", help="the same of the image processor")
    options = parser.parse_args(argv)
    return code_of(
        lambda: _convert(options.source, Path(options.target), options.tokenizer, options.processor),
    )


def _convert(source: str, target: Path, tokenizer: str | None, processor: str | None) -> None:
    from oraclecheck.multimodal.hub import configuration, fetched

    if target.exists():
        raise ValueError(f"TARGET must be a folder that is not there yet; got {target}")
    folder = fetched("SOURCE", source)
    kind = configuration(folder, "SOURCE").get("model_type")
    if kind not in ("tinyllava", "llava"):
        raise ValueError(f"SOURCE must say model_type tinyllava or llava in its config.json; got {kind}")
    print(f"Converting {source}: its weights are read and written once ...", file=sys.stderr)
    from oraclecheck.multimodal.tinyllava import from_tinyllava, to_tinyllava

    if kind == "tinyllava":
        from_tinyllava(folder, target, tokenizer, processor)
        print(f"Done: a study of it is made with model=tinyllava model.path={target}")
    else:
        to_tinyllava(folder, target)
        print(f"Done: {target} is in TinyLLaVA's format")


if __name__ == "__main__":
    sys.exit(main())
