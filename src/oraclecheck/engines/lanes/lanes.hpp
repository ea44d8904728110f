// Trains a small chain of layers on one core: [convolution, max-pool 2, ReLU]*, then linear layers.
//
// Sixteen images lie side by side in a vector, a value of one position of each: a tile. Every operation is then a
// full-width multiply-add of such a vector with a scalar weight, however few channels a layer has, and a tile's
// activations stay in the processor's caches through forward and backward. A study's shapes are template arguments, so
// that blocks of accumulators stay in registers. Nothing here belongs to one processor: GCC and Clang make of these
// vectors whatever registers there are.
//
// Parameters lie in PyTorch's order and layout: of each layer the weight (outputs, inputs, rows, columns), then the bias.

#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <tuple>
#include <utility>

#define INLINE __attribute__((always_inline))

namespace lanes {

// As many images as a register holds, and how many vectors of accumulators the registers hold beside what is multiplied.
#if defined(__AVX512F__)
constexpr int LANES = 16, ACCUMULATORS = 20;
#elif defined(__AVX__)
constexpr int LANES = 8, ACCUMULATORS = 12;
#elif defined(__aarch64__)
constexpr int LANES = 4, ACCUMULATORS = 20;
#else
constexpr int LANES = 4, ACCUMULATORS = 12;
#endif

typedef float Lanes __attribute__((vector_size(4 * LANES)));
typedef std::int32_t Mask __attribute__((vector_size(4 * LANES)));
typedef std::uint8_t Bytes __attribute__((vector_size(LANES)));

constexpr int at_least_one(int n) { return n < 1 ? 1 : n; }
constexpr int at_most(int n, int most) { return n < most ? n : most; }

// Calls body(0), ..., body(N - 1), each with its index as a constant: what is indexed by it stays in registers.
template <int N, class Body> INLINE inline void each(Body &&body) {
    [&]<int... I>(std::integer_sequence<int, I...>) INLINE {
        (body(std::integral_constant<int, I>{}), ...);
    }(std::make_integer_sequence<int, N>{});
}

// Calls body(first, size) for blocks of 0, ..., N - 1, as few as hold at most Largest each and as even as can be. The
// size is a constant.
template <int N, int Largest, class Body> INLINE inline void blocks(Body &&body) {
    constexpr int count = (N + Largest - 1) / Largest, size = N / count, larger = N % count;
    for (int i = 0; i < larger; ++i) body(i * (size + 1), std::integral_constant<int, size + 1>{});
    for (int i = larger; i < count; ++i) body(larger + i * size, std::integral_constant<int, size>{});
}

template <class T> std::unique_ptr<T[]> buffer(std::size_t n) { return std::unique_ptr<T[]>(new T[n]()); }

// A convolution without padding, a max-pool of 2 x 2, which leaves out an odd row or column as PyTorch's does, and ReLU.
template <int Channels, int Height, int Width, int Filters, int Kernel> struct Conv {
    static constexpr int rows = (Height - Kernel + 1) / 2, columns = (Width - Kernel + 1) / 2;  // after pooling
    static constexpr int inputs = Channels * Height * Width, outputs = Filters * rows * columns;
    static constexpr int of_filter = Channels * Kernel * Kernel, weights = Filters * of_filter;
    static constexpr int parameters = weights + Filters;
    static_assert(rows > 0 && columns > 0);

    static constexpr int OFF = 4;  // of the four values of a pool none, for ReLU is off

    std::unique_ptr<Lanes[]> output = buffer<Lanes>(outputs), gradient = buffer<Lanes>(outputs);
    std::unique_ptr<Bytes[]> which = buffer<Bytes>(outputs);  // of the four values is the output
    static constexpr int BLOCK = at_most(Filters, at_least_one(ACCUMULATORS / Kernel));
    std::unique_ptr<Lanes[]> spread = buffer<Lanes>(BLOCK * 2 * 2 * columns);  // gradients of two rows before pooling

    void forward(const Lanes *input, const float *parameter) {
        blocks<Filters, at_least_one(ACCUMULATORS / 4)>([&](int first, auto size) INLINE {
            const float *weight = parameter + first * of_filter, *bias = parameter + weights + first;
            for (int row = 0; row < rows; ++row)
                for (int column = 0; column < columns; ++column) {
                    const int at = (first * rows + row) * columns + column;
                    pooled<size>(input + 2 * row * Width + 2 * column, weight, bias, &output[at], &which[at]);
                }
        });
    }

    // One pooled value of each of several filters: the four products of each are accumulated in registers.
    template <int Size>
    INLINE static void pooled(const Lanes *input, const float *weight, const float *bias, Lanes *out, Bytes *from) {
        Lanes sum[Size][4];
        each<Size>([&](auto f) INLINE { each<4>([&](auto i) INLINE { sum[f][i] = bias[f] - Lanes{}; }); });
        for (int channel = 0; channel < Channels; ++channel)
            each<Kernel + 1>([&](auto y) INLINE {
                Lanes value[Kernel + 1];
                each<Kernel + 1>([&](auto x) INLINE { value[x] = input[(channel * Height + y) * Width + x]; });
                each<2>([&](auto below) INLINE {
                    if constexpr (y - below >= 0 && y - below < Kernel)
                        each<Kernel>([&](auto x) INLINE {
                            each<Size>([&](auto f) INLINE {
                                const float w = weight[f * of_filter + (channel * Kernel + y - below) * Kernel + x];
                                sum[f][2 * below] += w * value[x];
                                sum[f][2 * below + 1] += w * value[x + 1];
                            });
                        });
                });
            });
        each<Size>([&](auto f) INLINE {
            Lanes largest = sum[f][0];
            Mask place{};
            each<3>([&](auto i) INLINE {
                const Lanes other = sum[f][i + 1];
                const Mask taken = (other > largest) | (other != other);  // NaN stays, as in PyTorch
                largest = taken ? other : largest;
                place = taken ? Mask{} + (i + 1) : place;
            });
            const Mask off = largest <= 0.0f;
            out[f * rows * columns] = off ? Lanes{} : largest;
            from[f * rows * columns] = __builtin_convertvector(off ? Mask{} + OFF : place, Bytes);
        });
    }

    // Adds to the gradients of weights and bias, lane by lane, from `gradient`; then gives that of the input.
    void backward(const Lanes *input, const float *parameter, Lanes *sums, Lanes *input_gradient) {
        if (input_gradient)
            for (int i = 0; i < inputs; ++i) input_gradient[i] = Lanes{};
        for (int row = 0; row < rows; ++row)
            blocks<Filters, BLOCK>([&](int first, auto size) INLINE {
                spread_rows<size>(first, row, sums + weights + first);
                const Lanes *above = input + 2 * row * Width;
                weight_gradients<size>(above, sums + first * of_filter);
                if (input_gradient)
                    input_gradients<size>(parameter + first * of_filter, input_gradient + 2 * row * Width);
            });
    }

    template <int Size> INLINE void spread_rows(int first, int row, Lanes *bias) {
        each<Size>([&](auto f) INLINE {
            Lanes sum = bias[f];
            for (int column = 0; column < columns; ++column) {
                const int at = ((first + f) * rows + row) * columns + column;
                const Mask place = __builtin_convertvector(which[at], Mask);
                const Lanes value = gradient[at];
                sum += place == OFF ? Lanes{} : value;
                each<4>([&](auto i) INLINE {
                    spread[((f * 2 + i / 2) * columns + column) * 2 + i % 2] = place == int(i) ? value : Lanes{};
                });
            }
            bias[f] = sum;
        });
    }

    template <int Size> INLINE void weight_gradients(const Lanes *input, Lanes *sums) {
        for (int channel = 0; channel < Channels; ++channel)
            for (int y = 0; y < Kernel; ++y) {
                Lanes sum[Size][Kernel], *kept = sums + (channel * Kernel + y) * Kernel;
                each<Size>([&](auto f) INLINE {
                    each<Kernel>([&](auto x) INLINE { sum[f][x] = kept[f * of_filter + x]; });
                });
                for (int below = 0; below < 2; ++below)
                    for (int column = 0; column < 2 * columns; ++column) {
                        const Lanes *here = input + (channel * Height + y + below) * Width + column;
                        Lanes value[Size];
                        each<Size>([&](auto f) INLINE { value[f] = spread[(f * 2 + below) * 2 * columns + column]; });
                        each<Kernel>([&](auto x) INLINE {
                            each<Size>([&](auto f) INLINE { sum[f][x] += value[f] * here[x]; });
                        });
                    }
                each<Size>([&](auto f) INLINE {
                    each<Kernel>([&](auto x) INLINE { kept[f * of_filter + x] = sum[f][x]; });
                });
            }
    }

    // A row of the input is done in pieces that the registers hold.
    static constexpr int PIECE = at_most(Width, ACCUMULATORS);

    template <int Size> INLINE void input_gradients(const float *weight, Lanes *input_gradient) {
        for (int channel = 0; channel < Channels; ++channel)
            for (int y = 0; y < Kernel; ++y)
                for (int below = 0; below < 2; ++below)
                    each<(Width + PIECE - 1) / PIECE>([&](auto piece) INLINE {
                        piece_of_input_gradients<Size, piece * PIECE, at_most(PIECE, Width - piece * PIECE)>(
                            weight + (channel * Kernel + y) * Kernel, below,
                            input_gradient + (channel * Height + y + below) * Width);
                    });
    }

    template <int Size, int Start, int Length>
    INLINE void piece_of_input_gradients(const float *weight, int below, Lanes *input_gradient) {
        Lanes sum[Length];
        each<Length>([&](auto x) INLINE { sum[x] = input_gradient[Start + x]; });
        for (int f = 0; f < Size; ++f)
            each<Length + Kernel - 1>([&](auto i) INLINE {
                constexpr int column = Start + i - (Kernel - 1);  // before pooling
                if constexpr (column >= 0 && column < 2 * columns) {
                    const Lanes value = spread[(f * 2 + below) * 2 * columns + column];
                    each<Kernel>([&](auto x) INLINE {
                        constexpr int to = column + x - Start;
                        if constexpr (to >= 0 && to < Length) sum[to] += weight[f * of_filter + x] * value;
                    });
                }
            });
        each<Length>([&](auto x) INLINE { input_gradient[Start + x] = sum[x]; });
    }
};

// A linear layer, or a convolution down to 1 x 1, with or without ReLU.
template <int Inputs, int Outputs, bool Relu> struct Linear {
    static constexpr int inputs = Inputs, outputs = Outputs, weights = Inputs * Outputs, parameters = weights + Outputs;

    std::unique_ptr<Lanes[]> output = buffer<Lanes>(outputs), gradient = buffer<Lanes>(outputs);

    void forward(const Lanes *input, const float *parameter) {
        blocks<Outputs, ACCUMULATORS>([&](int first, auto size) INLINE {
            const float *weight = parameter + first * Inputs;
            Lanes sum[size];
            each<size>([&](auto o) INLINE { sum[o] = parameter[weights + first + o] - Lanes{}; });
            for (int i = 0; i < Inputs; ++i) {
                const Lanes value = input[i];
                each<size>([&](auto o) INLINE { sum[o] += weight[o * Inputs + i] * value; });
            }
            each<size>([&](auto o) INLINE {
                output[first + o] = Relu ? (sum[o] <= 0.0f ? Lanes{} : sum[o]) : sum[o];
            });
        });
    }

    void backward(const Lanes *input, const float *parameter, Lanes *sums, Lanes *input_gradient) {
        for (int o = 0; o < Outputs; ++o) {
            if (Relu) gradient[o] = output[o] <= 0.0f ? Lanes{} : gradient[o];
            sums[weights + o] += gradient[o];
            for (int i = 0; i < Inputs; ++i) sums[o * Inputs + i] += gradient[o] * input[i];
        }
        if (input_gradient)
            blocks<Inputs, ACCUMULATORS>([&](int first, auto size) INLINE {
                Lanes sum[size]{};
                for (int o = 0; o < Outputs; ++o) {
                    const Lanes value = gradient[o];
                    each<size>([&](auto i) INLINE { sum[i] += parameter[o * Inputs + first + i] * value; });
                }
                each<size>([&](auto i) INLINE { input_gradient[first + i] = sum[i]; });
            });
    }
};

// Layers in a row: images of `Planes` channels of `Pixels` bytes each go in, one value for each class comes out.
template <int Planes, int Pixels, class... Layers> struct Chain {
    static constexpr int count = sizeof...(Layers), parameters = (Layers::parameters + ...);
    static constexpr int classes = std::tuple_element_t<count - 1, std::tuple<Layers...>>::outputs;

    std::tuple<Layers...> layers;
    std::unique_ptr<Lanes[]> image = buffer<Lanes>(Planes * Pixels), sums = buffer<Lanes>(parameters);

    template <int I> INLINE auto &layer() { return std::get<I>(layers); }

    template <int I> INLINE Lanes *input_of() {
        if constexpr (I == 0) return image.get();
        else return layer<I - 1>().output.get();
    }

    template <int I> static constexpr int first_parameter() {
        if constexpr (I == 0) return 0;
        else return first_parameter<I - 1>() + std::tuple_element_t<I - 1, std::tuple<Layers...>>::parameters;
    }

    // Lays up to sixteen images side by side, each byte as `table` (of each channel 256 values) has it.
    void load(const std::uint8_t *images, const std::int64_t *order, std::int64_t start, int n, const float *table) {
        const std::uint8_t *source[LANES];
        for (int lane = 0; lane < LANES; ++lane) {  // lanes without an image show the first, and count for nothing
            const std::int64_t place = start + (lane < n ? lane : 0);
            source[lane] = images + (order ? order[place] : place) * (Planes * Pixels);
        }
        for (int plane = 0; plane < Planes; ++plane)
            for (int i = plane * Pixels; i < (plane + 1) * Pixels; ++i)
                for (int lane = 0; lane < LANES; ++lane) image[i][lane] = table[256 * plane + source[lane][i]];
    }

    void forward(const float *parameter) {
        each<count>([&](auto i) INLINE { layer<i>().forward(input_of<i>(), parameter + first_parameter<i>()); });
    }

    void backward(const float *parameter) {
        each<count>([&](auto from_the_end) INLINE {
            constexpr int i = count - 1 - from_the_end;
            Lanes *input_gradient = nullptr;
            if constexpr (i > 0) input_gradient = layer<i - 1>().gradient.get();
            constexpr int first = first_parameter<i>();
            layer<i>().backward(input_of<i>(), parameter + first, sums.get() + first, input_gradient);
        });
    }

    // Cross-entropy of one lane's image; leaves its probabilities in `probability`.
    float loss(int lane, std::int64_t label, float *probability) {
        const Lanes *logit = layer<count - 1>().output.get();
        float largest = logit[0][lane], sum = 0;
        for (int c = 1; c < classes; ++c) largest = logit[c][lane] > largest ? logit[c][lane] : largest;
        for (int c = 0; c < classes; ++c) sum += probability[c] = std::exp(logit[c][lane] - largest);
        for (int c = 0; c < classes; ++c) probability[c] /= sum;
        return std::log(sum) + largest - logit[label][lane];
    }

    // Whether one lane's image is classified correctly: the first of the largest values counts, and NaN as largest.
    bool correct(int lane, std::int64_t label) {
        const Lanes *logit = layer<count - 1>().output.get();
        int best = 0;
        for (int c = 1; c < classes; ++c) {
            const float value = logit[c][lane], most = logit[best][lane];
            if (most == most && !(value <= most)) best = c;
        }
        return best == label;
    }

    // One pass over n images in the given order, with SGD as PyTorch's; gives each batch's mean loss. What is removed
    // (null: nothing) neither moves nor gathers momentum.
    void train(float *parameter, float *velocity, const std::uint8_t *removed, const std::uint8_t *images,
               const std::int64_t *labels, const float *table, const std::int64_t *order, std::int64_t n,
               std::int64_t batch_size, float rate, float momentum, float decay, float *losses) {
        float probability[classes];
        for (std::int64_t start = 0; start < n; start += batch_size) {
            const std::int64_t end = start + batch_size < n ? start + batch_size : n;
            const float share = 1.0f / (end - start);
            double total = 0;
            for (int i = 0; i < parameters; ++i) sums[i] = Lanes{};
            for (std::int64_t tile = start; tile < end; tile += LANES) {
                const int here = at_most(end - tile < LANES ? end - tile : LANES, LANES);
                load(images, order, tile, here, table);
                forward(parameter);
                Lanes *gradient = layer<count - 1>().gradient.get();
                for (int lane = 0; lane < LANES; ++lane) {
                    const std::int64_t label = lane < here ? labels[order[tile + lane]] : 0;
                    if (lane < here) total += loss(lane, label, probability);
                    for (int c = 0; c < classes; ++c)
                        gradient[c][lane] = lane < here ? (probability[c] - (c == label)) * share : 0;
                }
                backward(parameter);
            }
            *losses++ = total / (end - start);
            for (int i = 0; i < parameters; ++i) {
                float sum = decay * parameter[i];
                for (int lane = 0; lane < LANES; ++lane) sum += sums[i][lane];
                velocity[i] = momentum * velocity[i] + sum;
                parameter[i] -= rate * velocity[i];
            }
            for (int i = 0; removed && i < parameters; ++i)
                if (removed[i]) parameter[i] = velocity[i] = 0;
        }
    }

    // Each image's loss, and whether it is classified correctly.
    void evaluate(const float *parameter, const std::uint8_t *images, const std::int64_t *labels, const float *table,
                  std::int64_t n, float *losses, std::uint8_t *hits) {
        float probability[classes];
        for (std::int64_t tile = 0; tile < n; tile += LANES) {
            const int here = n - tile < LANES ? n - tile : LANES;
            load(images, nullptr, tile, here, table);
            forward(parameter);
            for (int lane = 0; lane < here; ++lane) {
                losses[tile + lane] = loss(lane, labels[tile + lane], probability);
                hits[tile + lane] = correct(lane, labels[tile + lane]);
            }
        }
    }
};

}  // namespace lanes

// What a study's few lines make a library of: they name its shapes, `using Network = lanes::Chain<...>`.
#define LANES_LIBRARY(Network)                                                                                       \
    extern "C" {                                                                                                     \
    std::int64_t parameters() { return Network::parameters; }                                                        \
    std::int64_t classes() { return Network::classes; }                                                              \
    void train(float *parameter, float *velocity, const std::uint8_t *removed, const std::uint8_t *images,           \
               const std::int64_t *labels, const float *table, const std::int64_t *order, std::int64_t n,            \
               std::int64_t batch_size, float rate, float momentum, float decay, float *losses) {                    \
        std::make_unique<Network>()->train(parameter, velocity, removed, images, labels, table, order, n,            \
                                           batch_size, rate, momentum, decay, losses);                               \
    }                                                                                                                \
    void evaluate(const float *parameter, const std::uint8_t *images, const std::int64_t *labels,                    \
                  const float *table, std::int64_t n, float *losses, std::uint8_t *hits) {                           \
        std::make_unique<Network>()->evaluate(parameter, images, labels, table, n, losses, hits);                    \
    }                                                                                                                \
    }
