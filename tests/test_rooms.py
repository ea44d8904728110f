"""The rooms of the house import only downwards."""

import ast
from pathlib import Path

import oraclecheck

ROOMS = (
    {"__version__", "errors", "exits", "files", "leases", "seeds", "spelling", "waiting"},
    {"data", "networks"},
    {"multimodal"},
    {"pruning"},
    {"engines"},
    {"criteria"},
    {"study"},
    {"pipelines", "records"},
    {"analysis", "command"},
    {"oracle", "report", "experiment"},
    {"sweep"},
    {"answers", "audit", "cli", "convert", "layers", "experiments", "publish", "score", "status"},
    {"__main__"},
)
"""From the ground up: a room may use those below it."""

SOURCE = Path(oraclecheck.__file__).parent
FLOOR = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms}


def imported(path: Path) -> set[str]:
    """The rooms whose modules a file imports."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "oraclecheck":
            rooms |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("oraclecheck."):
            rooms.add(node.module.split(".")[1])
    return rooms


def test_rooms_import_only_downwards():
    found = {path: path.relative_to(SOURCE).parts[0].removesuffix(".py") for path in SOURCE.rglob("*.py")}
    assert set(found.values()) - {"__init__"} == set(FLOOR) - {"__version__"}
    wrong = [
        f"{path.relative_to(SOURCE)} imports {other}"
        for path, room in found.items()
        if room != "__init__"  # it imports nothing before it is asked to
        for other in imported(path) - {room}
        if FLOOR[other] >= FLOOR[room]
    ]
    assert not wrong


def test_statistics_take_arrays_and_know_nothing_else():
    for path in (SOURCE / "analysis" / "statistics").rglob("*.py"):
        tree = ast.parse(path.read_text())
        modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        ours = {module for module in modules if module and module.startswith("oraclecheck")}
        assert all(module.startswith("oraclecheck.analysis.statistics") for module in ours), path
