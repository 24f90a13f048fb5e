"""Work done ahead by a thread, so that a GPU does not wait for what the processor prepares."""

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")
ITEMS = 4
_END = object()


def ahead(items: Iterator[T], *, on: bool = True) -> Iterator[T]:
    """The same items, up to four made before they are asked for; ``on: False`` makes each when asked.

    An error of the maker is raised where its item would have come. Leaving off early ends the
    thread. On a processor alone a thread would only take time from the network, so callers
    switch it off there.
    """
    if not on:
        yield from items
        return
    made: queue.Queue = queue.Queue(maxsize=ITEMS)
    left = threading.Event()

    def put(item: object) -> None:
        while not left.is_set():
            try:
                made.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def make() -> None:
        try:
            for item in items:
                put((item, None))
                if left.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
            put((None, error))
        put(_END)

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while (got := made.get()) is not _END:
            item, error = got
            if error is not None:
                raise error
            yield item
    finally:
        left.set()
        thread.join()
