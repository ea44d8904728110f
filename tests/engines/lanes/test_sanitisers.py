"""Every index of the kernels, under the address and undefined-behaviour sanitisers: a program in place of a library."""

import subprocess
from pathlib import Path

import pytest

from oraclecheck.engines.lanes.compiler import compiler
from oraclecheck.engines.lanes.library import HEADER

CHAINS = {
    "odd maps": "3, 378, Conv<3, 21, 18, 5, 3>, Conv<5, 9, 8, 7, 3>, Linear<63, 41, true>, Linear<41, 3, false>",
    "wide rows": "1, 768, Conv<1, 12, 64, 10, 3>, Conv<10, 5, 31, 1, 3>, Linear<14, 5, false>",
    "even maps": "1, 100, Conv<1, 10, 10, 2, 3>, Conv<2, 4, 4, 3, 3>, Linear<3, 4, true>, Linear<4, 2, false>",
}
"""In odd maps the last row and column are left out; in even ones the last product reads the last pixel."""

PROGRAM = """
#include "lanes.hpp"
#include <cstdio>
#include <vector>
using namespace lanes;
using Network = Chain<{chain}>;
int main() {{
    const int n = 35, size = {size};
    std::vector<std::uint8_t> images(n * size), hits(n), removed(Network::parameters);
    std::vector<std::int64_t> labels(n), order(n);
    std::vector<float> parameter(Network::parameters), velocity(Network::parameters), table(256 * {channels});
    for (int i = 0; i < n * size; ++i) images[i] = i * 2654435761u >> 24;
    for (int i = 0; i < n; ++i) labels[i] = i % Network::classes, order[i] = n - 1 - i;
    for (std::size_t i = 0; i < parameter.size(); ++i) parameter[i] = (int(i * 2654435761u >> 20) - 2048) / 20000.0f;
    for (std::size_t i = 0; i < removed.size(); ++i) removed[i] = i % 3 == 0;
    for (std::size_t i = 0; i < table.size(); ++i) table[i] = i % 256 / 128.0f - 1;
    std::vector<float> losses(n);
    for (int batch_size : {{1, 15, 16, 17, 35, 100}}) {{
        std::vector<float> means((n + batch_size - 1) / batch_size);
        std::make_unique<Network>()->train(parameter.data(), velocity.data(), removed.data(), images.data(),
            labels.data(), table.data(), order.data(), n, batch_size, 1e-3f, 0.9f, 1e-4f, means.data());
        std::make_unique<Network>()->evaluate(parameter.data(), images.data(), labels.data(), table.data(), n,
            losses.data(), hits.data());
    }}
    std::printf("%g\\n", losses[n - 1]);
}}
"""

SANITISED = ("-std=c++20", "-O0", "-march=native", "-fno-sanitize-recover=all")
ALL, ADDRESSES = "-fsanitize=address,undefined", "-fsanitize=address"  # the first takes three times as long to compile


def run(folder: Path, chain: str, header: str, sanitiser: str) -> subprocess.CompletedProcess[str]:
    channels, pixels = map(int, chain.split(", ")[:2])
    (folder / "lanes.hpp").write_text(header)
    source = folder / "program.cpp"
    source.write_text(PROGRAM.format(chain=chain, channels=channels, size=channels * pixels))
    command = [*compiler().command, *SANITISED, sanitiser, str(source), "-o", str(folder / "program")]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return subprocess.run([folder / "program"], capture_output=True, text=True)


@pytest.mark.slow  # sanitised code takes half a minute to compile
@pytest.mark.parametrize("name", CHAINS)
def test_sanitisers_find_nothing(kernels, tmp_path, name):
    done = run(tmp_path, CHAINS[name], HEADER.read_text(), ALL)
    assert done.returncode == 0 and float(done.stdout) > 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("input + 2 * row * Width + 2 * column", "input + 2 * row * Width + 2 * column + 1"),
        ("input_gradient + 2 * row * Width)", "input_gradient + 2 * row * Width + 1)"),
        ("buffer<Lanes>(BLOCK * 2 * 2 * columns)", "buffer<Lanes>(BLOCK * 2 * 2 * columns - 1)"),
        ("(sum[o] <= 0.0f", "(input[Inputs] <= 0.0f"),
    ],
)
def test_sanitisers_catch_a_planted_index(kernels, tmp_path, right, wrong):
    header = HEADER.read_text()
    assert right in header
    done = run(tmp_path, CHAINS["even maps"], header.replace(right, wrong), ADDRESSES)
    assert done.returncode != 0 and "heap-buffer-overflow" in done.stderr
