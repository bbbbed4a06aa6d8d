"""Servers that go away and come back: the real ones of this folder, each behind a TCP proxy of this process."""

import asyncio
import contextlib
import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent


class Server:
    """A server of a script of this folder, on a port of its own."""

    def __init__(self, script, environment, data, ready):
        self.script, self.ready = script, ready
        self.environment = {**os.environ, **environment, "SERVERS_DATA": str(data), "SERVERS_OWNER": str(os.getpid())}
        self.values = {}

    def start(self):
        said = subprocess.run([HERE / self.script, "start"], env=self.environment, stdout=subprocess.PIPE, text=True, check=True).stdout
        self.values = dict(word.split("=", 1) for word in said.split() if "=" in word)
        return self

    def stop(self):
        subprocess.run([HERE / self.script, "stop"], env=self.environment, stdout=subprocess.DEVNULL, check=True)

    def address(self):
        """Host and port that clients use."""
        host, port = self.values[self.ready].removeprefix("http://").rsplit(":", 1)
        return host, int(port)


class Gate:
    """A TCP proxy on a port that stays, in front of `server`: open, or closed in one of the ways of a server that went away."""

    def __init__(self, server):
        self.server, self.state, self.links, self.listener = server, "open", set(), None

    async def open(self):
        self.listener = await asyncio.start_server(self.link, "127.0.0.1", getattr(self, "port", 0))
        self.port = self.listener.sockets[0].getsockname()[1]
        return self

    async def refuse(self):
        """Refuses connections, and ends those that are open."""
        self.listener.close()
        for link in list(self.links):
            link.cancel()

    async def link(self, reader, writer):
        self.links.add(asyncio.current_task())
        writers = [writer]
        try:
            there, back = await asyncio.open_connection(*self.server.address())
            writers.append(back)
            await asyncio.gather(self.pass_on(reader, back), self.pass_on(there, writer))
        except (OSError, asyncio.CancelledError):
            pass  # the client sees the end of its connection
        finally:
            for each in writers:
                each.close()
            self.links.discard(asyncio.current_task())

    async def pass_on(self, reader, writer):
        while data := await reader.read(1 << 16):
            while self.state == "silent":
                await asyncio.sleep(0.05)
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def fail(self, way, seconds):
        """Goes away for `seconds`: it `refuses` connections, is `silent` on all of them, or its server is `stopped`."""
        if way == "silent":
            self.state = "silent"
            await asyncio.sleep(seconds)
            self.state = "open"
        elif way == "refuses":
            await self.refuse()
            await asyncio.sleep(seconds)
            await self.open()
        else:
            await asyncio.to_thread(self.server.stop)
            await asyncio.sleep(seconds)
            await asyncio.to_thread(self.server.start)
