"""What the chat app lives from: the engines, and the history with its lock; without a single widget.

The history is opened behind the first frame. What becomes of the user's words is always one of: encrypted on the disk,
in memory until the end, or not opened yet; the status line says which, and nothing changes it in silence.
Not for: drawing (``screens``), keys and files (``chat.vault``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from edgemind.errors import EdgemindError, HistoryProblem, WorkerDied
from edgemind.tui.waiting import WaitingChats

if TYPE_CHECKING:
    from edgemind.chat.engines import Engines
    from edgemind.chat.history import History
    from edgemind.chat.keyring_ import Asking
    from edgemind.chat.locking_policy import LockingPolicy
    from edgemind.chat.open_vault import OpenVault
    from edgemind.chat.types import Parameters
    from edgemind.chat.vault import Vault
    from edgemind.settings import Settings

Kept = Literal["opening", "encrypted", "unsaved", "memory", "off", "ephemeral", "trouble"]
"""``unsaved``: the disk is full or read-only. ``memory``: no vault yet. ``off``: the settings say so. ``trouble``: the
vault could not be opened."""


PATIENCE = 2.0
"""Seconds that the end waits for a history that is being opened."""


class Household:
    """Methods are safe from any thread; ``begin`` returns at once, ``unlock`` and ``set_passphrase`` take a second.

    Args:
        engines: already loading, or not.
        vault: where the history is; ``None`` keeps everything in memory.
        asking: the keyring's answer, on its way.
        ephemeral: nothing is kept, whatever the settings say.
        model: the name that was asked for.
        think: new chats may reason before they answer.
    """

    def __init__(
        self,
        engines: Engines,
        settings: Settings,
        *,
        vault: Vault | None = None,
        asking: Asking | None = None,
        ephemeral: bool = False,
        model: str | None = None,
        think: bool = True,
    ) -> None:
        self.engines = engines
        self.settings = settings
        self.chosen_model = model
        self.history: History | None = None
        self.open_vault: OpenVault | None = None
        self.vault = vault
        self.kept: Kept = "opening"
        self.problem: EdgemindError | None = None
        """Why the history is not kept although it should be."""
        self.notes: list[str] = []
        """What happened on opening that the user should know."""
        self.waiting = WaitingChats(lambda: self.history, self._tell)
        self._unmoved = False
        """The history in memory is still to be moved into the vault, which had no room for it."""
        self._asking = asking
        self._ephemeral = ephemeral
        self._think = think
        self._listener: Callable[[], None] | None = None
        self._opened = threading.Event()
        self._lock = threading.Lock()
        self._begun = False

    # Opening

    @property
    def needs_passphrase(self) -> bool:
        """Whether the door has to be shown before the chats."""
        if self.vault is None or self._ephemeral or self.history is not None:
            return False
        kind = self.vault.state().kind
        return kind == "passphrase" or (kind == "both" and self._asking is None)

    def begin(self, listener: Callable[[], None]) -> None:
        """Open the history in a thread; ``listener`` is called, on any thread, when something has changed."""
        self._listener = listener
        self.engines.on_change = listener
        self.load_model()
        if self._begun or self.history is not None:
            listener()
            return
        self._begun = True
        threading.Thread(target=self._open, name="history", daemon=True).start()

    def load_model(self) -> None:
        """Begin to load the model, unless one is there or was asked for."""
        if self.engines.state == "none":
            self.engines.load(self.chosen_model)

    def _open(self) -> None:
        with self._lock:
            try:
                self._open_what_there_is()
            except EdgemindError as problem:
                if self.vault is None or self.vault.state().kind != "both":
                    self._in_memory("trouble", problem)
            finally:
                self._forget_secret()  # what a passphrase opens too ``needs_passphrase`` from now on, if it is shut
        self._opened.set()
        self._tell()

    def _open_what_there_is(self) -> None:
        if self.vault is None or self._ephemeral:
            self._in_memory("ephemeral" if self._ephemeral else "off")
            return
        state = self.vault.state()
        if state.kind in ("damaged", "plain"):
            raise HistoryProblem(state.problem, state.hint)
        if state.kind == "none":
            self._first_time()
        elif self._asking is None:
            clinic = self.settings.chat.clinic
            raise HistoryProblem(
                f"{'Clinic mode does not use the keyring' if clinic else 'The keyring was not asked'}; the history "
                "needs a passphrase.",
                "In another terminal: edgemind history passphrase; then start edgemind again.",
            )
        else:
            from edgemind.chat.keyring_ import needed

            self._enter(self.vault.unlock(keyring_secret=needed(self._asking)))

    def _forget_secret(self) -> None:
        """The keyring's answer is not needed any more."""
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.result().wipe()

    def _first_time(self) -> None:
        """A keyring keeps the key if there is one; else nothing is kept until the user chooses a passphrase."""
        asking = self._asking
        answer = asking.result() if asking is not None else None
        if self.vault is not None and asking is not None and answer is not None and answer.secret is not None:
            self._enter(self.vault.create(keyring_secret=answer.secret, key_id=asking.key_id))
        else:
            self._in_memory("memory")

    def _in_memory(self, kept: Kept, problem: EdgemindError | None = None) -> None:
        from edgemind.chat.history import History

        self.kept, self.problem = kept, problem
        self.history = History.in_memory()

    def _enter(self, opened: OpenVault) -> None:
        """The vault is open: what was said in memory so far moves into it. Raises with ``opened`` locked again."""
        from edgemind.chat.problems import HistoryNotSaving

        try:
            history = opened.history(app=True)
            if opened.alone():
                history.recover_writing()
            if self.history is not None:
                self.history.move_into(history)
        except HistoryNotSaving as problem:
            self._unmoved = self.history is not None
            history, self.kept, self.problem = self.history or opened.history_in_memory(), "unsaved", problem
        except BaseException:
            opened.lock()
            raise
        else:
            self.kept, self.problem = "encrypted", None
        self.open_vault, self.history = opened, history
        if opened.recovered:
            self.notes.append(opened.recovered.sentence)
        if self.kept == "encrypted":
            threading.Thread(target=self._snapshot, args=(True,), name="snapshot", daemon=True).start()

    def _snapshot(self, opening: bool = False) -> None:
        from edgemind.chat.problems import HistoryDamaged

        opened = self.open_vault
        if opened is None:
            return
        try:
            opened.snapshot_if_due(opening)
        except HistoryDamaged as problem:
            self.notes.append(f"{problem.message} {problem.hint}".strip())
            self._tell()
        except EdgemindError:
            return  # no snapshot now; the history itself says when it cannot be saved

    def _move_now(self) -> None:
        """The disk may have room by now. The history in memory is then another name of the one in the vault."""
        with self._lock:
            if not self._unmoved or self.history is None or self.open_vault is None:
                return
            try:
                self.history.move_into(self.open_vault.history(app=True))
            except EdgemindError:
                return
            self._unmoved, self.kept, self.problem = False, "encrypted", None
        self._tell()

    def answered(self) -> None:
        """An answer is complete: a good moment for a snapshot, if one is due, and to save what could not be saved."""
        if self._unmoved:
            threading.Thread(target=self._move_now, name="history", daemon=True).start()
        elif self.kept == "encrypted":
            threading.Thread(target=self._snapshot, name="snapshot", daemon=True).start()

    @property
    def has_to_be_kept(self) -> bool:
        """Clinic mode, and there is no passphrase yet or the history cannot be opened: nothing may be said before."""
        return self.settings.chat.clinic and self.vault is not None and self.kept in ("memory", "trouble")

    def wait_opened(self) -> None:
        """Until ``history`` is there; for a thread."""
        self._opened.wait()

    def unlock(self, passphrase: str) -> None:
        """Open the history with the passphrase.

        Raises:
            WrongPassphrase: it is not the one, or it is too soon to try again.
            EdgemindError: the history cannot be opened.
        """
        assert self.vault is not None
        with self._lock:
            opened = self.vault.unlock(passphrase=passphrase)
            if self.open_vault is not None:  # the door was only before it
                opened.lock()
                return
            self._enter(opened)
        self._opened.set()

    # Passphrases

    def passphrase_mode(self) -> Literal["set", "change"]:
        """Whether there is one to be changed."""
        has = self.vault is not None and self.vault.state().kind in ("passphrase", "both")
        return "change" if has else "set"

    def set_passphrase(self, old: str, new: str) -> None:
        """The history opens with ``new`` from now on; one that was only in memory is kept from now on.

        Raises:
            WrongPassphrase: ``old`` is not the passphrase.
            EdgemindError: it cannot be done.
        """
        if self.vault is None or self._ephemeral:
            raise HistoryProblem("Nothing of these chats is to be kept.", self._how_to_keep)
        with self._lock:
            if self.kept == "trouble" and self.problem is not None:
                raise self.problem
            has_one = self.passphrase_mode() == "change"
            if self.open_vault is None and not has_one:
                self._enter(self.vault.create(passphrase=new))
            else:
                if self.open_vault is None:  # it was made before, and could not be entered
                    self._enter(self.vault.unlock(passphrase=old))
                assert self.open_vault is not None
                if has_one:
                    self.open_vault.change_passphrase(old, new)
                else:
                    self.open_vault.set_passphrase(new)
        self._tell()

    @property
    def _how_to_keep(self) -> str:
        if self.kept == "off":
            return 'Take history = "off" out of the settings, and start edgemind again.'
        return "Start edgemind without --ephemeral."

    # Closing

    @property
    def locking(self) -> LockingPolicy | None:
        """When the chats lock themselves, and what is shown then; ``None`` while there is nothing to lock.
        Clinic mode ends what is kept nowhere."""
        if self.open_vault is None and not self.settings.chat.clinic:
            return None
        from edgemind.chat.locking_policy import LockingPolicy

        return LockingPolicy.of(self.settings.chat, self.open_vault is not None and self.passphrase_mode() == "change")

    def lock(self) -> bool:
        """End the worker, whose cache holds the chats, and close the history.

        Returns:
            Whether a passphrase opens it again in this process.
        """
        policy = self.locking
        self.engines.kill()
        self.engines.unload()
        with self._lock:
            self.history = None
            if self.open_vault is not None:
                self.open_vault.lock()
                self.open_vault = None
        _forget_words()
        self.kept = "opening"
        self._opened.clear()
        return policy is not None and policy.locking == "unlock screen"

    def delete_chat(self, history: History, chat_id: str) -> None:
        """Delete it for good: from the snapshots too where there are any."""
        self.waiting.drop(chat_id)
        if self.open_vault is not None and history is self.history:
            self.open_vault.delete_chat(chat_id)
        else:
            history.delete_chat(chat_id)

    def keeps_deleted(self, history: History) -> str:
        """Where chats are still to be found after they were deleted, as a half sentence."""
        from edgemind.chat.recovery import ASIDE

        if self.vault is not None and history is self.history and (self.vault.folder / ASIDE).is_dir():
            return "only histories that were set aside may still hold them."
        return "they cannot be brought back."

    def drop(self) -> None:
        """Let go of everything at once (panic); the database, which may be busy, is closed behind it."""
        opened, self.open_vault, self.history = self.open_vault, None, None
        self.waiting.drop()
        _forget_words()
        if opened is not None:
            threading.Thread(target=opened.lock, name="drop", daemon=True).start()

    def close(self) -> None:
        """The end: everything is on the disk when this returns."""
        self._listener = None
        self.engines.on_change = None
        self.engines.close()
        self.waiting.close()
        if self._unmoved:
            self._move_now()
        free = self._lock.acquire(timeout=PATIENCE)  # a keyring may still be asking its owner: nothing was said then
        try:
            history, self.history = self.history, None
            opened, self.open_vault = self.open_vault, None
            if opened is not None:
                opened.lock()
            elif history is not None:
                history.close()
        finally:
            if free:
                self._lock.release()
            self._opened.set()  # nobody waits for it any more

    def close_in_haste(self) -> None:
        """As ``close`` when the time is up: the worker is not asked to leave."""
        self.engines.kill()
        self.close()

    def _tell(self) -> None:
        if self._listener:
            self._listener()

    # What is shown

    @property
    def model_name(self) -> str:
        from edgemind.models import builtin

        return self.engines.name or self.chosen_model or self.settings.model or builtin.NAME

    @property
    def is_built_in(self) -> bool:
        from edgemind.models import builtin

        return self.model_name == builtin.NAME

    def facts(self, *, ephemeral: bool = False) -> dict[str, Any]:
        """For the status line."""
        engines = self.engines
        state = engines.state
        problem = engines.problem if state == "failed" else None
        info = engines.info
        words, saved = self._history_words(ephemeral)
        return {
            "offline": info.offline if info else self.offline,
            "model": self.model_name if state != "none" else "",
            "loading": engines.loading_fraction if state == "loading" else None,
            "trouble": _trouble(problem),
            "memory": engines.memory(),
            "history": words,
            "saved": saved,
        }

    def _history_words(self, ephemeral: bool) -> tuple[str, bool]:
        if ephemeral or self.kept == "ephemeral":
            return "not kept (ephemeral)", True
        if self.waiting:
            return "not being saved", False
        if self.kept == "encrypted":
            kind = self.vault.state().kind if self.vault else "both"
            return {"keyring": "encrypted (keyring)", "passphrase": "encrypted (passphrase)"}.get(
                kind, "encrypted"
            ), True
        if self.kept == "memory":
            return "not saved: /passphrase keeps it", False
        words = {"off": "off", "trouble": "not opened: nothing is saved", "unsaved": "not being saved"}
        return words.get(self.kept, "opening"), self.kept == "opening"

    def kept_words(self, *, ephemeral: bool = False) -> str:
        """What becomes of the words that are typed, as a sentence."""
        if ephemeral or self.kept == "ephemeral":
            return "Nothing of this chat is kept: it ends with the app."
        if self.kept in ("trouble", "unsaved") and self.problem:
            return f"{self.problem.message} {self.problem.hint}".strip()
        return {
            "encrypted": "Chats are kept encrypted on this machine.",
            "memory": "Nothing is saved yet: /passphrase keeps this and later chats, encrypted.",
            "off": "Your settings keep no history: chats end with the app.",
        }.get(self.kept, "")

    @property
    def offline(self) -> str:
        """How this process itself is kept offline."""
        from edgemind.privacy import jail

        report = jail.armed()
        return report.strength.value if report else "none"

    def engines_count(self, text: str) -> int | None:
        return self.engines.count(text)

    def values_for(self, command: str) -> list[str]:
        """Words that may follow a slash command; for a thread."""
        if command == "model":
            return [model.name for model in self.engines.installed() if model.kind == "gguf"]
        if command == "theme":
            from edgemind.tui.theme import NAMES

            return list(NAMES)
        if command == "think":
            return ["on", "off", "auto"]
        history = self.history
        if history is None:
            return []
        if command == "persona":
            return [persona.name for persona in history.personas()]
        return history.folders() if command == "folder" else history.tags() if command == "tags" else []

    def new_parameters(self) -> Parameters:
        """Of a new chat."""
        from edgemind.chat.types import Parameters

        return Parameters(thinking="auto" if self._think else "off", confidence=self.settings.chat.confidence)

    def model_sampling(self) -> Any:
        """The model's own sampling, for hints; ``None`` while unknown."""
        try:
            return self.engines.engine().options.sampling if self.engines.state == "ready" else None
        except EdgemindError:
            return None


def _forget_words() -> None:
    """What the search has remembered of the words of messages."""
    from edgemind.chat.words import fold

    fold.cache_clear()


def _trouble(problem: EdgemindError | None) -> str:
    """Why there is no model, in a few words."""
    if problem is None:
        return ""
    return "the engine ended: ctrl+o" if isinstance(problem, WorkerDied) else "the model did not load: ctrl+o"
