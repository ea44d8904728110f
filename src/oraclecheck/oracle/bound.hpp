// What the losses of many choices of a chain's last pruned layer exceed: sums over so many images that a choice is out.
//
// A choice sees a few images of every class, then all of those classes first that it does worst on, until its sum is
// above a limit. Exponentials and logarithms are straight lines between powers of two, and lie below them: the loss of
// an image comes out 0.12 too small at most, unless it is above 80, for half the time.

#pragma once

#include <cstring>

#include "head.hpp"

namespace lanes {

constexpr float PER_OCTAVE = 8388608.0f;  // what a float's bits rise by, as an integer, where it doubles
constexpr std::int32_t ONE_BITS = 0x3F800000;

// The lines between powers of two lie above the exponential, by the factor 1.0615 at most: 1 / 0.94208.
constexpr float BELOW = 0.942f;

INLINE inline Lanes min(Lanes a, Lanes b) { return a < b ? a : b; }

// The exponential, 1.0615 times it at most: bits of a float from a number, which is rounded by 1e-5 of it.
INLINE inline Lanes chord_of_exponential(Lanes x) {
    x = max(min(x, Lanes{} + LARGEST), Lanes{} - LARGEST);
    return (Lanes)__builtin_convertvector(x * (PER_OCTAVE * 1.44269504f) + (float)ONE_BITS, Mask);
}

// At most the logarithm of numbers from 1 on.
INLINE inline Lanes chord_of_logarithm(Lanes x) {
    return __builtin_convertvector((Mask)x - ONE_BITS, Lanes) * (0.693147f / PER_OCTAVE);
}

template <int Kept, int Outputs, bool Relu, class... Layers> struct Bound : Head<Kept, Outputs, Relu, Layers...> {
    using Base = Head<Kept, Outputs, Relu, Layers...>;
    static constexpr int FIRST = at_least_one(16 / LANES);  // tiles of each class that every choice sees
    static constexpr int LOOK = 4;                          // tiles between two looks at the limit

    // Where a class lies among the images, and the parameters of all layers for it.
    struct Class {
        std::int64_t begin, end;
        const float *bias, *weight, *parameter;
        double sum;
        std::int64_t seen;
    };

    // Sums of lower bounds of the losses of each choice, over as many images as it takes to exceed the limit.
    //
    // values: of each channel the values of all images, those of a class together, one class after the other; ends:
    // where each class ends; parameters: for each class bias and weights of the first layer, input by input, then
    // those of the other layers; channel: of each input; kept: of each choice its inputs. Gives how many losses it took.
    std::int64_t bounds(const float *values, std::int64_t images, const std::int64_t *ends, std::int64_t classes,
                        const float *parameters, std::int64_t inputs, std::int64_t of_class,
                        const std::int32_t *channel, const std::int32_t *kept, std::int64_t choices, double limit,
                        double *out) {
        auto all = std::make_unique<Class[]>(classes);
        auto order = std::make_unique<Class *[]>(classes);
        for (std::int64_t c = 0; c < classes; ++c) {
            const float *here = parameters + c * of_class;
            all[c] = {c ? ends[c - 1] : 0, ends[c], here, here + Outputs, here + Outputs * (1 + inputs), 0, 0};
            order[c] = &all[c];
        }
        std::int64_t computed = 0;
        for (std::int64_t choice = 0; choice < choices; ++choice) {
            const std::int32_t *inputs_of = kept + choice * Kept;
            const float *of[Kept];
            for (int k = 0; k < Kept; ++k) of[k] = values + channel[inputs_of[k]] * images;
            double sum = 0;
            for (std::int64_t c = 0; c < classes; ++c) {
                Class &here = all[c];
                here.seen = std::min<std::int64_t>(FIRST * LANES, here.end - here.begin);
                sum += here.sum = part(here, of, inputs_of, here.begin, here.begin + here.seen);
                computed += here.seen;
            }
            std::stable_sort(order.get(), order.get() + classes, [](const Class *a, const Class *b) {
                return a->sum * b->seen > b->sum * a->seen;
            });
            for (std::int64_t c = 0; c < classes && !(sum > limit); ++c) {
                Class &here = *order[c];
                for (std::int64_t at = here.begin + here.seen; at < here.end && !(sum > limit); at += LOOK * LANES) {
                    const std::int64_t end = std::min<std::int64_t>(here.end, at + LOOK * LANES);
                    sum += part(here, of, inputs_of, at, end);
                    computed += end - at;
                }
            }
            out[choice] = sum;
        }
        return computed;
    }

    INLINE double part(const Class &of_class, const float *const *of, const std::int32_t *inputs, std::int64_t begin,
                       std::int64_t end) {
        Lanes total{};
        for (std::int64_t at = begin; at < end; at += LANES) {
            Lanes value[Kept];
            const std::int64_t here = end - at;
            if (here >= LANES) for (int k = 0; k < Kept; ++k) std::memcpy(&value[k], of[k] + at, sizeof(Lanes));
            else
                for (int k = 0; k < Kept; ++k)
                    for (int lane = 0; lane < LANES; ++lane) value[k][lane] = lane < here ? of[k][at + lane] : 0.0f;
            const Lanes loss = one_below(of_class, value, inputs);
            if (here >= LANES) total += loss;
            else for (int lane = 0; lane < here; ++lane) total[lane] += loss[lane];
        }
        double sum = 0;
        for (int lane = 0; lane < LANES; ++lane) sum += total[lane];
        return sum;
    }

    INLINE Lanes one_below(const Class &of_class, const Lanes *value, const std::int32_t *inputs) {
        blocks<Outputs, ACCUMULATORS>([&](int from, auto size) INLINE {
            Lanes sum[size];
            each<size>([&](auto o) INLINE { sum[o] = of_class.bias[from + o] - Lanes{}; });
            for (int k = 0; k < Kept; ++k) {
                const float *weight = of_class.weight + inputs[k] * Outputs + from;
                each<size>([&](auto o) INLINE { sum[o] += weight[o] * value[k]; });
            }
            each<size>([&](auto o) INLINE { this->first[from + o] = Relu ? max(sum[o], Lanes{}) : sum[o]; });
        });
        const Lanes *margin = this->template run<0>(this->first.get(), of_class.parameter);
        Lanes exponentials{};
        for (int other = 0; other < Base::template others<Base::count>(); ++other)
            exponentials += chord_of_exponential(margin[other]);
        return chord_of_logarithm(1.0f + BELOW * exponentials);
    }
};

}  // namespace lanes

#define BOUND_LIBRARY(Network)                                                                                       \
    extern "C" {                                                                                                     \
    std::int64_t bounds(const float *values, std::int64_t images, const std::int64_t *ends, std::int64_t classes,    \
                        const float *parameters, std::int64_t inputs, std::int64_t of_class,                         \
                        const std::int32_t *channel, const std::int32_t *kept, std::int64_t choices, double limit,   \
                        double *out) {                                                                               \
        return std::make_unique<Network>()->bounds(values, images, ends, classes, parameters, inputs, of_class,      \
                                                   channel, kept, choices, limit, out);                              \
    }                                                                                                                \
    }
