"""Run by the ordinary user beside a journal that no daemon has: how long one look takes."""

import json
import os
import sys
import time
from pathlib import Path

from bridge.cli.logs import configure_logging
from bridge.sites import load_site
from bridge.wiring import open_daemon

_LOOKS = 3

configure_logging(as_json=False, level="error")
with open_daemon(load_site(Path(sys.argv[1]), os.environ)) as daemon:
    seconds = []
    for _ in range(_LOOKS):
        began = time.perf_counter()
        look = daemon._verbs.watch.look()
        seconds.append(time.perf_counter() - began)
    json.dump({"live": look.live, "changed": look.changed, "seconds": seconds}, sys.stdout)
