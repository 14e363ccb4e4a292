"""One tool that answers a constant, on FastMCP: something to measure beside Aura."""

from fastmcp import FastMCP

server = FastMCP("constant")


@server.tool
def constant() -> str:
    """Answer a constant."""
    return "constant"


server.run(show_banner=False)
