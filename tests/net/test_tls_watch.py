"""Renewal while the server runs: taken up, refused, asked for, and warned of."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentstream.net.tls import Certificate, Tls, TlsFiles
from agentstream.net.tls_watch import CertificateWatch
from agentstream.testing.certificates import Authority
from agentstream.testing.waiting import until

pytestmark = pytest.mark.integration
NEVER_S = 3_600.0


def renew(authority: Authority, name: str) -> Certificate:
    one = authority.issue(name, file_name="live")
    for file in (one.chain_file, one.key_file):
        stat = os.stat(file)
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))
    return one


@asynccontextmanager
async def running(watch: CertificateWatch) -> AsyncIterator[None]:
    task = asyncio.create_task(watch.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_change_is_taken_up_once_it_has_settled(authority: Authority) -> None:
    tls = Tls(TlsFiles((authority.issue("a.example", file_name="live"),)))
    watch, before = CertificateWatch(tls), tls.server
    await watch.look()
    assert tls.server is before
    renew(authority, "b.example")
    await watch.look()
    assert tls.server is before, "the other file may still be on its way"
    await watch.look()
    assert tls.server is not before
    assert (watch.reloads, watch.failures) == (1, 0)


async def test_a_broken_file_is_refused_once_and_the_old_one_stays(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    one = authority.issue("a.example", file_name="live")
    tls = Tls(TlsFiles((one,)))
    watch, before = CertificateWatch(tls), tls.server
    spoil(one.key_file)
    for _ in range(4):
        await watch.look()
    assert (tls.server is before, watch.failures) == (True, 1)
    assert "certificates_refused" in caplog.text
    assert "half a key" not in caplog.text
    remove(one.key_file)
    for _ in range(3):
        await watch.look()
    assert watch.failures == 2
    renew(authority, "b.example")
    for _ in range(2):
        await watch.look()
    assert watch.reloads == 1


async def test_who_asks_is_served_at_once(authority: Authority) -> None:
    tls = Tls(TlsFiles((authority.issue("a.example"),)))
    watch, before = CertificateWatch(tls, NEVER_S), tls.server
    async with running(watch):
        watch.ask()
        await until(lambda: watch.reloads)
        assert tls.server is not before


async def test_an_end_within_14_days_is_told_and_counted(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    one = authority.issue("a.example")
    tls = Tls(TlsFiles((one,)))
    ends_s = tls.expiries()[one.chain_file]
    early = CertificateWatch(tls, NEVER_S, lambda: ends_s - 15 * 86_400)
    async with running(early):
        await asyncio.sleep(0)
    assert caplog.text == ""
    late = CertificateWatch(tls, NEVER_S, lambda: ends_s - 3 * 86_400)
    async with running(late):
        await until(lambda: "certificate_expires_soon" in caplog.text)
    assert "days_left=3" in caplog.text
    assert late.expires_in_s() == {one.chain_file: 3 * 86_400}


def spoil(name: str) -> None:
    """Leave something in a file that nobody can use."""
    Path(name).write_text("half a key")


def remove(name: str) -> None:
    """Delete a file."""
    Path(name).unlink()
