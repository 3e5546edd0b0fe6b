"""The event loop's connection to Redis: replies in order, and never a wait for one that is away."""

import asyncio

import hiredis
import pytest
from redis.exceptions import ConnectionError as LinkLost
from redis.exceptions import TimeoutError as LinkLate

from midst.server.redis_link import Links, is_possible, pack

INFO = b"# Server\r\nrun_id:0123456789abcdef\r\n"
HELLO = b"+OK\r\n$%d\r\n%s\r\n" % (len(INFO), INFO)


def with_server(replies, use, timeout_s=5.0):
    """Run ``use`` with links to a server that sends ``replies`` one after the other; None: none."""

    async def run():
        left, writers = list(replies), []

        async def serve(reader, writer):
            writers.append(writer)
            while await reader.read(65536):
                reply = left.pop(0) if left else None
                if reply == b"":
                    writer.close()
                elif reply is not None:
                    writer.write(reply)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        links = Links(f"redis://127.0.0.1:{port}/0", lambda: timeout_s)
        try:
            return await use(links)
        finally:
            link = links.ready()
            if link is not None:
                link.close()
            for each in writers:
                each.close()
            server.close()

    return asyncio.run(run())


async def connected(links):
    while (link := links.ready()) is None:
        await asyncio.sleep(0.01)
    return link


def get(link, *names):
    return link.ask(tuple("get" for _ in names), pack([("GET", name) for name in names]))


def test_replies_come_in_the_order_of_commands_whoever_waits():
    async def use(links):
        link = await connected(links)
        first, second = get(link, "a", "b"), get(link, "c")
        first.cancel()
        third = get(link, "d")
        return link.run_id, await second, await third

    run_id, second, third = with_server([HELLO, b"+1\r\n+2\r\n+3\r\n-ERR no\r\n"], use)
    assert (run_id, second) == ("01234567", [b"3"])
    assert isinstance(third[0], hiredis.ReplyError)


@pytest.mark.parametrize(
    ("reply", "error"), [(None, LinkLate), (b"", LinkLost), (b"?garbage\r\n", LinkLost)]
)
def test_a_reply_that_does_not_come_ends_the_link_and_all_who_wait(reply, error):
    async def use(links):
        link = await connected(links)
        waiting = [get(link, "a"), get(link, "b")]
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert link.is_lost
        with pytest.raises(LinkLost):
            await get(link, "c")
        return found

    found = with_server([HELLO, reply], use, timeout_s=0.2)
    assert [type(each) for each in found] == [error, error]


def test_nobody_waits_for_a_server_that_refuses():
    async def use(links):
        assert links.ready() is None
        await asyncio.sleep(0.1)
        return links.ready()

    assert with_server([b"-WRONGPASS no\r\n"], use) is None


def test_tls_is_left_to_djangos_client():
    assert [is_possible(f"{each}://redis") for each in ("redis", "rediss")] == [True, False]
