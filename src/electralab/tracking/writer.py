"""The thread that tells the store what a run says, beside the training."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from electralab.tracking.delivery import count, in_words, is_refusal
from electralab.tracking.journal import Entry, Journal
from electralab.tracking.store import reason

logger = logging.getLogger(__name__)

INTERVAL = 1.0  # seconds in which points gather
LONGEST_PAUSE = 5.0  # seconds between two tries at a store that does not answer


class Writer:
    """Sends a journal from a thread of its own, so that no store ever holds up a step.

    What the store does not take stays in the journal and is sent again, in order; what it refuses
    for good is passed over.

    Args:
        journal: What is to be sent.
        send: Delivers an entry or raises.

    Attributes:
        failure: Of the last try; none: the store takes what it is given.
        refused: What the store refused for good, by kind, and why in the end.
    """

    def __init__(self, journal: Journal, send: Callable[[Entry], None]) -> None:
        self._journal = journal
        self._send = send
        self._changed = threading.Condition()
        self._more = self._hurry = self._tried = self._closing = False
        self._thread: threading.Thread | None = None
        self.failure: Exception | None = None
        self.refused: dict[str, int] = {}
        self.why_refused = ""

    def start(self) -> None:
        """Begins to send; what comes before waits."""
        with self._changed:
            if self._thread is None:
                self._more = True
                self._thread = threading.Thread(target=self._work, daemon=True, name="tracking")
                self._thread.start()

    def put(self, entry: Entry) -> None:
        """Takes an entry; returns at once."""
        self._journal.add(entry)
        with self._changed:
            self._more = True
            self._changed.notify_all()

    def deliver(self, patience: float) -> bool:
        """Waits until the store has everything, or does not take it.

        Args:
            patience: Seconds to wait at most.

        Returns:
            Whether the store has everything.
        """
        self.start()
        end = time.monotonic() + patience
        known_bad = self.failure is not None
        # A thread that was about to rest has not seen the latest entry.
        while not self._try(end) and time.monotonic() < end:
            if self.failure and known_bad:
                break
            # A store that answered was perhaps only in the middle of somebody else's transaction.
            known_bad = self.failure is not None
        return self._is_empty()

    def close(self) -> None:
        """Ends the thread; one that waits for a store that hangs ends with its answer."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._journal.mark()
        self._journal.close()

    def _try(self, end: float) -> bool:
        with self._changed:
            self._hurry, self._tried = True, False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._tried, max(0.0, end - time.monotonic()))
        return self._is_empty()

    def _is_empty(self) -> bool:
        try:
            return next(self._journal.unsent(), None) is None
        except OSError:
            return False

    def _work(self) -> None:
        pause = INTERVAL
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._more or self._hurry or self._closing)
                # Let more gather, unless someone waits for these.
                self._changed.wait_for(lambda: self._hurry or self._closing, pause)
                if self._closing:
                    return
                self._more = False
            self._journal.sync()
            failure = self._send_all()
            if failure and not self.failure:
                logger.warning(
                    "The tracking store does not answer as it should (%s); the training goes on, "
                    "and what it says is kept and sent again.",
                    reason(failure),
                )
            elif self.failure and not failure:
                logger.info("The tracking store has everything again.")
            pause = min(pause * 2, LONGEST_PAUSE) if failure else INTERVAL
            with self._changed:
                self.failure = failure
                self._more = self._more or failure is not None
                self._hurry, self._tried = False, True
                self._changed.notify_all()

    def _send_all(self) -> Exception | None:
        """Sends until nothing is left or something goes wrong, which is returned."""
        while not self._closing:
            try:
                parcel = self._journal.next()
            except OSError as error:  # of the folder's disk
                return error
            if parcel is None:
                break
            try:
                self._send(parcel.entry)
            except Exception as error:
                if not is_refusal(error):
                    self._journal.returned()
                    return error
                self._pass_over(parcel.entry, error)
            self._journal.taken(parcel)
        if not self._closing:
            self._journal.mark()
        return None

    def _pass_over(self, entry: Entry, error: Exception) -> None:
        for name, number in count([entry]).items():
            self.refused[name] = self.refused.get(name, 0) + number
        self.why_refused = reason(error)
        what = in_words(count([entry]))
        logger.warning("The tracking store refused %s: %s.", what, self.why_refused)
