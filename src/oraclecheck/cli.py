"""The command line: check everything first, let Hydra run the jobs, then say what is missing.

Only `main` is a command. Importing this module costs next to nothing, so that `--help` answers at once.
"""
import sys
from pathlib import Path
import hydra
from omegaconf import DictConfig
from oraclecheck import config
PACKAGE = Path(__file__).parent
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parent.parent / "conf"
def job(cfg):
    from oraclecheck.experiment import run
    run(cfg)
def main(argv=None):
    config.register()
    if argv is not None: sys.argv=["oraclecheck",*argv]
    hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(job)()
