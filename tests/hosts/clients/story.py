"""A story over MCP with the official Python SDK, in one protocol era: lists, calls, progress, cancellation, resources,
templates, completion, subscriptions, prompts.

    python story.py ERA AURA REPOSITORY GO

ERA is `legacy` (with a handshake) or `auto` (the newest that both know, without one); the story's agent waits for the file GO. Exit
status 0 when all holds; the last line on stdout is what was learnt, as JSON.
"""

import json
import os
import sys
import warnings

import anyio
import mcp_types as types
from mcp import Client, MCPError, StdioServerParameters

# Subscribing the old way is what is tested here.
warnings.simplefilter("ignore")
ERA, AURA, REPOSITORY, GO = sys.argv[1:]
# Far longer than anything takes; reaching it is a failure.
PATIENCE = 60
TOOLS = """create_story list_stories get_story analyze_story decompose_story run_wave wait_for_wave get_orchestrator_status
    get_task_output retry_task cancel_run accept_findings complete_story remove_worktree""".split()


def plain(model):
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)


async def call(client, tool, arguments, **options):
    """A good answer: structured, and as text the same document."""
    result = plain(await client.call_tool(tool, arguments, **options))
    assert not result.get("isError"), (tool, result)
    answer = result["structuredContent"]
    texts = [block["text"] for block in result["content"] if block["type"] == "text"]
    assert any(json.loads(text) == answer for text in texts if text.startswith("{")), (tool, result)
    return answer


async def tools(client):
    listed = plain(await client.list_tools())["tools"]
    assert [tool["name"] for tool in listed] == TOOLS, [tool["name"] for tool in listed]
    for tool in listed:
        assert tool["description"] and tool["annotations"] and tool["inputSchema"]["type"] == "object", tool
        assert "$schema" not in tool["inputSchema"], tool["name"]


async def refusals(client):
    """What a model did wrong it is told, as a result; nothing hangs."""
    missing = plain(await client.call_tool("create_story", {"title": "No repository"}))
    assert missing["isError"] and missing["structuredContent"]["code"], missing
    wrong = plain(await client.call_tool("run_wave", {"storyId": 7}))
    assert wrong["isError"] and "storyId" in json.dumps(wrong), wrong
    try:
        unknown = plain(await client.call_tool("make_coffee", {}))
        assert unknown["isError"], unknown
    except MCPError:
        pass


async def resources(client, story):
    """The resource of the story, found as a client finds it: by template and completion, and in the list."""
    templates = [t["uriTemplate"] for t in plain(await client.list_resource_templates())["resourceTemplates"]]
    template = next(t for t in templates if t.count("{") == 1 and t.endswith("{storyId}"))
    known = story["shortId"]
    assert known in await completions(client, template, "storyId", known[:4])
    uri = template.replace("{storyId}", known)
    contents = plain(await client.read_resource(uri))["contents"]
    assert json.loads(contents[0]["text"])["id"] == story["id"], contents
    assert uri in [resource["uri"] for resource in plain(await client.list_resources())["resources"]]
    try:
        await client.read_resource(template.replace("{storyId}", "00000000"))
        raise AssertionError("a story that is not there has a resource")
    except MCPError:
        pass
    return uri


async def completions(client, template, name, begun, chosen=None):
    reference = types.ResourceTemplateReference(type="ref/resource", uri=template)
    return plain(await client.complete(reference, {"name": name, "value": begun}, chosen))["completion"]["values"]


async def traces(client, story):
    """What a task's agent left behind, found the same way."""
    templates = [t["uriTemplate"] for t in plain(await client.list_resource_templates())["resourceTemplates"]]
    diff = next(t for t in templates if t.endswith("/diff"))
    assert await completions(client, diff, "taskId", "task", {"storyId": story["shortId"]}) == ["task-1"]
    uri = diff.replace("{storyId}", story["shortId"]).replace("{taskId}", "task-1")
    contents = plain(await client.read_resource(uri))["contents"]
    assert "+made" in contents[0]["text"], contents


async def prompts(client, story):
    listed = plain(await client.list_prompts())["prompts"]
    assert listed
    for prompt in listed:
        arguments = {a["name"]: story["id"] if "tory" in a["name"] else "Make it fast" for a in prompt.get("arguments", [])}
        messages = plain(await client.get_prompt(prompt["name"], arguments))["messages"]
        assert messages and messages[0]["content"]["text"], prompt
    return [prompt["name"] for prompt in listed]


class Updates:
    """What is heard of one resource, in whichever way the era has."""

    def __init__(self):
        self.heard = anyio.Event()

    async def on_message(self, message):
        if type(message).__name__ == "ResourceUpdatedNotification":
            self.heard.set()

    async def listen(self, client, uri, *, task_status):
        async with client.listen(resource_subscriptions=[uri]) as events:
            task_status.started()
            async for _ in events:
                self.heard.set()


async def main():
    updates = Updates()
    server = StdioServerParameters(command=AURA, args=["mcp"], env=dict(os.environ))
    async with Client(server, mode=ERA, message_handler=updates.on_message) as client, anyio.create_task_group() as group:
        await tools(client)
        await refusals(client)
        story = await call(client, "create_story", {"title": "Over the SDK", "repositoryPath": REPOSITORY, "base": "main"})
        about = {"storyId": story["id"]}
        task = {"id": "task-1", "title": "Make it", "description": "Make task-1.txt."}
        await call(client, "decompose_story", about | {"tasks": [task]})
        uri = await resources(client, story)
        if ERA == "legacy":
            await client.subscribe_resource(uri)
        else:
            await group.start(updates.listen, client, uri)
        run = await call(client, "run_wave", about)
        assert run["isRunning"] and run["started"], run
        again = await call(client, "run_wave", about)
        assert again["runId"] == run["runId"] and not again["started"], again
        with anyio.fail_after(PATIENCE):
            await updates.heard.wait()

        # Whoever stops waiting ends the waiting, and nothing else.
        with anyio.move_on_after(1) as scope:
            await call(client, "wait_for_wave", about | {"waitSeconds": 40, "untilEnd": True})
        assert scope.cancelled_caught
        status = await call(client, "get_orchestrator_status", about)
        assert status["run"] and status["run"]["id"] == run["runId"] and not status["run"]["cancelling"], status

        heard = []

        async def progress(done, total, message):
            heard.append([done, total, message])
            open(GO, "w").close()

        with anyio.fail_after(PATIENCE):
            waited = {"isRunning": True}
            while waited["isRunning"]:
                waited = await call(client, "wait_for_wave", about | {"untilEnd": True}, progress_callback=progress)
        assert heard and [h[0] for h in heard] == sorted(h[0] for h in heard), heard
        assert waited["isComplete"], waited
        names = await prompts(client, story)
        await traces(client, story)
        done = await call(client, "complete_story", about | {"publish": "merge"})
        assert done["published"]["how"] == "merged" and done["verificationPassed"] is True, done
        group.cancel_scope.cancel()
        print(json.dumps({"version": client.protocol_version, "server": client.server_info.name, "prompts": names, "progress": heard}))


anyio.run(main)
