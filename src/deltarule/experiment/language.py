"""A language model: the next character from those so far, measured in bits beside n-grams; text drawn from it."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.data.ngram import ngram_bits
from deltarule.data.text import TextStream, Vocabulary, read_text
from deltarule.errors import DataError, SettingError
from deltarule.experiment.network import text_network
from deltarule.experiment.prepared import Examples, Prepared, held_out_rows
from deltarule.job import Job, refuse_others, refuse_settings
from deltarule.kernels.wide import wide
from deltarule.layers.layer import Context, Layer
from deltarule.losses.loss import Loss
from deltarule.model import Model
from deltarule.training.carried import carrying, opened
from deltarule.training.precision import lowered

STREAMS = 32  # read side by side, where a setting says nothing else
CHUNK = 2048  # characters of a stream that are read at a time
ROWS, ROW = 128, 512  # the pieces of the held-out part that choose the epoch
COUNTED, MEASURED = 1 << 24, 1 << 22  # characters that n-grams are counted in, and that are measured at the end


def prepare(job: Job) -> Prepared:
    """The text of a job: its first part to train on, as streams, and the last one held out.

    Raises:
        FileError, DataError, SettingError: what is wrong with the file, the text or the settings.
    """
    refuse_others(job, "text")
    refuse_settings(job, ("target",), "is for tables: of a text the next character is predicted")
    for name in ("window", "batch_size"):
        if (value := getattr(job, name)) is not None and value < 1:
            raise SettingError(f"{name}: expected a whole number of at least 1, but got {value}")
    notes: list[str] = []
    unit, symbols = read_text(job.data, None if job.unit == "auto" else job.unit, notes)
    kept = len(symbols) - held_out_rows(len(symbols), job.validation)
    vocabulary = Vocabulary.fit(symbols[:kept], unit)
    streams = max(1, min(STREAMS, (kept - 1) // job.window)) if job.batch_size is None else job.batch_size
    if (kept - 1) // streams < job.window or len(symbols) - kept < 2:
        raise DataError(
            f"{job.data}: expected at least {streams * job.window + 1} {unit} to learn from ({streams} streams, "
            f"window {job.window}) and 2 held out, but there are {kept} and {len(symbols) - kept}. Bring a longer "
            "text, or a shorter --window or smaller --batch-size."
        )
    if len(vocabulary.symbols) < 2:
        raise DataError(f"{job.data}: expected at least two different {unit} to learn from, but there is one.")
    training = TextStream(symbols[:kept], vocabulary, streams, job.window * max(1, CHUNK // job.window))
    held_out = held_out_stream(symbols[kept : kept + MEASURED], vocabulary)
    notes.append(
        f"{job.data}: {len(symbols):,} {unit}. The first {kept:,}, {len(vocabulary.symbols)} different ones, are "
        "learned; the others are held out."
    )
    if unknown := held_out.unknown():
        notes.append(
            f"{unknown:,} of {len(held_out.symbols):,} held-out {unit} are not in the training part; they share "
            "one code, that of what is unknown."
        )
    return Prepared(
        vocabulary, text_network(vocabulary, job), training, pieces(held_out), tuple(notes), text=held_out
    )


def held_out_stream(symbols: np.ndarray, vocabulary: Vocabulary) -> TextStream:
    """The symbols in as many streams as keep a thousand characters each, since each starts with nothing known."""
    return TextStream(symbols, vocabulary, max(1, min(STREAMS, (len(symbols) - 1) // 1000)), CHUNK)


def pieces(stream: TextStream) -> Examples:
    """x, y and weights of pieces (n, t) spread over a text."""
    last = len(stream.symbols) - 1
    length = min(ROW, last)
    starts = np.linspace(0, last - length, min(ROWS, last // length)).astype(int)
    codes = stream.vocabulary.codes(np.stack([stream.symbols[at : at + length + 1] for at in starts]))
    return codes[:, :-1], codes[:, 1:], np.ones(len(codes), np.float32)


def measure(model: Model, stream: TextStream) -> dict[str, Any]:
    """The bits that a character of the text takes, with the state carried from each chunk to the next."""
    state = model.trained()
    net = carrying(model.net)
    program = reading_program(net, model.loss, model.precision)
    memory, nats = opened(state.memory, net.memory(stream.chunk_shape)), []
    for x, y in stream.epoch(0):
        memory, value = program(state.params, memory, x.astype(np.float32), y.astype(np.int32))
        nats.append(float(value) * x.shape[1])
    mean = sum(nats) / stream.examples
    metric = bits_name(stream.vocabulary)
    return {"task": "language", "metric": metric, metric: mean / float(np.log(2)), "loss": mean}


def baseline(training: TextStream, held_out: TextStream) -> dict[str, Any]:
    """The bits that n-grams need for the same characters, of the order that does best on them."""
    vocabulary = training.vocabulary
    counted, measured = (vocabulary.codes(each) for each in (training.symbols[-COUNTED:], held_out.symbols))
    bits = ngram_bits(counted, measured, vocabulary.size)
    return {"ngram_bits": min(bits), "ngram_order": 1 + bits.index(min(bits))}


def known(model: Model, vocabulary: Vocabulary, path: str, notes: list[str]) -> dict[str, Any]:
    """The same of another text file."""
    _, symbols = read_text(path, vocabulary.unit, notes)
    if len(symbols) < 2:
        raise DataError(
            f"{path}: expected at least 2 {vocabulary.unit}, of which one is predicted, but there is one."
        )
    stream = held_out_stream(symbols, vocabulary)
    unknown = stream.unknown()
    if unknown:
        notes.append(
            f"{unknown:,} of {len(symbols):,} {vocabulary.unit} were never seen in training; they share a code."
        )
    return measure(model, stream) | {"unknown": unknown, "rows": stream.examples}


def bits_name(vocabulary: Vocabulary) -> str:
    """The metric of a text."""
    return "bits_per_" + vocabulary.unit.removesuffix("s")


def draw(
    model: Model, vocabulary: Vocabulary, length: int, prompt: str, temperature: float, seed: int, notes: list[str]
) -> str:
    """Text of `length` characters (or bytes) that goes on from the prompt, drawn from p ∝ exp(y / temperature).

    A temperature of 0 takes the likeliest. Without a prompt the text goes on from a new line.

    Raises:
        SettingError: a length below 1, a temperature below 0, or a seed that cannot be.
    """
    if length < 1:
        raise SettingError(f"length: expected a whole number of at least 1, but got {length}")
    if not 0 <= temperature < float("inf"):
        raise SettingError(f"temperature: expected a number of at least 0, but got {temperature}")
    if not 0 <= seed < 2**32:
        raise SettingError(f"seed: expected a whole number from 0 to 2^32 − 1, but got {seed}")
    codes = vocabulary.encode(prompt or "\n")
    if prompt and (unknown := int((codes == 0).sum())):
        notes.append(f"{unknown} of {len(codes)} {vocabulary.unit} of the prompt are not in the training text.")
    state, net = model.trained(), carrying(model.net)
    program = sampling_program(net, model.precision, length)
    memory = opened(state.memory, net.memory((1, 1)))
    key = jax.random.key(seed)
    drawn = program(state.params, memory, codes[None].astype(np.float32), key, np.float32(temperature))
    return vocabulary.decode(drawn)


@functools.cache
def reading_program(net: Layer, loss: Loss, precision: str) -> Callable:
    """The compiled `(params, memory, x, y) -> (memory, Σ_n mean_t ℓ)`."""

    @jax.jit
    def read(params, memory, x, target):
        y, memory = net.advance(lowered(params, precision), x, Context(memory=memory))
        return memory, loss(wide(y), target, jnp.ones(len(x)))[0]

    return read


@functools.lru_cache(maxsize=16)
def sampling_program(net: Layer, precision: str, length: int) -> Callable:
    """The compiled `(params, memory, prompt (1, t), key, temperature) -> codes (length,)`, none of them 0."""

    @jax.jit
    def draw(params, memory, prompt, key, temperature):
        half = lowered(params, precision)

        def read(x, memory):
            y, memory = net.advance(half, x, Context(memory=memory))
            return wide(y[0, -1]).at[0].set(-jnp.inf), memory  # (V,)

        def one(carry, key):
            y, memory = carry
            drawn = jax.random.categorical(key, y / jnp.where(temperature > 0, temperature, 1))
            code = jnp.where(temperature > 0, drawn, y.argmax())
            return read(code.astype(jnp.float32).reshape(1, 1), memory), code

        return jax.lax.scan(one, read(prompt, memory), jax.random.split(key, length))[1]

    return draw
