"""Start the stand-in WebUI: this extension on the playground's model.

The page is at http://127.0.0.1:PORT/ and the API at http://127.0.0.1:PORT/sdapi/v1/, as in AUTOMATIC1111's WebUI.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playground.webui_host import Host

WEBUI = Path(__file__).parent / "webui"

log = logging.getLogger(__name__)


def enter() -> None:
    """Make the stand-in WebUI's `modules` importable, as the real one's are to an extension."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    if str(WEBUI) not in sys.path:
        sys.path.insert(0, str(WEBUI))


@contextmanager
def start(
    port: int | None = None, api_auth: str | None = None, api_only: bool = False, forge: bool = False
) -> Iterator[Host]:
    """Run a server in a thread until the block ends, by default on any free port."""
    enter()
    from playground.webui_host import Host  # needs `modules`, which `enter` makes importable, and gradio is slow

    host = Host(port, api_auth, api_only, forge)
    try:
        yield host
    finally:
        host.close()


def run(port: int, api_auth: str | None = None, api_only: bool = False, forge: bool = False) -> None:
    """Serve until Ctrl-C. `api_auth` is name:password, or several separated by commas."""
    with start(port, api_auth, api_only, forge) as host:
        log.info("serving on %s", host.url)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            log.info("stopped")
