// Losses of many choices of a chain's last pruned layer: see head.py, which computes the same in PyTorch.
//
// The images of a tile lie side by side in a vector, as in lanes.hpp. What each input adds to the first layer stays in
// the caches while all choices take their sums of it, and a choice's activations never leave them.

#pragma once

#include <algorithm>
#include <limits>

#include "lanes.hpp"

namespace lanes {

// 2^23 + 2^22: added to a small number, it leaves the nearest integer in the last bits.
constexpr float MAGIC = 12582912.0f;
constexpr std::int32_t MAGIC_BITS = 0x4B400000;

// Above this a sum of exponentials might overflow, and somebody else computes it with more care.
constexpr float LARGEST = 80.0f;

INLINE inline Lanes max(Lanes a, Lanes b) { return a > b ? a : b; }

// The exponential of numbers up to LARGEST, after Cephes' expf: relative error 2e-7.
INLINE inline Lanes exponential(Lanes x) {
    x = max(x, Lanes{} - 87.0f);
    const Lanes shifted = x * 1.44269504088896341f + MAGIC, n = shifted - MAGIC;
    x = x - n * 0.693359375f + n * 2.12194440e-4f;
    Lanes p = 1.9875691500e-4f * x + 1.3981999507e-3f;
    p = p * x + 8.3334519073e-3f;
    p = p * x + 4.1665795894e-2f;
    p = p * x + 1.6666665459e-1f;
    p = p * x + 5.0000001201e-1f;
    p = p * (x * x) + x + 1.0f;
    return (Lanes)((Mask)p + (((Mask)shifted - MAGIC_BITS) << 23));
}

// log(1 + x) for x that are not negative: Cephes' logf, and Goldberg's correction of what 1 + x loses.
INLINE inline Lanes logarithm_of_one_and(Lanes x) {
    const Lanes u = 1.0f + x;
    Mask bits = (Mask)u;
    Mask exponent = (bits >> 23) - 127;
    Lanes m = (Lanes)((bits & 0x007FFFFF) | 0x3F800000);
    const Mask large = m > 1.41421356f;
    m = large ? 0.5f * m : m;
    const Lanes e = __builtin_convertvector(large ? exponent + 1 : exponent, Lanes);
    m -= 1.0f;
    Lanes p = 7.0376836292e-2f * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    const Lanes z = m * m;
    const Lanes log = m + (p * m * z - e * 2.12194440e-4f - 0.5f * z) + e * 0.693359375f;
    const Lanes lost = u - 1.0f;
    return lost == 0.0f ? x : log * (x / lost);
}

// The layer behind the last pruned one, of which each choice feeds `Kept` inputs, and those behind it.
template <int Kept, int Outputs, bool Relu, class... Layers> struct Head {
    static constexpr int count = sizeof...(Layers);
    static constexpr int TILES = 4;  // between two sums of lanes

    std::tuple<Layers...> layers;
    std::unique_ptr<Lanes[]> first = buffer<Lanes>(Outputs);

    template <int I> static constexpr int others() {  // how many logits there are but for the label's
        if constexpr (I == 0) return Outputs;
        else return std::tuple_element_t<I - 1, std::tuple<Layers...>>::outputs;
    }

    template <int I> INLINE const Lanes *run(const Lanes *input, const float *parameter) {
        if constexpr (I == count) return input;
        else {
            auto &layer = std::get<I>(layers);
            layer.forward(input, parameter);
            return run<I + 1>(layer.output.get(), parameter + layer.parameters);
        }
    }

    // Sums of losses of each choice over n images of one class.
    //
    // shares: of each tile of images what each input adds to each output; bias: of the outputs; parameter: of the other
    // layers; kept: of each choice its inputs. Where a sum might overflow, it is infinite.
    void sums(const Lanes *shares, int inputs, const float *bias, const float *parameter, const std::int32_t *kept,
              std::int64_t choices, std::int64_t n, double *out) {
        for (std::int64_t c = 0; c < choices; ++c) out[c] = 0;
        const std::int64_t tiles = (n + LANES - 1) / LANES;
        for (std::int64_t begin = 0; begin < tiles; begin += TILES) {
            const std::int64_t end = std::min<std::int64_t>(tiles, begin + TILES);
            for (std::int64_t c = 0; c < choices; ++c) {
                Lanes total{}, largest{};
                for (std::int64_t tile = begin; tile < end; ++tile) {
                    const Lanes *of_tile = shares + tile * inputs * Outputs;
                    const std::int64_t here = n - tile * LANES;
                    const Lanes loss = one(of_tile, bias, parameter, kept + c * Kept, largest);
                    if (here >= LANES) total += loss;
                    else for (int lane = 0; lane < here; ++lane) total[lane] += loss[lane];
                }
                double sum = 0;
                bool overflows = false;
                for (int lane = 0; lane < LANES; ++lane) {
                    sum += total[lane];
                    overflows |= !(largest[lane] <= LARGEST);
                }
                out[c] += overflows ? std::numeric_limits<double>::infinity() : sum;
            }
        }
    }

    INLINE Lanes one(const Lanes *shares, const float *bias, const float *parameter, const std::int32_t *kept,
                     Lanes &largest) {
        blocks<Outputs, ACCUMULATORS>([&](int from, auto size) INLINE {
            Lanes sum[size];
            each<size>([&](auto o) INLINE { sum[o] = bias[from + o] - Lanes{}; });
            for (int k = 0; k < Kept; ++k) {
                const Lanes *share = shares + kept[k] * Outputs + from;
                each<size>([&](auto o) INLINE { sum[o] += share[o]; });
            }
            each<size>([&](auto o) INLINE { first[from + o] = Relu ? (sum[o] <= 0.0f ? Lanes{} : sum[o]) : sum[o]; });
        });
        const Lanes *margin = run<0>(first.get(), parameter);
        Lanes exponentials{};
        for (int other = 0; other < others<count>(); ++other) {
            largest = margin[other] <= largest ? largest : margin[other];  // and NaN
            exponentials += exponential(margin[other]);
        }
        return logarithm_of_one_and(exponentials);
    }
};

}  // namespace lanes

#define HEAD_LIBRARY(Network)                                                                                        \
    extern "C" {                                                                                                     \
    std::int64_t lanes_of_a_tile() { return lanes::LANES; }                                                          \
    void sums(const float *shares, std::int64_t inputs, const float *bias, const float *parameter,                   \
              const std::int32_t *kept, std::int64_t choices, std::int64_t n, double *out) {                         \
        std::make_unique<Network>()->sums((const lanes::Lanes *)shares, inputs, bias, parameter, kept, choices, n,   \
                                          out);                                                                      \
    }                                                                                                                \
    }
