"""A WebSocket of python-websockets: each line of standard input is sent as a text, each message that comes is printed.

A line that begins with `!` is something else: `!binary TEXT`, `!close`, or `!octets HEX`, which go on the wire as they
are. Once it is closed, `closed CODE REASON` is printed.
"""

import asyncio
import sys

import websockets


async def talk(url, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else None
    async with websockets.connect(url, additional_headers=headers, max_size=None, ping_interval=None) as socket:
        print("open", flush=True)
        await asyncio.gather(hear(socket), asyncio.create_task(say(socket)))


async def hear(socket):
    try:
        async for message in socket:
            print(message, flush=True)
    except websockets.ConnectionClosedError:
        pass
    print("closed", socket.close_code, socket.close_reason, flush=True)


async def say(socket):
    lines = await standard_input()
    while line := (await lines.readline()).decode().rstrip("\n"):
        command, _, rest = line.partition(" ")
        if command == "!close":
            await socket.close()
        elif command == "!binary":
            await socket.send(rest.encode())
        elif command == "!octets":
            socket.transport.write(bytes.fromhex(rest))
        else:
            await socket.send(line)


async def standard_input():
    lines = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    return lines


asyncio.run(talk(*sys.argv[1:]))
