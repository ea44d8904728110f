#!/usr/bin/env bash
# What a machine with a GPU is for, one part after the other: `bash benchmarks/gpu.sh tests profile rows cell`.
#
# Each part has its time limit and writes what it says to a file of $OUT as it goes; one that fails lets the others
# begin. Packages are those of $PYTHON, with $PYTHONPATH; nothing is installed. `cell` needs $ORACLECHECK_DATA, the
# folder above MNIST/raw; its records end in $OUT/cell.tar.xz, and a $CELL that names such a file is gone on with.
set -uo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
OUT=$(mkdir -p "${OUT:-gpu}" && cd "${OUT:-gpu}" && pwd)
export PYTHONUNBUFFERED=1 PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}"

part() { # its name, seconds that it may take, command
    echo "== $1, at most $2 s"
    timeout -k 20 "$2" "${@:3}" 2>&1 | tee -a "$OUT/$1.log"
    echo "== $1: exit code ${PIPESTATUS[0]} after ${SECONDS} s in all" | tee -a "$OUT/$1.log"
}

for name in "$@"; do
    case $name in
    tests)  # named, for all others need packages that such a machine may lack
        part tests 300 "$python" -m pytest -q -p no:cacheprovider -m gpu --durations=10 --timeout 120 \
            tests/engines/stacked/test_gpu.py tests/engines/test_gpu.py tests/data/test_augmentation.py
        ;;
    profile) part profile 150 "$python" benchmarks/profiling.py ;;
    rows) part rows 480 "$python" benchmarks/stacking.py --minutes 6 ;;
    cell)
        runs=$(mktemp -d)
        if [ -f "${CELL:-}" ]; then tar -C "$runs" -xJf "$CELL"; fi
        for wiring in correct released_code; do
            part "cell-$wiring" "${CELL_SECONDS:-270}" "$python" -m oraclecheck -m experiment=table2_conv1_0.5 \
                engine=stacked workers=1 logger=none "pruning.wiring=$wiring" "data.root=${ORACLECHECK_DATA:?}" \
                "paths.out=$runs"
        done
        tar -C "$runs" --exclude='.cache' -cJf "$OUT/cell.tar.xz" .
        ;;
    *) echo "there is no part $name" && exit 2 ;;
    esac
done
