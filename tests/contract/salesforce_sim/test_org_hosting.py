import os
import signal
import subprocess
import sys

import httpx2
import pytest

from cpqbridge_sim.hosting import PortTakenError, host
from cpqbridge_sim.salesforce.server import create_app


def test_host_when_started_answers_at_once_and_stops(org):
    with host(create_app(org)) as hosted:
        assert hosted.url == f"http://127.0.0.1:{hosted.port}"
        assert httpx2.get(f"{hosted.url}/services/data/").status_code == 200
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{hosted.url}/services/data/")


def test_host_when_port_is_taken_says_which(org):
    app = create_app(org)
    with host(app) as hosted, pytest.raises(PortTakenError, match=str(hosted.port)) as caught:
        host(app, port=hosted.port)
    assert caught.value.port == hosted.port


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_forever_when_told_to_stop_ends_cleanly(number):
    program = (
        "from datetime import UTC, datetime\n"
        "from cpqbridge_sim.hosting import serve_forever\n"
        "from cpqbridge_sim.salesforce.org import Org\n"
        "from cpqbridge_sim.salesforce.server import create_app\n"
        "org = Org(datetime(2026, 1, 1, tzinfo=UTC))\n"
        "serve_forever(create_app(org), port=0, on_ready=lambda url: print(url, flush=True))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    url = process.stdout.readline().strip()
    assert httpx2.get(f"{url}/services/data/").status_code == 200
    os.kill(process.pid, number)
    out, errors = process.communicate(timeout=20)
    assert (process.returncode, out, errors) == (0, "", "")
