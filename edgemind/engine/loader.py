"""Opening a model inside the jailed worker: header, memory check, layers on the device, template, contexts.

A device that fails is left with a reason in ``ModelInfo.notes``.
Not for: decoding (``scheduler``), the process around it (``worker``).
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence

from edgemind.engine import llama
from edgemind.engine.contexts import ContextPlan, Contexts
from edgemind.engine.drafting import MOST
from edgemind.engine.events import GenerateRequest, LoadOptions, Message, ModelInfo
from edgemind.engine.live import LiveRequest, Voice
from edgemind.engine.prompts import PromptBuilder
from edgemind.engine.reasoning_formats import FORMATS, Detection, ReasoningFormat, detect
from edgemind.engine.templates import LoadedTemplate, load_template
from edgemind.errors import BadConstraint, EdgemindError, ModelUnusable, UsageError
from edgemind.models import fit, gguf, hardware, splits
from edgemind.models.header import Header
from edgemind.models.sizes import human_bytes
from edgemind.models.summary import check_model, is_embedding, summary
from edgemind.privacy import jail

BATCH = 512
"""Tokens of one decode at most; prompts are prefilled in pieces of this size."""

SMALLEST_CONTEXT = 2048
"""Tokens that must fit into memory for a model to be opened at all, unless less was asked for."""

GPU_CELLS = 8192
"""Context for which the layers on a device are chosen when none was asked for."""

TINY_BYTES = 32 << 20
"""Weights below this are decoded by one thread: waiting for a second one takes longer than its half of the work."""

FLASH_CELLS = 256
"""On CPU, flash attention up to this many cells and none beyond: measured in ``docs/benchmarks.md``."""


class LoadedModel:
    """A model ready to answer: everything of the worker that knows which model it is."""

    def __init__(
        self,
        model: llama.Model,
        contexts: Contexts,
        prompts: PromptBuilder,
        voice: Voice,
        options: LoadOptions,
        info: ModelInfo,
    ) -> None:
        self.contexts = contexts
        self.info = info
        self._model = model
        self._prompts = prompts
        self._voice = voice
        self._options = options

    def count(self, messages: Sequence[Message]) -> int:
        return self._prompts.count(messages)

    def live(self, number: int, request: GenerateRequest) -> LiveRequest:
        """The state of a new request.

        Raises:
            PromptTooLong, BadConstraint, UsageError, BadInput: what is wrong with it.
            ModelUnusable: this model does not write text.
        """
        if not self.info.writes:
            raise ModelUnusable(
                f"{self.info.name} makes embeddings, numbers for searching, and writes no text.",
                "Name a model that chats, or leave --model out for the built-in one.",
            )
        prompt = self._prompts.build(request, self.contexts.plan.limit)
        grammar = self._grammar(request)
        sampler = llama.Sampler.build(self._model, llama.resolve(request.sampling, self._options.sampling))
        return LiveRequest(number, request, prompt, self._voice, sampler, grammar)

    def _grammar(self, request: GenerateRequest) -> llama.Grammar | None:
        if request.grammar is not None and request.json_schema is not None:
            raise UsageError("A grammar and a JSON schema exclude each other.", "Give one of the two.")
        if request.json_schema is not None:
            return llama.Grammar.compile(self._model, llama.schema_to_grammar(request.json_schema))
        if request.grammar is not None:
            if not request.grammar.strip():
                raise BadConstraint("The grammar is empty.", "Give a GBNF grammar with a rule named `root`.")
            return llama.Grammar.compile(self._model, request.grammar)
        return None


def load(
    options: LoadOptions,
    jailed: jail.Report,
    progress: Callable[[float], bool],
    note: Callable[[str], None],
) -> LoadedModel:
    """Open the model, from inside the jail.

    Args:
        jailed: what the jail holds; nothing of the file was read before.
        progress: told the loaded fraction, 0 to 1; False stops the loading.
        note: told one line about something worth knowing while it loads.

    Raises:
        ModelNotFound, ModelUnusable, OutOfMemory, NotOffline: one sentence each.
    """
    header = gguf.read_headers(options.files)
    machine = hardware.machine()
    notes = list(jailed.notes)
    layers, choice = _gpu_layers(options, header)
    if choice:
        notes.append(choice)
    flash = _flash_rule(options, header, layers)
    check_model(header)
    limit, total = _limits(options, header, machine, layers, flash)
    model, layers = _open(options, layers, progress, notes, note)
    adapters = [(llama.Adapter.load(model, adapter), scale) for adapter, scale in options.adapters]
    vocab = model.vocab
    template = _template(model)
    detection, reasoning = _reasoning(model, options, notes)
    writes = not is_embedding(header)
    if template.note and writes:
        notes.append(template.note)
    threads = options.threads or (1 if model.size_bytes < TINY_BYTES else machine.default_threads())
    plan = ContextPlan(
        limit=limit,
        total_limit=total,
        n_seq=options.sequences,
        threads=threads,
        fixed_threads=options.threads is not None,
        n_batch=BATCH,
        kv_type=options.kv_type,
        flash_for=flash,
        drafted=MOST if _forgets_tails(model) else 0,
        exact=not layers and _computes_rows_alike(header),
        guarded=not layers,
    )
    tags = (vocab.find(tag) for tag in reasoning.tags())
    voice = Voice(vocab, reasoning, frozenset(token for token in tags if token is not None))
    prompts = PromptBuilder(vocab, template, detection, reasoning)
    info = ModelInfo(
        name=model.metadata("general.name") or splits.stem(options.path),
        path=options.path,
        architecture=model.architecture,
        parameters=model.parameters,
        size_bytes=model.size_bytes,
        context_trained=model.n_ctx_train,
        context_limit=limit,
        vocabulary=model.n_vocab,
        reasoning_format=reasoning.name,
        can_switch_thinking=detection.can_switch,
        template_source=template.source,
        gpu_layers=layers,
        layers=model.n_layer,
        threads=threads,
        flash_attention=flash(BATCH),
        offline=jailed.strength.value,
        writes=writes,
        fim=prompts.fim if writes else None,
        notes=tuple(notes),
    )
    return LoadedModel(model, Contexts(model, plan, adapters), prompts, voice, options, info)


def _gpu_layers(options: LoadOptions, header: Header) -> tuple[int, str]:
    """How many layers go to the device, and a note when that is not simply all or none."""
    if not llama.system().supports_gpu:
        asked = bool(options.gpu_layers)
        return 0, "This build of llama.cpp has no GPU support; the model runs on the CPU." if asked else ""
    if options.gpu_layers is not None:
        return options.gpu_layers, ""
    device = max(
        (device for device in llama.system().devices if device.kind == "gpu"),
        key=lambda device: device.free_bytes,
        default=None,
    )
    if device is None:
        return 0, "llama.cpp found no GPU; the model runs on the CPU."
    cells = min(options.context or GPU_CELLS, summary(header).context_trained or GPU_CELLS)
    fitting = fit.gpu_layers_that_fit(
        header, device.free_bytes, n_ctx=cells, n_batch=BATCH, kv_type=options.kv_type, flash=True
    )
    total = summary(header).layers + 1
    if fitting >= total:
        return fitting, ""
    free = human_bytes(device.free_bytes)
    return fitting, f"{fitting} of {total} layers are on {device.description}: {free} were free there."


def _flash_rule(options: LoadOptions, header: Header, gpu_layers: int) -> Callable[[int], bool]:
    """Whether a context of this many cells runs with flash attention. A tiny model gains nothing by it."""
    if options.kv_type == "q8_0":
        return lambda _: True
    if options.flash_attention != "auto":
        return lambda _: options.flash_attention == "on"
    if gpu_layers:
        return lambda _: True
    cells_with_flash = FLASH_CELLS if header.tensor_bytes >= TINY_BYTES else 0
    return lambda cells: cells <= cells_with_flash


def _limits(
    options: LoadOptions, header: Header, machine: hardware.Machine, gpu_layers: int, flash: Callable[[int], bool]
) -> tuple[int, int]:
    """Most tokens of one sequence, and of all together, within memory.

    Raises:
        OutOfMemory: the weights do not fit, or the context that was asked for does not.
    """
    smallest = min(options.context or SMALLEST_CONTEXT, SMALLEST_CONTEXT)
    asked = options.context or smallest
    needed = fit.estimate(
        header,
        n_ctx=asked,
        n_seq=options.sequences,
        n_batch=BATCH,
        n_outputs=options.sequences + MOST,
        kv_type=options.kv_type,
        gpu_layers=gpu_layers,
        flash=flash,
    )
    fit.check_memory(needed.host, machine.available_ram, context_chosen=options.context is not None)
    trained = summary(header).context_trained or asked
    limit = min(options.context, trained) if options.context else trained
    fits = fit.max_context(
        header,
        machine.available_ram,
        n_seq=options.sequences,
        n_batch=BATCH,
        kv_type=options.kv_type,
        gpu_layers=gpu_layers,
        flash=flash,
        limit=limit * options.sequences,
    )
    return min(limit, max(fits, smallest)), max(fits, min(limit, smallest))


def _open(
    options: LoadOptions,
    layers: int,
    progress: Callable[[float], bool],
    notes: list[str],
    note: Callable[[str], None],
) -> tuple[llama.Model, int]:
    """Open the model; when the device refuses it, open it on the CPU and say why."""
    try:
        return llama.Model.open(*options.files, gpu_layers=layers, mmap=options.mmap, progress=progress), layers
    except EdgemindError as problem:
        if not layers:
            raise
        reason = f"The GPU could not take the model ({problem.message}); it runs on the CPU."
        note(reason)
        notes.append(reason)
    return llama.Model.open(*options.files, gpu_layers=0, mmap=options.mmap, progress=progress), 0


def _computes_rows_alike(header: Header) -> bool:
    """Whether several tokens at once come out bit for bit as one after the other, but for attention: measured for
    Q8_0 on x86-64. Floats are multiplied by other kernels there, and K-quants from four tokens on."""
    matrices = (tensor for tensor in header.by_name.values() if len(tensor.shape) > 1)
    return platform.machine() in ("x86_64", "AMD64") and all(tensor.type.upper() == "Q8_0" for tensor in matrices)


def _forgets_tails(model: llama.Model) -> bool:
    """Whether a drafted token that was wrong can be taken back: not by a recurrent memory, nor surely by one with a
    sliding window."""
    return not (model.is_recurrent or model.is_hybrid or model.n_swa)


def _template(model: llama.Model) -> LoadedTemplate:
    vocab = model.vocab
    bos = vocab.text(vocab.bos) if vocab.bos is not None else ""
    eos = vocab.text(vocab.eos) if vocab.eos is not None else ""
    return load_template(model.chat_template(), model.architecture, _has_token(vocab), bos, eos)


def _reasoning(model: llama.Model, options: LoadOptions, notes: list[str]) -> tuple[Detection, ReasoningFormat]:
    """What the template and vocabulary say, unless the options know better."""
    found = detect(model.chat_template(), _has_token(model.vocab), model.architecture)
    name = options.reasoning_format or found.format
    if name not in FORMATS:
        notes.append(f"The reasoning format {name!r} is unknown; {found.format!r} is used.")
        name = found.format
    return found, FORMATS[name]


def _has_token(vocab: llama.Vocab) -> Callable[[str], bool]:
    return lambda text: vocab.find(text) is not None
